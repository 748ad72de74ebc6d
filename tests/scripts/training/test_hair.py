"""The command line of the hair network's training."""

import pytest

from core.errors import PhotobustError
from core.training.hair.evaluation import HairFigures
from core.training.hair.grooms import GroomKind
from scripts.training import hair


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    monkeypatch.setattr("sys.argv", ["hair.py", *(str(one) for one in arguments)])
    return hair.main()


@pytest.mark.parametrize(("what", "missing"), [("train", "no shards"), ("export", "checkpoint.pt")])
def test_what_a_step_lacks_is_named(monkeypatch, tmp_path, what, missing):
    folders = ("--data", tmp_path / "data", "--cache", tmp_path / "cache", "--run", tmp_path / "run")
    with pytest.raises(PhotobustError, match=missing):
        run(monkeypatch, what, *folders)
    assert not (tmp_path / "run").exists()


def test_a_network_that_is_no_better_than_the_construction_is_not_promoted(monkeypatch, tmp_path, capsys):
    models, candidate = tmp_path / "models", tmp_path / "run" / "models"
    for folder in (models, candidate):
        folder.mkdir(parents=True)
        for suffix in ("onnx", "safetensors"):
            (folder / f"hair_network.{suffix}").write_text(folder.parent.name)
    volumes = {"construction": 0.6, "candidate": 0.601, "current": 0.55}

    def measured(bench, networks, count):
        return {name: [(GroomKind.BOB, HairFigures(volumes[name], 0.8, 0.8))] for name in networks}

    monkeypatch.setattr("core.hair.volume_network.OnnxHairNetwork", lambda path: path)
    monkeypatch.setattr("core.training.hair.evaluation.measure_grooms", measured)
    monkeypatch.setattr("core.training.hair.evaluation.HairBench", lambda topology: topology)
    monkeypatch.setattr("core.template.topology.HeadTopology.load", lambda folder: folder)
    arguments = ("promote", "--run", tmp_path / "run", "--models", models)
    assert run(monkeypatch, *arguments) == 1
    assert "stays as it is" in capsys.readouterr().out
    before = (models / "hair_network.onnx").read_text()
    volumes["candidate"] = 0.7
    assert not run(monkeypatch, *arguments)
    assert (models / "hair_network.onnx").read_text() == "run" != before
