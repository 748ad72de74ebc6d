"""Build models/face_landmarker.task from the models inside MediaPipe's PyPI wheel.

The wheels up to 0.10.21 carry the face detectors and the attention face mesh as TensorFlow Lite files;
MediaPipe's Tasks API wants one bundle with a single 478 x 3 landmark output. This script adds the few
operators that merge the mesh with the refined lips, eyes and irises (what MediaPipe's older graph did
outside the network) and packs a bundle:

    python scripts/build/face_landmarker.py [--wheel FILE] [--out models]

Without --wheel, pip downloads the wheel into a temporary folder. Models and wheel: Apache License 2.0;
the license is written beside the bundle.
"""

import argparse
import importlib.util
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np

WHEEL = "mediapipe==0.10.21"
MESH = "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite"
SHORT_RANGE = "mediapipe/modules/face_detection/face_detection_short_range.tflite"
FULL_RANGE = "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite"
SCHEMA = "mediapipe/tasks/metadata/schema_py_generated.py"

# Which mesh landmark each refined point replaces: the order of the model's outputs, as MediaPipe
# documents it in tensors_to_face_landmarks_graph.cc (Apache-2.0).
LIPS = (
    "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 78 95 88 178 87 14 317 402 "
    "318 324 308 191 80 81 82 13 312 311 310 415 76 77 90 180 85 16 315 404 320 307 306 184 74 73 72 11 "
    "302 303 304 408 62 96 89 179 86 15 316 403 319 325 292 183 42 41 38 12 268 271 272 407"
)
EYE_ON_THE_LEFT = (
    "33 7 163 144 145 153 154 155 133 246 161 160 159 158 157 173 130 25 110 24 23 22 26 112 243 247 30 "
    "29 27 28 56 190 226 31 228 229 230 231 232 233 244 113 225 224 223 222 221 189 35 124 46 53 52 65 "
    "143 111 117 118 119 120 121 128 245 156 70 63 105 66 107 55 193"
)
EYE_ON_THE_RIGHT = (
    "263 249 390 373 374 380 381 382 362 466 388 387 386 385 384 398 359 255 339 254 253 252 256 341 "
    "463 467 260 259 257 258 286 414 446 261 448 449 450 451 452 453 464 342 445 444 443 442 441 413 "
    "265 353 276 283 282 295 372 340 346 347 348 349 350 357 465 383 300 293 334 296 336 285 417"
)
EYE_CONTOUR = 16  # the first points of each eye: an iris gets the mean depth of its eye's contour
MESH_POINTS = 468
POINTS = 478  # with the irises'
#: Axes of a convolution's weights, by operator, in the order that torch has them: output channels, input
#: channels, height, width. TensorFlow has (output channels, height, width, input channels) and
#: (1, height, width, channels); those of the transposed convolution, a custom operator, are
#: (1, height, width, input channels).
WEIGHT_AXES = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "CUSTOM": (3, 0, 1, 2)}
ALIGNMENT = 64  # bytes
LOCAL_HEADER_SIZE = 30  # bytes of a zip file's header before each name
EXTRA_HEADER_SIZE = 4  # bytes of an extra field before its data


