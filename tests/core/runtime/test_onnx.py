"""The exported networks: made of the weights beside them, and the same as the reference backend's."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from core import Reconstructor
from core.errors import ModelError
from core.runtime.backend import ONNX_NAME, WEIGHTS_NAME, choose_backend
from core.runtime.onnx_session import OnnxSession
from core.runtime.weights import file_sha256
from core.volume.onnx_predictor import OnnxPredictor
from core.volume.predictor import TEMPERATURE
from core.volume.torch_predictor import TorchPredictor
from tests.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "models"


class Recorder:
    """Hands on what a predictor is asked, and keeps it."""

    def __init__(self, predictor) -> None:
        self.predictor = predictor

    def predict(self, crop, guidance):
        self.crop, self.guidance = crop, guidance
        self.volume = self.predictor.predict(crop, guidance)
        return self.volume


@pytest.fixture(scope="module")
def seen(astronaut) -> Recorder:
    """The astronaut's real crop, guidance and volume by ONNX Runtime."""
    reconstructor = Reconstructor.from_pretrained(MODELS, backend="onnx")
    reconstructor.predictor = recorder = Recorder(reconstructor.predictor)
    reconstructor.reconstruct(astronaut)
    return recorder


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.name)
def test_exported_networks_belong_to_their_weights(path):
    """If this fails: run scripts/training/export_onnx.py."""
    properties = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    source = MODELS / properties["source"]
    assert source.stem == path.stem
    assert properties["source_sha256"] == file_sha256(source)
    assert path.stat().st_size < 30e6


def test_every_network_is_exported():
    trained = {"dense_network", "face_features", "hair_network", "profile_network"}
    trained |= {"segmentation_network", "volume_network"}
    networks = trained & {path.stem for path in MODELS.glob("*.safetensors")}
    assert {path.stem for path in MODELS.glob("*.onnx")} == networks > set()


def test_both_backends_give_the_same_volume(seen):
    pytest.importorskip("torch")
    reference = TorchPredictor.from_pretrained(MODELS).predict(seen.crop, seen.guidance)
    assert seen.volume.shape == reference.shape == (200, 192, 192)
    assert seen.volume.dtype == np.float32
    assert np.abs(seen.volume - reference).max() < 1e-3
    # The network has something to say here, so that agreeing is no matter of course.
    template = 1 / (1 + np.exp(-seen.guidance.template_logits / TEMPERATURE))
    assert np.abs(seen.volume - template).max() > 0.1


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_change_the_volume(seen, threads):
    volume = OnnxPredictor.from_pretrained(MODELS, threads).predict(seen.crop, seen.guidance)
    np.testing.assert_allclose(volume, seen.volume, atol=1e-5)


@pytest.mark.parametrize("threads", [0, -2])
def test_threads_that_there_cannot_be_are_refused(threads):
    with pytest.raises(ValueError, match="one thread at least"):
        OnnxSession(MODELS / ONNX_NAME, threads)


def test_stale_export_is_refused(tmp_path):
    shutil.copy(MODELS / ONNX_NAME, tmp_path)
    OnnxSession(tmp_path / ONNX_NAME, 1)  # as installed: without the weights
    (tmp_path / WEIGHTS_NAME).write_bytes(b"trained anew")
    with pytest.raises(ModelError, match=r"other weights than volume_network\.safetensors.*export_onnx"):
        OnnxSession(tmp_path / ONNX_NAME, 1)


@pytest.mark.parametrize("source", [None, "", "..", "/etc/passwd", "a/../b"])
def test_a_network_that_names_no_weights_of_its_folder_is_run(tmp_path, source):
    network = onnx.load(str(MODELS / "profile_network.onnx"))
    del network.metadata_props[:]
    if source is not None:
        onnx.helper.set_model_props(network, {"source": source})
    path = tmp_path / "own.onnx"
    onnx.save(network, str(path))
    assert len(OnnxSession(path, 1).run_all(picture=np.zeros((1, 3, 128, 128), np.float32))) == 2


