"""VRN's architecture (Jackson et al., ICCV 2017), for timing only: it is never trained or shipped here.

Two stacked hourglasses of bottleneck blocks work at a quarter of the picture's size; each slice of the volume
is a channel. The result is interpolated to full size.
"""

import torch
from torch import nn
from torch.nn import functional

VOLUME_SLICES = 200
WIDTH = 256
DEPTH = 4


class Bottleneck(nn.Module):
    """Residual block of batch norm, ReLU and 1 x 1, 3 x 3, 1 x 1 convolutions, as in the hourglass papers."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.body = nn.Sequential(
            *(nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, half, 1)),
            *(nn.BatchNorm2d(half), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1)),
            *(nn.BatchNorm2d(half), nn.ReLU(), nn.Conv2d(half, outputs, 1)),
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block.

        Args:
            x: (B, inputs, H, W) float32.

        Returns:
            (B, outputs, H, W) float32.
        """
        return self.skip(x) + self.body(x)


class Hourglass(nn.Module):
    """Down to 1 / 2^depth of the size and up again, with a branch of its own at each size."""

    def __init__(self, depth: int, width: int, blocks: int) -> None:
        super().__init__()

        def chain() -> nn.Sequential:
            return nn.Sequential(*(Bottleneck(width, width) for _ in range(blocks)))

        self.branch, self.down, self.up = chain(), chain(), chain()
        self.inner = Hourglass(depth - 1, width, blocks) if depth > 1 else chain()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block.

        Args:
            x: (B, width, H, W) float32.

        Returns:
            The same shape.
        """
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.branch(x) + functional.interpolate(low, scale_factor=2)


class VrnBaseline(nn.Module):
    """(N, 3, 192, 192) -> logits (N, 200, 192, 192)."""

    def __init__(self, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, 64, 7, stride=2, padding=3), nn.BatchNorm2d(64), nn.ReLU(), Bottleneck(64, 128)),
            *(nn.MaxPool2d(2), Bottleneck(128, 128), Bottleneck(128, WIDTH)),
        )
        self.glasses = nn.ModuleList(Hourglass(DEPTH, WIDTH, blocks) for _ in range(2))
        self.after = nn.ModuleList(
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 1), nn.BatchNorm2d(WIDTH), nn.ReLU()) for _ in range(2)
        )
        self.back = nn.Conv2d(WIDTH, WIDTH, 1)
        self.head = nn.Conv2d(WIDTH, VOLUME_SLICES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the network.

        Args:
            x: (N, 3, 192, 192) float32 RGB.

        Returns:
            (N, 200, 192, 192) float32 logits, [z, y, x].
        """
        x = self.stem(x)
        first = self.after[0](self.glasses[0](x))
        second = self.after[1](self.glasses[1](x + self.back(first)))
        return functional.interpolate(self.head(second), scale_factor=4, mode="bilinear")