def load_schema(wheel: zipfile.ZipFile) -> ModuleType:
    """The TensorFlow Lite flatbuffer classes that come with the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        spec = importlib.util.spec_from_file_location("tflite_schema", wheel.extract(SCHEMA, folder))
        if spec is None or spec.loader is None:
            raise ImportError(f"{SCHEMA} in the wheel cannot be imported")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def read_layers(schema: ModuleType, data: bytes) -> list[tuple[np.ndarray, ...]]:
    """The constants of a network's layers, in the order of the graph.

    Args:
        schema: see `load_schema`.
        data: a TensorFlow Lite file.

    Returns:
        (weight, bias) of convolutions, (slopes,) of activations, as torch lays them out, of the file's types.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    graph = model.subgraphs[0]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
    kinds = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
    halved: dict[int, int] = {}

    def constant(index: int) -> np.ndarray:
        tensor = graph.tensors[halved.get(index, index)]
        values = np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), kinds[tensor.type])
        return values.reshape(tensor.shape)

    layers: list[tuple[np.ndarray, ...]] = []
    for node in graph.operators:
        code = model.operatorCodes[node.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind == "DEQUANTIZE":
            halved[node.outputs[0]] = node.inputs[0]
        elif kind in WEIGHT_AXES:
            weight = constant(node.inputs[1]).transpose(WEIGHT_AXES[kind])
            layers.append((weight, constant(node.inputs[2])))
        elif kind == "PRELU":
            layers.append((constant(node.inputs[1]).ravel(),))
    return layers


def layers_of_wheel(
    description: str | None, model: str, out: Path
) -> tuple[list[tuple[np.ndarray, ...]], Path]:
    """Begin as scripts do that take a network over from the wheel: parse the command line, read the layers.

    Args:
        description: of the script, for its help.
        model: the network's file in the wheel.
        out: the folder to write to, if the command line names none.

    Returns:
        See `read_layers`, and the folder to write to.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help="a downloaded wheel of MediaPipe")
    parser.add_argument("--out", type=Path, default=out)
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(args.wheel or download_wheel(Path(folder))) as wheel,
    ):
        return read_layers(load_schema(wheel), wheel.read(model)), args.out


def write_weights(weights: dict[str, np.ndarray], path: Path) -> None:
    """Write weights by name as safetensors, under a temporary name first, and say how large they are."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(weights, temporary)
    temporary.replace(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


class GraphEditor:
    """Appends operators to the first subgraph of a TensorFlow Lite model."""

    def __init__(self, schema: ModuleType, data: bytes) -> None:
        self.schema = schema
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
        self.graph = self.model.subgraphs[0]

    def tensor(
        self, name: str, shape: list[int], kind: int | None = None, data: np.ndarray | None = None
    ) -> int:
        """Add a tensor.

        Args:
            name: its name.
            shape: its sizes.
            kind: its type in the schema; None: float32.
            data: its values, if it is a constant.

        Returns:
            Its index.
        """
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape = name, np.array(shape, np.int32)
        tensor.type = self.schema.TensorType.FLOAT32 if kind is None else kind
        buffer = self.schema.BufferT()
        if data is not None:
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def integers(self, name: str, values: np.ndarray | list[int]) -> int:
        """Append a constant tensor of whole numbers.

        Args:
            name: The tensor's.
            values: Its values, of any shape; stored as int32.

        Returns:
            Its index in the graph.
        """
        values = np.asarray(values, np.int32)
        return self.tensor(name, list(values.shape), self.schema.TensorType.INT32, values)

    def add(self, operator: str, inputs: list[int], outputs: list[int], options: object = None) -> None:
        """Append a built-in operator by its name in the schema."""
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, operator)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        self.model.operatorCodes.append(code)
        node = self.schema.OperatorT()
        node.opcodeIndex = len(self.model.operatorCodes) - 1
        node.inputs, node.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        if options is not None:
            node.builtinOptions = options
            node.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__[:-1])
        self.graph.operators.append(node)

    def pack(self) -> bytes:
        """Serialize the model (buffers come out aligned, which lets the runtime map them without a copy)."""
        import flatbuffers

        builder = flatbuffers.Builder(1 << 22)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def merge_order() -> tuple[np.ndarray, np.ndarray]:
    """Where each of the 1434 output numbers comes from, and the eye contours' depths.

    The input is the concatenation of the mesh (1404), lips (160), eyes (2 x 142), irises (2 x 10) and the
    two mean depths of the eye contours. Returns indices (1434,) into it and (2, 16) into the mesh.
    """
    source = np.arange(POINTS * 3).reshape(POINTS, 3)
    groups = [[int(i) for i in text.split()] for text in (LIPS, EYE_ON_THE_LEFT, EYE_ON_THE_RIGHT)]
    irises = [list(range(468, 473)), list(range(473, 478))]
    offset = MESH_POINTS * 3
    for group in [*groups, *irises]:
        source[group, :2] = offset + np.arange(2 * len(group)).reshape(-1, 2)
        offset += 2 * len(group)
    for i, iris in enumerate(irises):
        source[iris, 2] = offset + i
    contours = np.array([[3 * i + 2 for i in group[:EYE_CONTOUR]] for group in groups[1:]])
    return source.ravel(), contours


