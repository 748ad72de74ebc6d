"""ProfileNetwork: the landmarks of a face that is seen from the side, in torch.

MediaPipe's face mesh network loses faces turned by more than some 75 degrees. Its first layers, which know
photos of people, are the encoder here, trained on with pictures of heads from the side; what follows gives
the landmarks as a linear model of upright faces of one size, moved, turned and scaled in the picture.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..runtime.weights import load_for_inference
from .face_encoder import FaceNetwork
from .mediapipe_topology import LANDMARK_COUNT
from .profile_frame import PROFILE_CENTER, PROFILE_SIZE, PX_PER_RADIUS

#: Components of the linear model.
COMPONENTS = 48
#: Numbers that say where the face is: its mean (2), and the cosine and sine of its roll times its size.
PLACEMENT = 4
#: Width of the layer between the encoder's last map and the results.
HIDDEN = 256


class ProfileNetwork(nn.Module):
    """(B, 3, 128, 128) RGB in 0..1, about in the frame of `profile_frame` -> landmarks (B, 478, 3), pixels of
    the picture, and (B,) the logit of there being a face.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = FaceNetwork()
        side = PROFILE_SIZE // 32
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * side * side, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
        )
        self.output = nn.Linear(HIDDEN, COMPONENTS + PLACEMENT + 1)
        # The model of upright faces: their mean, and components with the deviations they have, in radii.
        self.register_buffer("mean", torch.zeros(LANDMARK_COUNT * 3))
        self.register_buffer("basis", torch.zeros(COMPONENTS, LANDMARK_COUNT * 3))

    mean: Tensor
    basis: Tensor

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            picture: (B, 3, 128, 128) float32, RGB in 0..1.

        Returns:
            (B, 478, 3) float32 landmarks, pixels of the picture; (B,) float32 the logit.
        """
        features = self.encoder(picture)[-1]
        return self.landmarks(self.output(self.hidden(features)).float())

    def landmarks(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """What the last layer's output stands for.

        Args:
            output: (B, 53) float32: weights of the components, placement, logit.

        Returns:
            Landmarks (B, 478, 3), pixels of the picture, and logits (B,).
        """
        weights, placement = output[:, :COMPONENTS], output[:, COMPONENTS : COMPONENTS + PLACEMENT]
        upright = (self.mean + weights @ self.basis).reshape(-1, LANDMARK_COUNT, 3)
        along, across = 1 + placement[:, 2:3], placement[:, 3:4]
        x, y, z = upright[..., 0], upright[..., 1], upright[..., 2]
        size = torch.sqrt(along * along + across * across + 1e-6)
        turned = torch.stack(
            [
                along * x - across * y + placement[:, 0:1],
                across * x + along * y + placement[:, 1:2],
                size * z,
            ],
            -1,
        )
        center = torch.tensor([PROFILE_CENTER, PROFILE_CENTER, 0.0])
        return turned * PX_PER_RADIUS + center, output[:, -1]


def load_profile_network(path: Path) -> ProfileNetwork:
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    return load_for_inference(ProfileNetwork(), path, channels_last=True)
