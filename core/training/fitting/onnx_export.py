"""Exports trained networks to ONNX, for `core.runtime.onnx_session`. Needs torch and onnx."""

import os
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from ... import __version__
from ...detection.face_encoder import SameConv2d, load_face_network
from ...detection.profile_frame import PROFILE_SIZE
from ...detection.profile_network import load_profile_network
from ...geometry.frames import VOLUME_SHAPE
from ...hair.block import BLOCK, CHANNELS
from ...hair.network import load_network as load_hair_network
from ...lifting.dense_network import load_dense_network
from ...lifting.dense_window import DENSE_SIZE
from ...runtime.backend import (
    DENSE_NAME,
    DENSE_ONNX_NAME,
    FEATURES_NAME,
    FEATURES_ONNX_NAME,
    HAIR_NAME,
    HAIR_ONNX_NAME,
    ONNX_NAME,
    PROFILE_NAME,
    PROFILE_ONNX_NAME,
    SEGMENTATION_NAME,
    SEGMENTATION_ONNX_NAME,
    WEIGHTS_NAME,
)
from ...runtime.onnx_session import SOURCE, SOURCE_SHA256
from ...runtime.weights import file_sha256
from ...segmentation.network import DIRECTION_SIZE, load_segmentation_network
from ...segmentation.segments import SEGMENT_SIZE
from ...volume.network import INPUT_CHANNELS, VolumeRegressionNetwork
from ...volume.predictor import TEMPERATURE
from ...volume.torch_predictor import load_network

#: Of ONNX's operators; old enough for every ONNX Runtime of the last years.
OPSET = 17
#: Arrays smaller than this stay in single precision: a cast would cost more than it saves.
SMALLEST_HALVED = 64


class OccupancyNetwork(nn.Module):
    """The volume network with what comes after it: template's logits added, made into occupancies.

    Its last layer and the pixel shuffle after it are one transposed convolution here: for ONNX Runtime that
    is two and a half times as fast. A channel that is always one stands for the biases, of which such a
    convolution has only one for all pixels of a slice.
    """

    def __init__(self, network: VolumeRegressionNetwork) -> None:
        super().__init__()
        self.network = network
        network.features = _with_channel_of_ones(network.features)
        head, slices = network.head, VOLUME_SHAPE[0]
        weight = head.weight[:, :, 0, 0].reshape(slices, 2, 2, -1).permute(3, 0, 1, 2)
        bias = cast(Tensor, head.bias).reshape(1, slices, 2, 2)
        self.head = nn.ConvTranspose2d(len(weight) + 1, slices, 2, stride=2, bias=False)
        self.head.weight = nn.Parameter(torch.cat([weight, bias]).detach())

    def forward(self, inputs: Tensor, template_logits: Tensor) -> Tensor:
        """Occupancy of a picture.

        Args:
            inputs: (1, 10, 192, 192) picture and guidance maps.
            template_logits: (1, 200, 192, 192), [z, y, x].

        Returns:
            (1, 200, 192, 192) 0..1, [z, y, x].
        """
        correction = self.head(self.network.last_features(inputs))
        return torch.sigmoid((correction + template_logits) / TEMPERATURE)


def _with_channel_of_ones(layer: nn.Sequential) -> nn.Sequential:
    """A layer of convolution, normalization and ReLU that has one more channel, of ones, behind its own."""
    conv, norm, activation = layer
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        raise TypeError("the layer is no convolution with a normalization")
    channels, size, stride = conv.out_channels + 1, conv.kernel_size[0], conv.stride[0]
    wider = nn.Conv2d(conv.in_channels, channels, size, stride, conv.padding[0], bias=False)
    nothing = torch.zeros(1, *conv.weight.shape[1:])
    wider.weight = nn.Parameter(torch.cat([conv.weight, nothing]).detach())
    normalization = nn.BatchNorm2d(norm.num_features + 1, norm.eps)
    values = {"weight": 1.0, "bias": 1.0, "running_mean": 0.0, "running_var": 1.0}
    state = {name: torch.cat([getattr(norm, name), torch.tensor([value])]) for name, value in values.items()}
    normalization.load_state_dict(state, strict=False)
    return nn.Sequential(wider, normalization, activation)


