"""MediaPipe's selfie segmentation in torch: a teacher of person masks, and the encoder that ours begins with.

`scripts/build/person_network.py` takes its weights over from MediaPipe's wheel. Google's, Apache-2.0.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import PhotobustError
from ...segmentation.network import PERSON_CHANNELS, Excitation, PersonEncoder, pad_same

#: Channels of the head over the last map.
HEAD_CHANNELS = 128


class PersonStep(nn.Module):
    """One step of the decoder: the coarser map doubled and joined with an encoder's map."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, 1)
        self.excitation = Excitation(fine, fine)
        self.mix = nn.Conv2d(fine, fine, 1)
        self.depthwise = nn.Conv2d(fine, fine, 3, groups=fine)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Run the step.

        Args:
            coarse: (B, C, H, W) float32.
            fine: (B, C', 2 H, 2 W) float32.

        Returns:
            (B, C', 2 H, 2 W) float32.
        """
        doubled = functional.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = self.reduce(doubled)
        x = fine * self.excitation.gate(fine + x) + x
        x = functional.relu(self.mix(x))
        return x + functional.relu(self.depthwise(pad_same(x, 3, 1)))


class PersonNetwork(nn.Module):
    """(B, 3, 256, 256) RGB in 0..1 -> (B, 1, 256, 256), how probably a pixel shows a person."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PersonEncoder()
        last = PERSON_CHANNELS[-1]
        self.head, self.gate = nn.Conv2d(last, HEAD_CHANNELS, 1), nn.Conv2d(last, HEAD_CHANNELS, 1)
        sizes = (HEAD_CHANNELS, *PERSON_CHANNELS[2::-1])
        self.steps = nn.ModuleList(PersonStep(a, b) for a, b in pairwise(sizes))
        self.output = nn.ConvTranspose2d(PERSON_CHANNELS[0], 1, 2, 2)

    def forward(self, picture: Tensor) -> Tensor:
        """Run the network.

        Args:
            picture: (B, 3, 256, 256) float32, RGB in 0..1.

        Returns:
            (B, 1, 256, 256) float32, 0..1.
        """
        *maps, last = self.encoder(picture)
        x = functional.relu(self.head(last)) * torch.sigmoid(self.gate(last.mean((2, 3), keepdim=True)))
        for step, fine in zip(self.steps, reversed(maps), strict=True):
            x = step(x, fine)
        return torch.sigmoid(self.output(x))

    def probability(self, picture: np.ndarray) -> np.ndarray:
        """How probably pixels show a person.

        Args:
            picture: (256, 256, 3) uint8, RGB.

        Returns:
            (256, 256) float32.
        """
        x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255)
        with torch.inference_mode():
            return np.asarray(self(x)[0, 0].numpy())


def load_person_network(path: Path) -> PersonNetwork:
    """The network of the file that `scripts/build/person_network.py` writes."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise PhotobustError(f"{path} is missing: make it with scripts/build/person_network.py.")
    network = PersonNetwork()
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return network.requires_grad_(False).eval()
