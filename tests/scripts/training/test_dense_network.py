"""The command line of the training of dense landmarks."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import PhotobustError
from core.runtime.backend import DENSE_NAME
from core.runtime.weights import file_sha256
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
    monkeypatch.setattr(f"{observations}.lifted_faces", lambda paths, shard, training: shard)
    monkeypatch.setattr(f"{observations}.write_lifted_faces", lambda path, shard: lifted.append(shard.name))
    options = ("--cache", tmp_path, "--run", tmp_path / "run")
    run(monkeypatch, "faces", *options)
    assert len(lifted) == 8
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "eval_00000.npz").touch()
    monkeypatch.setattr(
        f"{lifting}.train_dense_lifter", lambda paths, model, train, held: fitted.extend(train) or []
    )
    points = tmp_path / "run" / "dense" / "points.npz"
    points.parent.mkdir(parents=True, exist_ok=True)
    np.savez(points, mean=np.zeros(3), basis=np.zeros((2, 3)))
    with pytest.raises(PhotobustError, match=r"was not trained with.*dense_network\.py export"):
        run(monkeypatch, "lifter", *options)  # that which ships was put there
    network = tmp_path / "run" / "models" / DENSE_NAME
    save_file({"x": np.zeros(1)}, network, {dense_network.POINTS_FACT: file_sha256(points)})
    run(monkeypatch, "lifter", *options)
    names = [path.name for path in fitted]
    assert sorted([*names, *lifted]) == [f"train_{k:05d}.npz" for k in range(12)]