class ProbabilityNetwork(nn.Module):
    """The segmentation network with what comes after it: logits made into probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, direction: Tensor) -> Tensor:
        """The classes of a picture's pixels.

        Args:
            picture: (1, 3, 256, 256) float32, RGB in 0..1, segment frame.
            direction: (1, 3) float32, unit vector to the camera, head frame.

        Returns:
            (1, 8, 256, 256) float32, probabilities of the classes.
        """
        logits = self.network(picture, direction)
        # ONNX Runtime's own softmax takes a quarter of the network's time on any axis but the last.
        powers = torch.exp(logits - torch.amax(logits, 1, keepdim=True))
        return powers / torch.sum(powers, 1, keepdim=True)


class SplitPReLU(nn.Module):
    """PReLU as the sum of two scaled maps, slope * x + (1 - slope) * ReLU(x).

    ONNX Runtime's own takes two thirds of a small network's time; these are convolutions for it.
    """

    def __init__(self, activation: nn.PReLU) -> None:
        super().__init__()
        slope = activation.weight.detach().reshape(-1, 1, 1, 1).clone()
        self.slope, self.rest = nn.Parameter(slope), nn.Parameter(1 - slope)

    def forward(self, x: Tensor) -> Tensor:
        """Run it.

        Args:
            x: (B, C, H, W) float32.

        Returns:
            The same shape.
        """
        channels = len(self.slope)
        positive = functional.conv2d(functional.relu(x), self.rest, groups=channels)
        return positive + functional.conv2d(x, self.slope, groups=channels)


class _PaddedConvolution(torch.autograd.Function):
    """A convolution that pads by itself, in ONNX's order of margins: above, left, below, right."""

    @staticmethod
    def forward(
        _: object, x: Tensor, weight: Tensor, bias: Tensor, stride: int, groups: int, margins: tuple[int, ...]
    ) -> Tensor:
        above, left, below, right = margins
        padded = functional.pad(x, (left, right, above, below))
        return functional.conv2d(padded, weight, bias, stride, groups=groups)

    @staticmethod
    def symbolic(
        graph: Any, x: Any, weight: Any, bias: Any, stride: int, groups: int, margins: tuple[int, ...]
    ) -> Any:
        return graph.op("Conv", x, weight, bias, strides_i=(stride, stride), group_i=groups, pads_i=margins)


