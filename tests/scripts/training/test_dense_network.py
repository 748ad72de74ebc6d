"""The command line of the training of dense landmarks."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import PhotobustError
from core.lifting.dense_landmarks import DenseModel
from core.runtime.backend import DENSE_NAME
from core.runtime.weights import file_sha256
from core.training.paths import DataPaths
from scripts.training import dense_network


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["dense_network.py", *(str(one) for one in arguments)])
    dense_network.main()


@pytest.mark.parametrize(
    ("what", "missing"),
    [
        ("faces", "no pictures of the split 'train'"),
        ("train", r"dense_network\.py faces"),
        ("export", r"points\.npz.*dense_network\.py train"),
        ("lifter", r"points\.npz.*dense_network\.py train"),
    ],
)
def test_what_a_step_lacks_is_named(monkeypatch, tmp_path, what, missing):
    folders = ("--data", tmp_path / "data", "--cache", tmp_path / "cache", "--run", tmp_path / "run")
    models = tmp_path / "models" if what == "lifter" else dense_network.ROOT / "models"
    models.mkdir(exist_ok=True)
    with pytest.raises(PhotobustError, match=missing):
        run(monkeypatch, what, *folders, "--models", models)


def test_the_regression_gets_pictures_that_the_network_does_not(monkeypatch, tmp_path):
    (tmp_path / "dense").mkdir()
    for k in range(12):
        (tmp_path / "dense" / f"train_{k:05d}.npz").touch()
    lifted, fitted = [], []
    observations, lifting = "core.training.dense.observations", "core.training.dense.lifting"
    monkeypatch.setattr(
        f"{observations}.lifted_faces", lambda paths, shard, crops, training: (len(crops), training)
    )

    def write(path: Path, made: tuple[int, bool]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        lifted.append((path.name, path.parent.name == dense_network.KEPT_FOLDER, made))

    monkeypatch.setattr(f"{observations}.write_lifted_faces", write)
    options = ("--cache", tmp_path, "--run", tmp_path / "run")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "eval_00000.npz").touch()
    run(monkeypatch, "faces", *options)
    shown = [name for name, kept, _ in lifted if not kept]
    assert len(shown) == 8 and len(lifted) == 13
    assert {made for _, kept, made in lifted if kept} == {(3, False)}
    assert {made for _, kept, made in lifted if not kept} == {(1, True)}
    run(monkeypatch, "faces", *options)
    assert len(lifted) == 13  # those that are there are not made again

    def fit(paths: DataPaths, model: DenseModel, train: list[Path], held: list[Path]) -> list[str]:
        assert [path.name for path in held] == ["eval_00000.npz"]
        fitted.extend(train)
        return []

    monkeypatch.setattr(f"{lifting}.train_dense_lifter", fit)
    points = tmp_path / "run" / "dense" / "points.npz"
    points.parent.mkdir(parents=True, exist_ok=True)
    np.savez(points, mean=np.zeros(3), basis=np.zeros((2, 3)))
    with pytest.raises(PhotobustError, match=r"was not trained with.*dense_network\.py export"):
        run(monkeypatch, "lifter", *options)  # that which ships was put there
    network = tmp_path / "run" / "models" / DENSE_NAME
    save_file({"x": np.zeros(1)}, network, {dense_network.POINTS_FACT: file_sha256(points)})
    run(monkeypatch, "lifter", *options)
    names = [path.name for path in fitted]
    assert sorted([*names, *shown]) == [f"train_{k:05d}.npz" for k in range(12)]
    fitted[0].unlink()
    with pytest.raises(PhotobustError, match=rf"{fitted[0].name}.*dense_network\.py faces"):
        run(monkeypatch, "lifter", *options)
