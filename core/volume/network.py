"""VolumeRegressionNetwork: picture and guidance in, logits of the occupancy out.

VRN-Guided (Jackson et al., "Large Pose 3D Face Reconstruction from a Single Image via Direct Volumetric CNN
Regression", ICCV 2017) brought up to date: one U-Net of residual blocks instead of two hourglasses, the
slices of the volume as channels as there, upsampled by pixel shuffle inside the network, and starting from
the logits of the lifted template so that what is learned is a correction.
"""

from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..geometry.frames import VOLUME_SHAPE

#: RGB; canonical face coordinates (3), their depth; lifted template's front and back depth and silhouette.
INPUT_CHANNELS = 10


@dataclass(frozen=True)
class NetworkConfig:
    """Channels at 1/2, 1/4, 1/8, 1/16 of the crop's size, residual blocks on the way down and up, last
    features.
    """

    channels: tuple[int, ...] = (48, 96, 160, 224)
    down: tuple[int, ...] = (1, 2, 2, 3)
    up: tuple[int, ...] = (1, 2, 2)
    features: int = 64

    def to_dict(self) -> dict:
        """Field -> value, as the weights' file has it."""
        return asdict(self)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch normalization (folded at inference); starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, channels, H, W) float32.

        Returns:
            The same shape.
        """
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(x + self.norm2(self.conv2(y)))


def _step(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class VolumeRegressionNetwork(nn.Module):
    """(B, 10, 192, 192) input -> (B, 200, 192, 192) correction of the template's logits, [z, y, x], crop
    frame.
    """

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        channels = config.channels
        self.stem = _step(INPUT_CHANNELS * 4, channels[0])
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, count in enumerate(config.down):
            first = [_step(channels[level - 1], channels[level], stride=2)] if level else []
            self.down.append(nn.Sequential(*first, *(ResidualBlock(channels[level]) for _ in range(count))))
        for level, count in enumerate(config.up):
            self.up.append(
                nn.ModuleDict(
                    {
                        "lateral": _step(channels[level] + channels[level + 1], channels[level], kernel=1),
                        "blocks": nn.Sequential(*(ResidualBlock(channels[level]) for _ in range(count))),
                    }
                )
            )
        self.features = _step(channels[0], config.features)
        self.head = nn.Conv2d(config.features, VOLUME_SHAPE[0] * 4, 1)
        # Nothing learned yet: the answer is the lifted template.
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: Tensor) -> Tensor:
        """Run the network.

        Args:
            inputs: (B, 10, 192, 192) float32, crop frame: what `network_input` makes.

        Returns:
            (B, 200, 192, 192) float32, [z, y, x], correction of the template's logits.
        """
        return functional.pixel_shuffle(self.head(self.last_features(inputs)), 2)

    def last_features(self, inputs: Tensor) -> Tensor:
        """Run all layers but the last.

        Args:
            inputs: (B, 10, 192, 192) float32, crop frame.

        Returns:
            (B, C, 96, 96) float32, of which each pixel is four columns of the volume.
        """
        x = self.stem(functional.pixel_unshuffle(inputs, 2))
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        for level in reversed(range(len(self.up))):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            expand = cast(nn.ModuleDict, self.up[level])
            x = expand["lateral"](torch.cat([skips[level], x], 1))
            x = expand["blocks"](x)
        return cast(Tensor, self.features(x))