class PaddingConv2d(nn.Module):
    """A `SameConv2d` as one operator.

    Otherwise ONNX Runtime pads a copy of the map, in another layout than its convolutions have: a third of a
    small network's time.
    """

    def __init__(self, layer: SameConv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Run it.

        Args:
            x: (B, inputs, H, W) float32.

        Returns:
            (B, outputs, H / stride, W / stride) float32.
        """
        layer = self.layer
        left, right, above, below = layer.margins
        margins = (above, left, below, right)
        padded = _PaddedConvolution.apply(x, layer.weight, layer.bias, layer.stride[0], layer.groups, margins)
        return cast(Tensor, padded)


def made_quick(module: nn.Module) -> nn.Module:
    """A module around a `FaceNetwork` with the same layers as ONNX Runtime runs them fastest."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.PReLU):
                setattr(parent, name, SplitPReLU(child))
            elif isinstance(child, SameConv2d):
                setattr(parent, name, PaddingConv2d(child))
    return module


def export_network(
    module: nn.Module,
    example: dict[str, Tensor],
    path: Path,
    source: Path,
    outputs: tuple[str, ...] = ("output",),
) -> None:
    """Write a module as ONNX.

    Weights are stored in half precision where that loses nothing, as in `source`, and computed with in
    single precision: normalizations are left for ONNX Runtime to fold, which does it when it loads them.

    Args:
        module: the network.
        example: its inputs by name, in order, of the only shape that it will take.
        path: of the file to write.
        source: the weights file it was loaded from, which the result names so that the two cannot be mixed
            up.
        outputs: names of what it gives.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    module = module.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    try:
        with warnings.catch_warnings():
            # torch would have its newer exporter used, which needs two more packages and gives the same here.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                tuple(example.values()),
                str(partial),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(example),
                output_names=list(outputs),
                do_constant_folding=False,
            )
        model = onnx.load(str(partial))
        store_in_half_precision(model)
        metadata = {
            SOURCE: source.name,
            SOURCE_SHA256: file_sha256(source),
            "generator": f"Photobust {__version__}",
        }
        onnx.helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        partial.write_bytes(model.SerializeToString(deterministic=True))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def store_in_half_precision(model: onnx.ModelProto) -> None:
    """Store in fp16, with a cast behind it, each float32 array whose values all fit into it exactly."""
    casts = []
    for array in model.graph.initializer:
        values = numpy_helper.to_array(array)
        if values.dtype != np.float32 or values.size < SMALLEST_HALVED:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name = array.name
            array.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def export_volume_network(models_dir: Path) -> Path:
    """Make `volume_network.onnx` of `volume_network.safetensors` in a folder of models."""
    source, path = models_dir / WEIGHTS_NAME, models_dir / ONNX_NAME
    side = VOLUME_SHAPE[1:]
    example = {
        "inputs": torch.zeros(1, INPUT_CHANNELS, *side),
        "template_logits": torch.zeros(1, *VOLUME_SHAPE),
    }
    export_network(OccupancyNetwork(load_network(source)), example, path, source)
    return path


def export_face_features(models_dir: Path) -> Path:
    """Make `face_features.onnx` of `face_features.safetensors` in a folder of models."""
    source, path = models_dir / FEATURES_NAME, models_dir / FEATURES_ONNX_NAME
    example = {"picture": torch.zeros(1, 3, *VOLUME_SHAPE[1:])}
    network = made_quick(load_face_network(source))
    export_network(network, example, path, source, ("fine", "middle", "coarse", "whole"))
    return path


def export_segmentation_network(models_dir: Path) -> Path:
    """Make `segmentation_network.onnx` of `segmentation_network.safetensors` in a folder of models."""
    source, path = models_dir / SEGMENTATION_NAME, models_dir / SEGMENTATION_ONNX_NAME
    example = {
        "picture": torch.zeros(1, 3, SEGMENT_SIZE, SEGMENT_SIZE),
        "direction": torch.zeros(1, DIRECTION_SIZE),
    }
    export_network(ProbabilityNetwork(load_segmentation_network(source)), example, path, source)
    return path


def export_hair_network(models_dir: Path) -> Path:
    """Make `hair_network.onnx` of `hair_network.safetensors` in a folder of models."""
    source, path = models_dir / HAIR_NAME, models_dir / HAIR_ONNX_NAME
    example = {"inputs": torch.zeros(1, CHANNELS, *BLOCK[1:])}
    export_network(load_hair_network(source), example, path, source, ("correction", "flow"))
    return path


def export_profile_network(models_dir: Path) -> Path:
    """Make `profile_network.onnx` of `profile_network.safetensors` in a folder of models."""
    source, path = models_dir / PROFILE_NAME, models_dir / PROFILE_ONNX_NAME
    example = {"picture": torch.zeros(1, 3, PROFILE_SIZE, PROFILE_SIZE)}
    network = made_quick(load_profile_network(source))
    export_network(network, example, path, source, ("landmarks", "face"))
    return path


def export_dense_network(models_dir: Path) -> Path:
    """Make `dense_network.onnx` of `dense_network.safetensors` in a folder of models."""
    source, path = models_dir / DENSE_NAME, models_dir / DENSE_ONNX_NAME
    example = {"picture": torch.zeros(1, 3, DENSE_SIZE, DENSE_SIZE)}
    network = made_quick(load_dense_network(source))
    export_network(network, example, path, source, ("components", "shape"))
    return path


#: Weights file -> what exports it.
EXPORTS = {
    WEIGHTS_NAME: export_volume_network,
    FEATURES_NAME: export_face_features,
    SEGMENTATION_NAME: export_segmentation_network,
    HAIR_NAME: export_hair_network,
    PROFILE_NAME: export_profile_network,
    DENSE_NAME: export_dense_network,
}
