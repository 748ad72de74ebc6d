"""Which program runs the networks: ONNX Runtime, or torch, the reference. Imports neither."""

import importlib.util
import os
from pathlib import Path

from ..errors import ModelError

WEIGHTS_NAME = "volume_network.safetensors"
ONNX_NAME = "volume_network.onnx"
FEATURES_NAME = "face_features.safetensors"
FEATURES_ONNX_NAME = "face_features.onnx"
SEGMENTATION_NAME = "segmentation_network.safetensors"
SEGMENTATION_ONNX_NAME = "segmentation_network.onnx"
PROFILE_NAME = "profile_network.safetensors"
PROFILE_ONNX_NAME = "profile_network.onnx"
DENSE_NAME = "dense_network.safetensors"
DENSE_ONNX_NAME = "dense_network.onnx"
HAIR_NAME = "hair_network.safetensors"
HAIR_ONNX_NAME = "hair_network.onnx"
#: Backend -> the package it needs; "auto" takes the first that can run.
BACKENDS = {"onnx": "onnxruntime", "torch": "torch"}
AUTO = "auto"
#: The environment variable that names a backend where none is asked for.
ENVIRONMENT_VARIABLE = "PHOTOBUST_BACKEND"


def choose_backend(models_dir: Path, wanted: str | None = None) -> str:
    """The backend to use: `wanted`, else $PHOTOBUST_BACKEND, else "auto".

    Raises ModelError if there is none, or if what is asked for cannot run.
    """
    wanted = wanted or os.environ.get(ENVIRONMENT_VARIABLE) or AUTO
    if wanted not in (AUTO, *BACKENDS):
        raise ModelError(f"There is no backend {wanted!r}: choose {AUTO}, {' or '.join(BACKENDS)}")
    able = [name for name, package in BACKENDS.items() if importlib.util.find_spec(package)]
    if wanted != AUTO:
        if wanted not in able:
            raise ModelError(
                f"The backend {wanted} needs the package {BACKENDS[wanted]}: install it, or choose {AUTO}"
            )
        return wanted
    if not able:
        raise ModelError(
            f"Neither {' nor '.join(BACKENDS.values())} is installed in this Python: set up the engine again"
        )
    # A folder that has just been trained into has no exported network yet.
    files = {"onnx": ONNX_NAME, "torch": WEIGHTS_NAME}
    return next((name for name in able if (Path(models_dir) / files[name]).is_file()), able[0])
