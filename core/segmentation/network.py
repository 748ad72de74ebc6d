"""SegmentationNetwork: from a picture in the segment frame to the classes of its pixels, in torch.

Two encoders side by side: a plain one of residual blocks (K. He et al., "Deep residual learning for image
recognition", 2016) and that of MediaPipe's selfie segmentation (Apache-2.0), which was trained on photos of
many people and goes on being trained here. A U-Net's decoder (O. Ronneberger et al., 2015) joins them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..runtime.weights import load_for_inference
from .segments import SEGMENT_SIZE, SegmentClass

#: Channels of the selfie encoder's maps at 128, 64, 32 and 16 pixels.
PERSON_CHANNELS = (16, 16, 24, 32)
#: (channels inside, channels out, kernel, stride, channels of squeeze and excitation, smooth activation) of
#: the selfie encoder's blocks.
PERSON_BLOCKS = (
    (16, 16, 3, 2, 8, False),
    (72, 24, 3, 2, 0, False),
    (88, 24, 3, 1, 0, False),
    (96, 32, 5, 2, 24, True),
    (128, 32, 5, 1, 32, True),
    (128, 32, 5, 1, 32, True),
    (96, 32, 5, 1, 24, True),
    (96, 32, 5, 1, 24, True),
)
#: The blocks whose results are the maps at 64, 32 and 16 pixels.
PERSON_GIVEN = (0, 2, 7)
#: Numbers that say where the camera is: the unit vector to it in the head frame.
DIRECTION_SIZE = 3


@dataclass(frozen=True)
class SegmentationNetworkConfig:
    """Sizes of the network: channels at 128, 64, 32 and 16 pixels."""

    channels: tuple[int, int, int, int] = (24, 48, 96, 128)


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's "same" does: with a stride of two the odd pixel is added behind.

    Args:
        x: (B, C, H, W), H and W multiples of the stride.
        kernel: side of the convolution's kernel, pixels.
        stride: of the convolution.

    Returns:
        (B, C, H', W').
    """
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return functional.pad(x, (before, after, before, after))


class Excitation(nn.Module):
    """Squeeze and excitation: (B, C, H, W) scaled by channel, by its mean."""

    def __init__(self, channels: int, inside: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, inside, 1)
        self.excite = nn.Conv2d(inside, channels, 1)

    def gate(self, x: Tensor) -> Tensor:
        """The factors of the channels.

        Args:
            x: (B, C, H, W) float32.

        Returns:
            (B, C, 1, 1) float32, 0..1.
        """
        mean = x.mean((2, 3), keepdim=True)
        return torch.sigmoid(self.excite(functional.relu(self.squeeze(mean))))

    def forward(self, x: Tensor) -> Tensor:
        """Run the gate.

        Args:
            x: (B, C, H, W) float32.

        Returns:
            (B, C, H, W) float32.
        """
        return x * self.gate(x)


class PersonBlock(nn.Module):
    """An inverted residual block of MobileNetV3 (A. Howard et al., 2019), normalizations folded in."""

    def __init__(
        self, inputs: int, inside: int, outputs: int, kernel: int, stride: int, squeezed: int, smooth: bool
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.expand = nn.Conv2d(inputs, inside, 1)
        self.depthwise = nn.Conv2d(inside, inside, kernel, stride, groups=inside)
        self.excitation = Excitation(inside, squeezed) if squeezed else nn.Identity()
        self.project = nn.Conv2d(inside, outputs, 1)
        self.activation: nn.Module = nn.Hardswish() if smooth else nn.ReLU()
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, C, H, W) float32.

        Returns:
            (B, outputs, H / stride, W / stride) float32.
        """
        y = self.activation(self.expand(x))
        y = self.activation(self.depthwise(pad_same(y, self.kernel, self.stride)))
        y = self.project(self.excitation(y))
        return x + y if self.residual else y


class PersonEncoder(nn.Module):
    """(B, 3, 256, 256) RGB in 0..1 -> maps (B, 16, 128, 128), (B, 16, 64, 64), (B, 24, 32, 32) and
    (B, 32, 16, 16).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, PERSON_CHANNELS[0], 3, 2)
        self.activation = nn.Hardswish()
        blocks, channels = [], PERSON_CHANNELS[0]
        for inside, outputs, kernel, stride, squeezed, smooth in PERSON_BLOCKS:
            blocks.append(PersonBlock(channels, inside, outputs, kernel, stride, squeezed, smooth))
            channels = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Run the encoder.

        Args:
            picture: (B, 3, 256, 256) float32, RGB in 0..1.

        Returns:
            Maps (B, 16, 128, 128), (B, 16, 64, 64), (B, 24, 32, 32) and (B, 32, 16, 16), float32.
        """
        x = self.activation(self.stem(pad_same(picture, 3, 2)))
        given = [x]
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in PERSON_GIVEN:
                given.append(x)
        return given


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution without bias, batch normalization, and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, the input added (K. He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, C, H, W) float32.

        Returns:
            (B, C, H, W) float32.
        """
        return functional.relu(x + self.second(self.first(x)))


