"""Models are those that belong to this version, or are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.detection.face_encoder import load_face_network
from core.detection.profile_network import load_profile_network
from core.errors import ModelError
from core.hair.network import load_network as load_hair_volume_network
from core.lifting.dense_network import load_dense_network
from core.runtime import weights
from core.runtime.pinned_models import PINNED_MODELS
from core.segmentation.network import load_segmentation_network
from core.volume.torch_predictor import load_network as load_volume_network
from core.worker.jobs import Jobs
from scripts.build import pin_models
from scripts.build.pin_models import pinned_source

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """A copy of the project's models that counts as the project's own."""
    folder = tmp_path / "models"
    shutil.copytree(ROOT / "models", folder)
    monkeypatch.setattr(weights, "packaged_models", lambda: folder)
    return folder


def test_the_list_is_up_to_date():
    text = (ROOT / "core/runtime/pinned_models.py").read_text("utf-8")
    assert text == pinned_source(ROOT / "models"), "run scripts/build/pin_models.py"
    assert {Path(name).suffix for name in PINNED_MODELS} == {*weights.MODEL_SUFFIXES}


@pytest.mark.parametrize("name", sorted(PINNED_MODELS))
@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_damaged_models_are_refused(copied, name, damage):
    path = copied / name
    good = path.read_bytes()
    middle = len(good) // 2
    bad = {
        "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "truncated": good[:middle],
        "empty": b"",
    }[damage]
    path.write_bytes(bad)
    twin = (path.with_suffix(".onnx")).name in PINNED_MODELS and path.suffix == ".safetensors"
    backend = "torch" if twin else "onnx"
    with pytest.raises(ModelError, match=name):
        weights.verify_models(copied, backend)
    path.write_bytes(good)
    weights.verify_models(copied, backend)


def test_what_the_other_backend_runs_is_not_checked(copied):
    (copied / "volume_network.safetensors").write_bytes(b"")
    weights.verify_models(copied, "onnx")
    with pytest.raises(ModelError, match="volume_network"):
        weights.verify_models(copied, "torch")


def test_models_that_lie_elsewhere_behind_a_link_are_checked(copied, tmp_path, monkeypatch):
    (copied / "volume_network.onnx").write_bytes(b"")
    link = tmp_path / "link"
    link.symlink_to(copied, target_is_directory=True)
    monkeypatch.setattr(weights, "packaged_models", lambda: link)
    for folder in (link, copied):
        with pytest.raises(ModelError, match="volume_network"):
            weights.verify_models(folder, "onnx")


def test_models_that_lie_elsewhere_behind_a_link_are_pinned(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "new.onnx").write_bytes(b"")
    link, pinned = tmp_path / "models", tmp_path / "pinned_models.py"
    link.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    monkeypatch.setattr(pin_models, "MODELS", link)
    monkeypatch.setattr(pin_models, "PINNED", pinned)
    pin_models.pin_models(link)
    assert '"new.onnx"' in pinned.read_text("utf-8")


def test_missing_models_are_left_to_what_needs_them(copied):
    (copied / "volume_network.safetensors").unlink()
    weights.verify_models(copied, "torch")


def test_models_of_ones_own_are_not_checked(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.ENVIRONMENT_VARIABLE, str(tmp_path))
    (tmp_path / "volume_network.onnx").write_bytes(b"trained by somebody")
    assert weights.models_folder() == tmp_path
    weights.verify_models(tmp_path, "onnx")


@pytest.mark.parametrize("content", [b"", b"PK", b"\x08\0\0\0\0\0\0\0{}}}}}}}", b"\xff" * 40])
def test_damaged_files_of_ones_own_are_named(tmp_path, content):
    for name, read in (
        ("a.npz", lambda path: weights.model_arrays(path).__enter__()),
        ("b.safetensors", weights.safetensors_arrays),
        ("c.safetensors", lambda path: weights.safetensors_arrays(path, torch=True)),
        ("d.safetensors", load_volume_network),
    ):
        path = tmp_path / name
        with pytest.raises(ModelError, match=f"{name} is missing"):
            read(path)
        path.write_bytes(content)
        with pytest.raises(ModelError, match=f"{name} is damaged"):
            read(path)


LOADERS = (
    *(load_face_network, load_segmentation_network, load_hair_volume_network, load_profile_network),
    *(load_volume_network, load_dense_network),
)


@pytest.mark.parametrize("load", LOADERS, ids=lambda load: load.__module__)
def test_weights_of_another_network_are_refused(tmp_path, load):
    path = tmp_path / "network.safetensors"
    for wrong in ({}, {"x": np.zeros(3, np.float16)}, {"stem.weight": np.zeros((1, 2), np.float32)}):
        save_file(wrong, path)
        with pytest.raises(ModelError, match="does not fit this version"):
            load(path)


@pytest.mark.parametrize("config", ["[]", "{", '{"depth": 3}', '{"channels": 5}'])
def test_a_volume_network_of_another_kind_is_refused(tmp_path, config):
    path = tmp_path / "network.safetensors"
    save_file({"x": np.zeros(3, np.float16)}, path, {"config": config})
    with pytest.raises(ModelError, match="does not fit this version"):
        load_volume_network(path)


def test_all_kinds_of_models_have_fingerprints(copied):
    before = weights.fingerprints(copied)
    assert {"head_template.npz", "face_landmarker.task", "volume_network.onnx"} <= before.keys()
    template = copied / "head_template.npz"
    data = template.read_bytes()
    template.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert weights.fingerprints(copied)["head_template.npz"] != before["head_template.npz"]


def test_a_repaired_model_serves_the_next_request(copied, monkeypatch):
    """The engine keeps running: its next request loads the models again."""
    path = copied / "landmark_lifter.safetensors"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"?")

    def load(_):
        weights.verify_models(weights.models_folder(), "onnx")
        return object()

    jobs = Jobs(load)
    with pytest.raises(ModelError, match="landmark_lifter"):
        jobs._ready(lambda *_: None, lambda: False)
    path.write_bytes(good)
    assert jobs._ready(lambda *_: None, lambda: False) is not None
