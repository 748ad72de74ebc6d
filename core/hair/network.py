"""HairVolumeNetwork: corrects the hair's volume and says which way the hair runs, in torch.

A U-Net (O. Ronneberger et al., 2015) of residual blocks (K. He et al., 2016) over pictures whose channels are
depth, as in VRN (A. Jackson et al., "Large pose 3D face reconstruction from a single image via direct
volumetric CNN regression", ICCV 2017), upsampled inside by pixel shuffle.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..runtime.weights import load_for_inference
from ..segmentation.network import ResidualBlock, convolution, upsampled
from .block import BLOCK, CHANNELS, FLOW_SHAPE


@dataclass(frozen=True)
class HairNetworkConfig:
    """Channels at a half, a quarter and an eighth of the block's width and height."""

    channels: tuple[int, int, int] = (96, 128, 192)


class HairVolumeNetwork(nn.Module):
    """Inputs (B, CHANNELS, 80, 64) -> correction (B, 56, 80, 64) of the volume's field and flow
    (B, 3, 28, 40, 32).
    """

    def __init__(self, config: HairNetworkConfig = HairNetworkConfig()) -> None:
        super().__init__()
        one, two, three = config.channels
        self.down1 = nn.Sequential(convolution(CHANNELS, one, stride=2), ResidualBlock(one))
        self.down2 = nn.Sequential(convolution(one, two, stride=2), ResidualBlock(two))
        self.down3 = nn.Sequential(convolution(two, three, stride=2), ResidualBlock(three))
        # The deepest pictures are 10 x 8: what their mean says, such as the style, holds everywhere.
        self.whole = nn.Conv2d(three, three, 1)
        self.bottom = ResidualBlock(three)
        self.up2 = nn.Sequential(convolution(three + two, two, 1), ResidualBlock(two))
        self.up1 = nn.Sequential(convolution(two + one, one, 1), ResidualBlock(one))
        self.correction = nn.Conv2d(one, BLOCK[0] * 4, 1)
        self.flow = nn.Conv2d(one, 3 * FLOW_SHAPE[1], 1)
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            inputs: (B, CHANNELS, 80, 64) float32.

        Returns:
            (B, 56, 80, 64) float32 and (B, 3, 28, 40, 32) float32.
        """
        x1 = self.down1(inputs)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        x3 = self.bottom(x3 + self.whole(x3.mean((2, 3), keepdim=True)))
        y2 = self.up2(torch.cat([upsampled(x3), x2], 1))
        y1 = self.up1(torch.cat([upsampled(y2), x1], 1))
        correction = functional.pixel_shuffle(self.correction(y1), 2)
        return correction, self.flow(y1).unflatten(1, FLOW_SHAPE[:2])


def load_network(path: Path) -> HairVolumeNetwork:
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    return load_for_inference(HairVolumeNetwork(), path)
