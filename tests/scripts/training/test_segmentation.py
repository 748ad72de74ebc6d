"""The command line of the segmentation network's training."""

import pytest

from core.errors import PhotobustError
from scripts.training import segmentation


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int | None:
    monkeypatch.setattr("sys.argv", ["segmentation.py", *(str(one) for one in arguments)])
    return segmentation.main()


@pytest.mark.parametrize(
    ("what", "missing"),
    [
        ("prepare", "portraits"),
        ("shards", "face_model"),
        ("train", "person_network"),
        ("export", "checkpoint.pt"),
    ],
)
def test_what_a_step_lacks_is_named(monkeypatch, tmp_path, what, missing):
    folders = ("--data", tmp_path / "data", "--cache", tmp_path / "cache", "--run", tmp_path / "run")
    with pytest.raises(PhotobustError, match=missing):
        run(monkeypatch, what, *folders)
    assert not (tmp_path / "run").exists()


def test_a_network_that_is_no_better_is_not_promoted(monkeypatch, tmp_path, capsys):
    models, candidate = tmp_path / "models", tmp_path / "run" / "models"
    for folder in (models, candidate):
        folder.mkdir(parents=True)
        for suffix in ("onnx", "safetensors"):
            (folder / f"segmentation_network.{suffix}").write_text(folder.parent.name)
    scores = iter([0.7, 0.701, 0.7, 0.75])

    class Figures:
        def __init__(self) -> None:
            self.score = next(scores)

    monkeypatch.setattr("core.segmentation.segmenter.OnnxSegmentNetwork", lambda path: path)
    monkeypatch.setattr("core.training.segmentation.evaluation.measure_segmentation", lambda *_: Figures())
    arguments = ("promote", "--run", tmp_path / "run", "--models", models)
    assert run(monkeypatch, *arguments) == 1
    assert "stays as it is" in capsys.readouterr().out
    before = (models / "segmentation_network.onnx").read_text()
    assert not run(monkeypatch, *arguments)
    assert (models / "segmentation_network.onnx").read_text() == "run" != before