class SegmentationNetwork(nn.Module):
    """Picture (B, 3, 256, 256), RGB in 0..1, in the segment frame, and direction (B, 3) to the camera in the
    head frame -> logits (B, 8, 256, 256) of `SegmentClass`.
    """

    def __init__(self, config: SegmentationNetworkConfig = SegmentationNetworkConfig()) -> None:
        super().__init__()
        self.config = config
        one, two, three, four = config.channels
        person = PERSON_CHANNELS
        self.person = PersonEncoder()
        self.down1 = nn.Sequential(convolution(3, one, stride=2), convolution(one, one))
        self.down2 = nn.Sequential(convolution(one, two, stride=2), ResidualBlock(two))
        self.down3 = nn.Sequential(convolution(two, three, stride=2), ResidualBlock(three))
        self.down4 = convolution(three, four, stride=2)
        # Two more channels say where in the frame a pixel is, three whence the camera sees the head.
        self.bottom = nn.Sequential(
            convolution(four + person[3] + 2 + DIRECTION_SIZE, four, 1),
            ResidualBlock(four),
            ResidualBlock(four),
        )
        self.context = Excitation(four, four // 4)
        self.up3 = nn.Sequential(convolution(four + three + person[2], three, 1), ResidualBlock(three))
        self.up2 = nn.Sequential(convolution(three + two + person[1], two, 1), ResidualBlock(two))
        self.up1 = nn.Sequential(convolution(two + one + person[0], 32, 1), convolution(32, 32))
        # Four neighboring pixels of each class at half the resolution.
        self.output = nn.Conv2d(32, 4 * len(SegmentClass), 3, 1, 1)
        steps = (torch.arange(SEGMENT_SIZE // 16) + 0.5) / (SEGMENT_SIZE // 32) - 1
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="ij"))[None]
        self.register_buffer("grid", grid, persistent=False)

    grid: Tensor

    def forward(self, picture: Tensor, direction: Tensor) -> Tensor:
        """Run the network.

        Args:
            picture: (B, 3, 256, 256) float32, RGB in 0..1, segment frame.
            direction: (B, 3) float32, unit vector to the camera, head frame.

        Returns:
            (B, 8, 256, 256) float32, logits.
        """
        p1, p2, p3, p4 = self.person(picture)
        x1 = self.down1(picture)
        x2 = self.down2(x1)
        x3 = self.down3(x2)
        batch, side = len(picture), p4.shape[-1]
        where = self.grid.expand(batch, 2, side, side)
        whence = direction[:, :, None, None].expand(batch, DIRECTION_SIZE, side, side)
        x = self.context(self.bottom(torch.cat([self.down4(x3), p4, where, whence], 1)))
        x = self.up3(torch.cat([upsampled(x), x3, p3], 1))
        x = self.up2(torch.cat([upsampled(x), x2, p2], 1))
        x = self.up1(torch.cat([upsampled(x), x1, p1], 1))
        return functional.pixel_shuffle(self.output(x), 2)


def upsampled(x: Tensor) -> Tensor:
    """Upsample features bilinearly.

    Args:
        x: (B, C, H, W).

    Returns:
        (B, C, 2 H, 2 W).
    """
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def load_segmentation_network(path: Path) -> SegmentationNetwork:
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    return load_for_inference(SegmentationNetwork(), path, channels_last=True)
