"""The block of cells that the hair network works on: where it lies, and what its channels are."""

from dataclasses import dataclass

import numpy as np

from ..geometry.frames import HeadPose
from .grid import Grid
from .volume import AXIS, Billboard

#: Cells along depth, height and width of the block, and their size, meters.
BLOCK = (56, 80, 64)
BLOCK_CELL = 0.007
#: Depth of the first cells, meters before the head's axis, and height of the top ones, head frame, meters.
FIRST_DEPTH = -0.150
TOP = 0.250
#: Cells of the flow, of the block's, along each axis.
FLOW_FACTOR = 2
#: Pictures that the network is given beside the two fields: outline, outline with what hides hair, depth of
#: the head, what hides it, and the lines' cos 2 angle, sin 2 angle and clearness; then the camera's direction
#: (3) and where in the block a cell is (2), each constant over what it does not depend on.
PICTURES = 7
CONSTANTS = 5
CHANNELS = 2 * BLOCK[0] + PICTURES + CONSTANTS
FLOW_SHAPE = (3, BLOCK[0] // FLOW_FACTOR, BLOCK[1] // FLOW_FACTOR, BLOCK[2] // FLOW_FACTOR)


@dataclass(frozen=True)
class HairBlock:
    """Where the block of one photo lies.

    Attributes:
        billboard: The plane that it is parallel to.
        tilt: Height of the camera over the head's middle, as the sine of its angle.
    """

    billboard: Billboard
    tilt: float

    @classmethod
    def facing(cls, pose: HeadPose, billboard: Billboard) -> "HairBlock":
        """The one of a photo."""
        camera = pose.camera_to_head(np.zeros(3))
        return cls(billboard, float(camera[2] / np.linalg.norm(camera)))

    @property
    def axes(self) -> np.ndarray:
        """(3, 3): rows are the directions of depth, height (downward) and width in the head frame."""
        out = np.zeros((3, 3))
        out[0, :2], out[2, :2] = self.billboard.depth_axis, self.billboard.side
        out[1, 2] = -1
        return out

    @property
    def origin(self) -> np.ndarray:
        """(3,) the first cell, head frame, meters."""
        width = (BLOCK[2] - 1) / 2 * BLOCK_CELL
        xy = AXIS + FIRST_DEPTH * self.billboard.depth_axis - width * self.billboard.side
        return np.array([*xy, TOP])

    @property
    def points(self) -> np.ndarray:
        """(56 * 80 * 64, 3) float32, the middles of its cells, head frame, meters."""
        steps = (self.axes * BLOCK_CELL).astype(np.float32)
        out = np.zeros((*BLOCK, 3), np.float32) + self.origin.astype(np.float32)
        for k, count in enumerate(BLOCK):
            shape = [-1 if i == k else 1 for i in range(3)]
            out += np.arange(count, dtype=np.float32).reshape(*shape, 1) * steps[k]
        return out.reshape(-1, 3)

    def local(self, points: np.ndarray) -> np.ndarray:
        """Points in the block.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) meters from its first cell along depth, height and width.
        """
        return np.asarray((points - self.origin.astype(points.dtype)) @ self.axes.T.astype(points.dtype))


#: The block as a grid in its own coordinates, and that of the flow.
BLOCK_GRID = Grid(np.zeros(3), BLOCK_CELL, BLOCK)
FLOW_GRID = Grid(np.full(3, (FLOW_FACTOR - 1) / 2 * BLOCK_CELL), BLOCK_CELL * FLOW_FACTOR, FLOW_SHAPE[1:])
