"""Build models/face_features.safetensors from the face mesh inside MediaPipe's PyPI wheel.

    python scripts/build/face_features.py [--wheel FILE] [--out models]
    python scripts/training/export_onnx.py

The wheels up to 0.10.21 carry the mesh network as a TensorFlow Lite file. Its first layers, from which all
landmarks are computed, were trained on photos of many people, and respond to what a network trained on
synthetic pictures alone would miss. Without --wheel, pip downloads the wheel. Apache License 2.0, as the
bundles of scripts/build/face_landmarker.py.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.runtime.backend import FEATURES_NAME
from scripts.build.face_landmarker import layers_of_wheel, write_weights

MESH = "mediapipe/modules/face_landmark/face_landmark.tflite"


def name_layers(layers: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """Name weights as `core.detection.face_encoder.FaceNetwork` does; the layers after it are left out.

    Args:
        layers: arrays of each layer, in order.

    Returns:
        The weights by name.
    """
    from core.detection.face_encoder import BLOCKS

    order = ["stem", "act"]
    for block in range(len(BLOCKS)):
        order += [f"blocks.{block}.{layer}" for layer in ("depthwise", "pointwise", "act")]
    named: dict[str, np.ndarray] = {}
    for layer, values in zip(order, layers, strict=False):
        for name, value in zip(("weight", "bias"), values, strict=False):
            named[f"{layer}.{name}"] = np.ascontiguousarray(value.astype(np.float16))
    return named


def main() -> None:
    """Read the wheel, write the weights."""
    layers, out = layers_of_wheel(__doc__, MESH, ROOT / "models")
    write_weights(name_layers(layers), out / FEATURES_NAME)


if __name__ == "__main__":
    main()
