"""The volume network in torch: the reference backend, used in training."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..runtime.backend import WEIGHTS_NAME
from ..runtime.weights import load_for_inference, safetensors_metadata, unfit
from .guidance import Guidance
from .predictor import TEMPERATURE, network_input

if TYPE_CHECKING:
    from torch import nn

    from .network import VolumeRegressionNetwork

Network = TypeVar("Network", bound="nn.Module")


def load_network(path: Path) -> "VolumeRegressionNetwork":
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    from .network import NetworkConfig, VolumeRegressionNetwork

    header = safetensors_metadata(path)
    try:
        config: dict[str, Any] = json.loads(header.get("config", "{}"))
        options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}
        network = VolumeRegressionNetwork(NetworkConfig(**options))
    except (AttributeError, TypeError, ValueError) as error:
        raise unfit(path) from error
    return load_for_inference(network, path, channels_last=True)


class TorchPredictor:
    """Torch, the reference backend. bfloat16 is faster where the processor has it, and differs by about 0.01
    of occupancy.
    """

    def __init__(self, network: "VolumeRegressionNetwork", bfloat16: bool = False) -> None:
        self.network = fold_normalization(network)
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


def fold_normalization(network: Network) -> Network:
    """The same network with its batch normalizations folded into the convolutions before them."""
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
