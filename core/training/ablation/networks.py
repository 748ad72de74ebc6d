"""Networks that the product's could have been, of similar size and cost; only compared, never shipped.

All take the product's inputs at any size and start by answering with the template.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...volume.network import INPUT_CHANNELS, NetworkConfig, ResidualBlock, VolumeRegressionNetwork
from ..evaluation.vrn_baseline import Bottleneck, Hourglass

#: Architectures.
UNET = "u-net"
HOURGLASS = "hourglass"
CONVNEXT = "convnext"


class ConvNextBlock(nn.Module):
    """Depthwise 7 x 7, then a wide layer of each pixel alone (Liu et al., "A ConvNet for the 2020s", CVPR
    2022). Batch normalization in the place of theirs over channels, since it folds; starts as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # Three modules, so that `fold_normalization` knows them.
        self.spread = nn.Sequential(
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Identity(),
        )
        self.wide = nn.Conv2d(channels, 4 * channels, 1)
        self.narrow = zero_layer(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, channels, H, W) float32.

        Returns:
            The same shape.
        """
        return x + self.narrow(functional.gelu(self.wide(self.spread(x))))


class StackedHourglasses(nn.Module):
    """VRN's two hourglasses at a quarter of the size, with our inputs, and pixel shuffle up to full size.

    With 256 channels and one block at each level it costs what the U-Net does. (B, 10, H, W) -> (B, slices,
    H, W).
    """

    def __init__(self, slices: int, width: int = 256, blocks: int = 1, depth: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(INPUT_CHANNELS * 4, 64, 3, padding=1, bias=False),
            *(nn.BatchNorm2d(64), nn.ReLU(), Bottleneck(64, 128)),
            *(nn.MaxPool2d(2), Bottleneck(128, 128), Bottleneck(128, width)),
        )
        self.glasses = nn.ModuleList(Hourglass(depth, width, blocks) for _ in range(2))
        self.after = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in range(2)
        )
        self.back = nn.Conv2d(width, width, 1)
        self.head = zero_layer(width, slices * 16)

    def forward(self, inputs: Tensor) -> Tensor:
        """Run the network.

        Args:
            inputs: (B, 10, H, W) float32, as for `core.volume.network`.

        Returns:
            (B, slices, H, W) float32, correction of the template's logits.
        """
        x = self.stem(functional.pixel_unshuffle(inputs, 2))
        first = self.after[0](self.glasses[0](x))
        second = self.after[1](self.glasses[1](x + self.back(first)))
        return functional.pixel_shuffle(self.head(second), 4)


def zero_layer(inputs: int, outputs: int) -> nn.Conv2d:
    """A layer of each pixel alone that has learned nothing yet: all zero."""
    layer = nn.Conv2d(inputs, outputs, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def build_network(architecture: str, slices: int, config: NetworkConfig | None = None) -> nn.Module:
    """A fresh network for volumes of so many slices; config: the U-Net's, by default the product's."""
    if architecture == HOURGLASS:
        return StackedHourglasses(slices).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = VolumeRegressionNetwork(config)
    network.head = zero_layer(network.config.features, slices * 4)
    if architecture == CONVNEXT:
        for module in list(network.modules()):
            if isinstance(module, nn.Sequential):
                for name, block in module.named_children():
                    if isinstance(block, ResidualBlock):  # two have the cost and the parameters of one
                        channels = block.conv1.in_channels
                        module[int(name)] = nn.Sequential(ConvNextBlock(channels), ConvNextBlock(channels))
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def with_twice_the_slices(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a U-Net for volumes of twice the size.

    Each slice's part of the head goes to the two that take its place; all other layers fit any size.

    Args:
        state: tensors by name, of `state_dict`.

    Returns:
        The same for the larger network.
    """
    doubled = dict(state)
    for name in ("head.weight", "head.bias"):
        value = state[name]
        doubled[name] = value.unflatten(0, (-1, 4)).repeat_interleave(2, 0).flatten(0, 1)
    return doubled