def test_missing_and_damaged_networks_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"volume_network\.onnx is missing"):
        OnnxPredictor.from_pretrained(tmp_path)
    (tmp_path / ONNX_NAME).write_bytes((MODELS / ONNX_NAME).read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"volume_network\.onnx is damaged"):
        OnnxPredictor.from_pretrained(tmp_path)


def test_backend_is_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv("PHOTOBUST_BACKEND", raising=False)
    installed = {"onnxruntime", "torch"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in installed or None)
    (tmp_path / WEIGHTS_NAME).touch()
    assert choose_backend(tmp_path) == "torch"  # trained a moment ago, not exported yet
    (tmp_path / ONNX_NAME).touch()
    assert choose_backend(tmp_path) == "onnx"
    assert choose_backend(tmp_path, "torch") == "torch"
    monkeypatch.setenv("PHOTOBUST_BACKEND", "torch")
    assert choose_backend(tmp_path) == "torch"
    assert choose_backend(tmp_path, "auto") == "onnx"
    installed.remove("torch")
    with pytest.raises(ModelError, match="torch needs the package torch"):
        choose_backend(tmp_path)
    monkeypatch.delenv("PHOTOBUST_BACKEND")
    assert choose_backend(tmp_path) == "onnx"
    installed.clear()
    with pytest.raises(ModelError, match="set up the engine again"):
        choose_backend(tmp_path)
    with pytest.raises(ModelError, match="no backend 'cuda'"):
        choose_backend(tmp_path, "cuda")


def test_export_is_exact_and_says_what_it_was_made_of(tmp_path):
    """The export as such, on a small network with weights as if it had been trained."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from core.training.fitting.onnx_export import export_volume_network
    from core.volume.network import NetworkConfig, VolumeRegressionNetwork
    from tests.core.volume.test_network import SMALL, lively

    network = lively(VolumeRegressionNetwork(SMALL))
    state = {name: value.half() for name, value in network.state_dict().items() if value.dim()}
    save_file(state, tmp_path / WEIGHTS_NAME, {"config": json.dumps(NetworkConfig.to_dict(SMALL))})
    path = export_volume_network(tmp_path)
    assert [file.name for file in sorted(tmp_path.iterdir())] == [ONNX_NAME, WEIGHTS_NAME]

    torch.manual_seed(1)
    inputs, logits = torch.randn(1, 10, 192, 192), 3 * torch.randn(1, 200, 192, 192)
    with torch.inference_mode():
        from core.volume.torch_predictor import load_network

        expected = torch.sigmoid(
            (load_network(tmp_path / WEIGHTS_NAME)(inputs) + logits) / TEMPERATURE
        ).numpy()
    session = OnnxSession(path, 1)
    got = session.run(inputs=inputs.numpy(), template_logits=logits.numpy())
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert session.metadata["source"] == WEIGHTS_NAME
    weights = {a.name: a.data_type for a in onnx.load(str(path)).graph.initializer if len(a.dims) == 4}
    assert weights and set(weights.values()) == {onnx.TensorProto.FLOAT16}
    before = path.read_bytes()
    export_volume_network(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_command_exports_what_is_there(tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, str(ROOT / "scripts/training/export_onnx.py"), "--models", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 2 and "has none of" in done.stderr
    shutil.copy(MODELS / WEIGHTS_NAME, tmp_path)
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)
    made, shipped = (without_version(folder / ONNX_NAME) for folder in (tmp_path, MODELS))
    assert made == shipped


def without_version(path: Path) -> bytes:
    """A model but for the program's version that exported it: not every release exports anew."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(path)
    (generator,) = [entry for entry in model.metadata_props if entry.key == "generator"]
    assert re.fullmatch(r"Photobust \d+\.\d+\.\d+", generator.value)
    generator.value = ""
    return model.SerializeToString(deterministic=True)
