"""Build cache/person_network.safetensors from the selfie segmentation inside MediaPipe's PyPI wheel.

    python scripts/build/person_network.py [--wheel FILE] [--out cache]

Its mask of the person is one of the teachers of the segmentation network, and its encoder, trained on photos
of many people, is where that network's training begins. Without --wheel, pip downloads the wheel. Apache
License 2.0, as the bundles of scripts/build/face_landmarker.py.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.build.face_landmarker import layers_of_wheel, write_weights

MODEL = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
FILE_NAME = "person_network.safetensors"


def layer_names() -> list[str]:
    """The layers of `core.training.segmentation.person.PersonNetwork` in the order of the graph."""
    from core.segmentation.network import PERSON_BLOCKS

    names = ["encoder.stem"]
    for place, (*_, squeezed, _) in enumerate(PERSON_BLOCKS):
        excitation = ("excitation.squeeze", "excitation.excite") if squeezed else ()
        names += [f"encoder.blocks.{place}.{x}" for x in ("expand", "depthwise", *excitation, "project")]
    names += ["head", "gate"]
    for place in range(3):
        parts = ("reduce", "excitation.squeeze", "excitation.excite", "mix", "depthwise")
        names += [f"steps.{place}.{part}" for part in parts]
    return [*names, "output"]


def main() -> None:
    """Read the wheel, write the weights."""
    layers, out = layers_of_wheel(__doc__, MODEL, ROOT / "cache")
    arrays = {}
    for name, (weight, bias) in zip(layer_names(), layers, strict=True):
        arrays[f"{name}.weight"] = np.ascontiguousarray(weight, np.float32)
        arrays[f"{name}.bias"] = bias.astype(np.float32)
    write_weights(arrays, out / FILE_NAME)


if __name__ == "__main__":
    main()
