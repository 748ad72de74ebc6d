"""Build cache/person_network.safetensors from the selfie segmentation inside MediaPipe's PyPI wheel.

    python scripts/build/person_network.py [--wheel FILE] [--out cache]

Its mask of the person is one of the teachers of the segmentation network, and its encoder, trained on photos
of many people, is where that network's training begins. Without --wheel, pip downloads the wheel. Apache
License 2.0, as the bundles of scripts/build/face_landmarker.py.
"""

import argparse
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.build.face_landmarker import download_wheel, load_schema

MODEL = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"
FILE_NAME = "person_network.safetensors"


def read_layers(schema: ModuleType, data: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) of the convolutions in the order of the graph, as torch lays them out."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    halved: dict[int, int] = {}

    def constant(index: int) -> np.ndarray:
        tensor = graph.tensors[halved.get(index, index)]
        values = np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), kinds[tensor.type])
        return values.reshape(tensor.shape).astype(np.float32)

    # (output channels, height, width, input channels) and (1, height, width, channels) as TensorFlow has
    # them; the transposed convolution's are (1, height, width, input channels).
    orders = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "CUSTOM": (3, 0, 1, 2)}
    layers = []
    for node in graph.operators:
        code = model.operatorCodes[node.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind == "DEQUANTIZE":
            halved[node.outputs[0]] = node.inputs[0]
        elif kind in orders:
            layers.append((constant(node.inputs[1]).transpose(orders[kind]), constant(node.inputs[2])))
    return layers


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
    from safetensors.numpy import save_file

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="a downloaded wheel of MediaPipe")
    parser.add_argument("--out", type=Path, default=ROOT / "cache")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(args.wheel or download_wheel(Path(folder))) as wheel,
    ):
        layers = read_layers(load_schema(wheel), wheel.read(MODEL))
    arrays = {}
    for name, (weight, bias) in zip(layer_names(), layers, strict=True):
        arrays[f"{name}.weight"], arrays[f"{name}.bias"] = np.ascontiguousarray(weight), bias
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / FILE_NAME
    temporary = path.with_suffix(".tmp")
    save_file(arrays, temporary)
    temporary.replace(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
