"""FaceNetwork: the first layers of MediaPipe's face mesh network in torch, trained on photos of people.

The network is made of the blocks of BlazeFace (V. Bazarevsky et al., "BlazeFace: Sub-millisecond neural face
detection on mobile GPUs", 2019; Y. Kartynnik et al., "Real-time facial surface geometry from monocular video
on mobile GPUs", 2019): a depthwise 3 x 3 convolution, a pointwise one, the input added, PReLU. Its weights
are taken over by `scripts/build/face_features.py`.
"""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from ..runtime.weights import load_for_inference

#: (output channels, stride) of the blocks, up to the last layer that all of the mesh is computed from.
BLOCKS = (
    *((16, 1), (16, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1)),
    *((128, 2), (128, 1), (128, 1), (128, 2), (128, 1), (128, 1)),
)
STEM = 16
#: The blocks whose results are given out: the last ones at 96, 48, 24 and 6 pixels.
GIVEN = (1, 4, 7, 13)


class SameConv2d(nn.Conv2d):
    """A 3 x 3 convolution that pads as TensorFlow's "same": with a stride of two the odd pixel is behind.

    (B, inputs, H, W) -> (B, outputs, H / stride, W / stride).
    """

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, groups=groups)
        #: Pixels that are added on the left, on the right, above and below.
        self.margins = (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Run it.

        Args:
            x: (B, inputs, H, W) float32.

        Returns:
            (B, outputs, H / stride, W / stride) float32.
        """
        return super().forward(functional.pad(x, self.margins))


class BlazeBlock(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - inputs
        self.depthwise = SameConv2d(inputs, inputs, stride, groups=inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.act = nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Run the block.

        Args:
            x: (B, inputs, H, W) float32.

        Returns:
            (B, outputs, H / stride, W / stride) float32.
        """
        y = self.pointwise(self.depthwise(x))
        if self.stride == 2:
            x = functional.max_pool2d(x, 2)
        if self.more:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.more))
        return self.act(x + y)


class FaceNetwork(nn.Module):
    """(B, 3, 192, 192) RGB in 0..1, in the frame of `core.image.crop.face_frame` -> maps (B, 16, 96, 96),
    (B, 32, 48, 48), (B, 64, 24, 24) and (B, 128, 6, 6).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, STEM, 2)
        self.act = nn.PReLU(STEM)
        blocks, channels = [], STEM
        for outputs, stride in BLOCKS:
            blocks.append(BlazeBlock(channels, outputs, stride))
            channels = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Run the encoder.

        Args:
            picture: (B, 3, 192, 192) float32 RGB, 0..1.

        Returns:
            Maps (B, C, H, H) float32 of 16, 32, 64 and 128 channels at 96, 48, 24 and 6 pixels.
        """
        x = self.act(self.stem(picture))
        given = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in GIVEN:
                given.append(x)
        return tuple(given)


def load_face_network(path: Path) -> FaceNetwork:
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    return load_for_inference(FaceNetwork(), path, channels_last=True)
