"""DenseNetwork: points of a whole head in a picture that is cut where the head was lifted to, in torch.

Its encoder are the first layers of MediaPipe's face mesh network, which know photos of people, trained on
with pictures of rendered heads. What follows gives the points as a linear model, and the head's shape.
"""

from pathlib import Path

from torch import Tensor, nn

from ..detection.face_encoder import FaceNetwork
from ..runtime.weights import load_for_inference
from .dense_window import DENSE_SIZE

#: Components of the linear model of points.
COMPONENTS = 96
#: Width of the layers between the encoder's last map and the results.
HIDDEN = 384
#: Fraction of the encoder's last map that training leaves out at random.
DROPOUT = 0.15


class DenseNetwork(nn.Module):
    """(B, 3, 160, 160) RGB in 0..1, in the frame of `dense_window.dense_frame` ->
    weights of the points' components (B, 96), and normalized coefficients of the shape (B, K).
    """

    def __init__(self, coefficients: int = 100) -> None:
        """Build it.

        Args:
            coefficients: K, of the lifter's shapes.
        """
        super().__init__()
        self.encoder = FaceNetwork()
        side = DENSE_SIZE // 32
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.Linear(128 * side * side, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
        )
        self.components = nn.Linear(HIDDEN, COMPONENTS)
        self.shape = nn.Linear(HIDDEN, coefficients)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Run the network.

        Args:
            picture: (B, 3, 160, 160) float32, RGB in 0..1.

        Returns:
            (B, 96) and (B, K) float32.
        """
        hidden = self.hidden(self.encoder(picture)[-1])
        return self.components(hidden), self.shape(hidden)


def load_dense_network(path: Path) -> DenseNetwork:
    """The network of a weights file, in float32, ready for inference.

    Raises:
        ModelError: The file is missing, damaged, or belongs to another version.
    """
    return load_for_inference(DenseNetwork(), path, channels_last=True)
