import json
import random

from scripts.benchmark.check_resume import check, contents, differences, not_whole


def folder(tmp_path, name, picture=b"picture", seconds=1.0, fbx=b"x" * 5000):
    head = tmp_path / name / "a"
    head.mkdir(parents=True)
    (head / "preview.png").write_bytes(picture)
    (head / "head.fbx").write_bytes(fbx)
    files = {"preview.png": {"sha256": "1"}, "head.fbx": {"sha256": str(seconds), "bytes": len(fbx)}}
    (head / "face.json").write_text(json.dumps({"timings": {"head": seconds}, "files": files}))
    photo = {"path": "/a.jpg", "seconds": seconds, "heads": [{"folder": "a"}]}
    record = {"photos": [photo], "started": seconds}
    (tmp_path / name / "batch.json").write_text(json.dumps(record))
    return tmp_path / name


def test_times_and_dates_are_no_difference(tmp_path):
    one = contents(folder(tmp_path, "one"))
    assert differences(one, contents(folder(tmp_path, "two", seconds=2.0, fbx=b"y" * 5001))) == []
    assert differences(one, contents(folder(tmp_path, "three", b"other"))) == ["a/preview.png differs"]
    assert differences(one, contents(folder(tmp_path, "four", fbx=b"y"))) == ["a/head.fbx differs"]


def test_half_written_files_are_found_but_hidden_ones_are_not_looked_at(tmp_path):
    expected = contents(folder(tmp_path, "one"))
    killed = folder(tmp_path, "two", picture=b"pict")
    (killed / ".photobust-x").mkdir()
    (killed / ".photobust-x/half.png").write_bytes(b"p")
    assert list(not_whole(killed, expected)) == ["a/preview.png is not whole"]
    assert ".photobust-x/half.png should not be there" in differences(expected, contents(killed))


def test_kills_and_goes_on(fake_batch, photos, tmp_path, monkeypatch, capsys):
    for name, value in fake_batch.environment().items():
        monkeypatch.setenv(name, value)
    command = fake_batch.command(photos("a.jpg", "two.jpg", "b.jpg", "c.jpg"), "--no-page", out=False)
    assert check(command, tmp_path, 3, random.Random(1)) == []
    said = capsys.readouterr().out
    assert "Kill 3: " in said
