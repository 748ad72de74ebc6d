"""Build models/face_features.safetensors from the face mesh inside MediaPipe's PyPI wheel.

    python scripts/build/face_features.py [--wheel FILE] [--out models]
    python scripts/training/export_onnx.py

The wheels up to 0.10.21 carry the mesh network as a TensorFlow Lite file. Its first layers, from which all
landmarks are computed, were trained on photos of many people, and respond to what a network trained on
synthetic pictures alone would miss. Without --wheel, pip downloads the wheel. Apache License 2.0, as the
bundles of scripts/build/face_landmarker.py.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.runtime.backend import FEATURES_NAME
from scripts.build.face_landmarker import download_wheel, load_schema, read_layers

MESH = "mediapipe/modules/face_landmark/face_landmark.tflite"


def name_layers(layers: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
    """Name weights as `core.lifting.face_encoder.FaceNetwork` does; the layers after it are left out.

    Args:
        layers: arrays of each layer, in order.

    Returns:
        The weights by name.
    """
    from core.lifting.face_encoder import BLOCKS

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
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="a downloaded wheel of MediaPipe")
    parser.add_argument("--out", type=Path, default=ROOT / "models")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(args.wheel or download_wheel(Path(folder))) as wheel,
    ):
        weights = name_layers(read_layers(load_schema(wheel), wheel.read(MESH)))
    path = args.out / FEATURES_NAME
    temporary = path.with_suffix(".tmp")
    save_file(weights, temporary)
    temporary.replace(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
