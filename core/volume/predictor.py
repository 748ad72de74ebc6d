"""Runs the volume network on one crop."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ..errors import ModelError
from ..inference.backend import WEIGHTS_NAME, choose_backend
from .guidance import Guidance

if TYPE_CHECKING:
    from torch import nn

    from .network import VolumeRegressionNetwork

#: Logits are divided by this before they become occupancies. Within the few voxels around a surface they grow
#: evenly; a plain sigmoid would flatten that to 0 and 1, and leave marching cubes nothing to interpolate.
TEMPERATURE = 4.0


Network = TypeVar("Network", bound="nn.Module")


class VolumePredictor(Protocol):
    """Picture and guidance in, volume out; every backend gives the same within 1e-3 of occupancy."""

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """crop: (192, 192, 3) uint8 RGB, crop frame -> (200, 192, 192) float32 occupancy, [z, y, x], crop
        frame: sigmoid(logit / TEMPERATURE), 0.5 on the surface.
        """
        ...


def load_predictor(
    models_dir: Path, backend: str | None = None, threads: int | None = None
) -> "VolumePredictor":
    """The predictor of a folder of models with the backend that `choose_backend` chooses.

    `threads` (default: the available cores) is for ONNX Runtime; torch's are set for the whole process.
    """
    if choose_backend(models_dir, backend) == "torch":
        return TorchPredictor.from_pretrained(models_dir)
    from .onnx_predictor import OnnxPredictor

    return OnnxPredictor.from_pretrained(models_dir, threads)


def picture_channels(crop: np.ndarray) -> np.ndarray:
    """(192, 192, 3) uint8 RGB -> (3, 192, 192) float32 in -1..1: the picture as the network is given it."""
    return (crop.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)


def network_input(crop: np.ndarray, guidance: Guidance) -> np.ndarray:
    """(10, 192, 192) float32: RGB in -1..1, then the maps of the guidance."""
    return np.concatenate([picture_channels(crop), guidance.maps])


def load_network(path: Path) -> "VolumeRegressionNetwork":
    """The network of a weights file, in float32, ready for inference."""
    import torch
    from safetensors import safe_open

    from .network import NetworkConfig, VolumeRegressionNetwork

    if not path.is_file():
        raise ModelError(f"{path} is missing: get the project's models folder again")
    with safe_open(path, "pt") as file:
        config: dict[str, Any] = json.loads(file.metadata()["config"])
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 (not a dict)
    options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    network = VolumeRegressionNetwork(NetworkConfig(**options))
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ModelError(
            f"{path} does not fit this version of the program: get the project's models folder again"
        )
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class TorchPredictor:
    """The reference backend. bfloat16 is faster where the processor knows it, and differs by about 0.01 of
    occupancy.
    """

    def __init__(self, network: "VolumeRegressionNetwork", bfloat16: bool = False) -> None:
        self.network = fold_normalisation(network)
        self.bfloat16 = bfloat16

    @classmethod
    def from_pretrained(cls, models_dir: Path, bfloat16: bool = False) -> "TorchPredictor":
        """Read the weights from the folder of the models."""
        return cls(load_network(Path(models_dir) / WEIGHTS_NAME), bfloat16)

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`."""
        import torch

        inputs = torch.from_numpy(network_input(crop, guidance))[None].to(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            # The network's memory order is [y, x, z]; adding to it in another order is slow.
            logits = self.network(inputs)[0].float().contiguous()
            volume = logits.add_(torch.from_numpy(guidance.template_logits)).div_(TEMPERATURE).sigmoid_()
        return volume.numpy()


def fold_normalisation(network: Network) -> Network:
    """The same network with its batch normalisations folded into the convolutions before them."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from .network import ResidualBlock

    def fold(parent: nn.Module, conv: str, norm: str) -> None:
        setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm)))
        setattr(parent, norm, nn.Identity())

    for module in list(network.modules()):
        if isinstance(module, ResidualBlock) and isinstance(module.norm1, nn.BatchNorm2d):
            fold(module, "conv1", "norm1")
            fold(module, "conv2", "norm2")
        elif isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], nn.BatchNorm2d):
            fold(module, "0", "1")
    return network
