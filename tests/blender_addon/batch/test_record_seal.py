"""A record's photos are only read if this user has named them."""

import errno
import os
import stat

import pytest

from blender_addon.batch.options import parse
from blender_addon.batch.record import BatchRecord
from blender_addon.batch.record_seal import KEY_NAME, is_sealed, seal


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("PHOTOBUST_HOME", str(folder))
    return folder


def test_only_what_was_sealed_is(home):
    inputs = ["/photos", "/b.jpg", "/\udcff.jpg"]
    assert not is_sealed(inputs, "") and not home.exists()
    sealed = seal(inputs)
    assert is_sealed(inputs, sealed) and seal(inputs) == sealed
    for other in (["/photos"], [*inputs, "/c"], [*inputs[:2], "/c"], []):
        assert not is_sealed(other, sealed)
    for wrong in ("", sealed[:-1], sealed.upper(), "\udcff", "é"):
        assert not is_sealed(inputs, wrong)
    if os.name == "posix":
        assert stat.S_IMODE((home / KEY_NAME).stat().st_mode) == 0o600
    # Somebody else's.
    (home / KEY_NAME).unlink()
    assert seal(inputs) != sealed and not is_sealed(inputs, sealed)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EPERM, "no"),
        OSError(errno.ENOTSUP, "no"),
        OSError(errno.EINVAL, "no"),
        NotImplementedError(),
    ],
)
def test_where_there_are_no_hard_links(home, monkeypatch, error):
    """On FAT, and in some folders on a network."""

    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "link", refuse)
    assert is_sealed(["/photos"], seal(["/photos"])) and [p.name for p in home.iterdir()] == [KEY_NAME]


def test_without_a_place_for_a_key_nothing_is_sealed(home):
    home.write_text("a file")
    assert seal(["/photos"]) == "" and not is_sealed(["/photos"], "")
    home.unlink(), home.mkdir()
    (home / KEY_NAME).write_bytes(b"")
    assert seal(["/photos"]) == "" and not is_sealed(["/photos"], "")


def test_resuming_somebody_elses_record_reads_no_photos_that_it_names(tmp_path, capsys):
    private = tmp_path / "private"
    record = BatchRecord(inputs=[str(private)], options={"head": True})
    record.inputs_seal = "0" * 64
    record.save(tmp_path)
    with pytest.raises(SystemExit):
        parse(["--resume", "--out", str(tmp_path)], "", "")
    said = capsys.readouterr().err
    assert "not made by you" in said and str(private) in said
    mine = str(tmp_path / "mine")
    assert parse(["--resume", "--out", str(tmp_path), mine], "", "").photos == [mine]
    record.inputs_seal = seal(record.inputs)
    record.save(tmp_path)
    assert parse(["--resume", "--out", str(tmp_path)], "", "").photos == [str(private)]