def merge_landmarks(schema: ModuleType, data: bytes) -> bytes:
    """The attention mesh with one (1, 1, 1, 1434) landmark output and the face flag."""
    editor = GraphEditor(schema, data)
    *parts, flag = list(editor.graph.outputs)
    order, contours = merge_order()

    def flatten(tensor: int, name: str) -> int:
        size = int(np.prod(editor.graph.tensors[tensor].shape))
        flat = editor.tensor(name, [size])
        options = schema.ReshapeOptionsT()
        options.newShape = np.array([size], np.int32)
        editor.add("RESHAPE", [tensor, editor.integers(f"{name}_shape", [size])], [flat], options)
        return flat

    def gather(tensor: int, indices: np.ndarray, name: str) -> int:
        out = editor.tensor(name, list(indices.shape))
        options = schema.GatherOptionsT()
        options.axis = 0
        editor.add("GATHER", [tensor, editor.integers(f"{name}_indices", indices)], [out], options)
        return out

    flats = [flatten(part, f"flat_{i}") for i, part in enumerate(parts)]
    depths = gather(flats[0], contours, "eye_depths")
    means = editor.tensor("eye_depth_means", [2])
    options = schema.ReducerOptionsT()
    editor.add("MEAN", [depths, editor.integers("mean_axis", [1])], [means], options)
    size = sum(int(editor.graph.tensors[i].shape[0]) for i in flats) + 2
    everything = editor.tensor("all_points", [size])
    options = schema.ConcatenationOptionsT()
    options.axis = 0
    editor.add("CONCATENATION", [*flats, means], [everything], options)
    merged = gather(everything, order, "merged")
    landmarks = editor.tensor("landmarks", [1, 1, 1, POINTS * 3])
    options = schema.ReshapeOptionsT()
    options.newShape = np.array([1, 1, 1, POINTS * 3], np.int32)
    shape = editor.integers("landmarks_shape", [1, 1, 1, POINTS * 3])
    editor.add("RESHAPE", [merged, shape], [landmarks], options)
    editor.graph.outputs = np.array([landmarks, flag], np.int32)
    editor.model.description = "MediaPipe face mesh with attention, refined points merged into one output"
    return editor.pack()


def write_bundle(path: Path, detector: bytes, mesh: bytes) -> None:
    """Write a .task file: a zip without compression, its dates fixed so that the same input gives the
    same bytes.
    """
    temporary = path.with_name(path.name + ".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as bundle:
        offset = 0
        for name, data in (("face_detector.tflite", detector), ("face_landmarks_detector.tflite", mesh)):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            # The runtime maps the models in place and copies what is not aligned: pad the header with an
            # extra field.
            start = offset + LOCAL_HEADER_SIZE + len(name) + EXTRA_HEADER_SIZE
            padding = -start % ALIGNMENT
            info.extra = struct.pack("<HH", 0xD935, padding) + bytes(padding)
            bundle.writestr(info, data)
            offset = start + padding + len(data)
    temporary.replace(path)


def download_wheel(folder: Path) -> Path:
    """The wheel, from PyPI. The models are the same in every one of this version: any platform's will do."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-d",
        str(folder),
    ]
    subprocess.run([*command, WHEEL], check=True)
    return next(folder.glob("*.whl"))


def main() -> None:
    """Read the wheel, write the bundles and the license."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheel", type=Path, help=f"a downloaded wheel of {WHEEL}")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "models")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        zipfile.ZipFile(args.wheel or download_wheel(Path(folder))) as wheel,
    ):
        schema = load_schema(wheel)
        mesh = merge_landmarks(schema, wheel.read(MESH))
        short_range = GraphEditor(schema, wheel.read(SHORT_RANGE)).pack()
        full_range = GraphEditor(schema, wheel.read(FULL_RANGE)).pack()
        write_bundle(args.out / "face_landmarker.task", short_range, mesh)
        write_bundle(args.out / "face_landmarker_full_range.task", full_range, mesh)
        license_name = next(n for n in wheel.namelist() if n.endswith(".dist-info/LICENSE"))
        (args.out / "face_landmarker.LICENSE").write_bytes(wheel.read(license_name))
    print(f"wrote {args.out / 'face_landmarker.task'}")


if __name__ == "__main__":
    main()
