"""The hair network's view of a head: what it is given, and what it says of the hair's volume and flow.

The network corrects the volume that is built without learning (`volume.build_volume`). It works on a block of
cells that faces the camera and stands upright in the head frame, depth by depth as channels, as the volume
regression network does for the head. The block has 64 x 80 x 56 cells of 7 mm: the hair of one photo, down to
where the segment frame ends, fits, and a correction has no finer detail than this; what is finer comes from
the photo's outline, which the corrected volume is cut by again on the finer grid.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..geometry.frames import HeadPose
from ..geometry.visibility import ramp
from ..runtime.backend import HAIR_NAME, HAIR_ONNX_NAME
from ..template.regions import EAR_SURROUNDINGS
from .grid import Grid
from .masks import HairMaps, sample
from .volume import AXIS, Billboard, HairVolume

#: Cells along depth, height and width of the block, and their size, meters.
BLOCK = (56, 80, 64)
BLOCK_CELL = 0.007
#: Cells of the volume that the network is given, built without learning, meters.
INPUT_CELL = 0.006
#: Depth of the first cells, meters before the head's axis, and height of the top ones, head frame, meters.
FIRST_DEPTH = -0.150
TOP = 0.250
#: Cells of the flow, of the block's, along each axis.
FLOW_FACTOR = 2
#: Distances, meters, that the network's inputs are cut off at and divided by: of the volume's field, from the
#: skin, from the outline, and the depth of the head before the block's middle.
FIELD_LIMIT = 0.012
SKIN_LIMIT = 0.06
OUTLINE_LIMIT = 0.03
DEPTH_LIMIT = 0.15
#: Width, meters, over which the network's say ends around the ears.
EAR_BLEND = 0.01
#: What an output of 1 adds to the volume's field, meters.
OUTPUT_SCALE = 0.012
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


class HairNetwork(Protocol):
    """What runs the network."""

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correct a volume.

        Args:
            inputs: (1, CHANNELS, 80, 64) float32 of `network_inputs`.

        Returns:
            (56, 80, 64) float32, what to add to the field, in units of `OUTPUT_SCALE`; and (3, 28, 40, 32)
            float32, the direction of the hair along the block's axes.
        """
        ...


@dataclass(frozen=True)
class HairPrediction:
    """What the network says of one photo's hair.

    Attributes:
        block: Where.
        correction: (56, 80, 64) float32, meters, to add to the volume's field.
        flow: (28, 40, 32, 3) float32, the direction of the hair along the block's axes, of any length.
        field: (56, 80, 64) float32, meters, the corrected field, positive in the hair.
        lines: The photo's lines and how clear they are, as the network was given them: see `predict`.
    """

    block: HairBlock
    correction: np.ndarray
    flow: np.ndarray
    field: np.ndarray
    lines: tuple[np.ndarray, np.ndarray]

    def correction_at(self, points: np.ndarray) -> np.ndarray:
        """What to add to the volume's field.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) float32 meters; 0 outside of the block.
        """
        local = self.block.local(points)
        inside = ((local > -BLOCK_CELL) & (local < np.array(BLOCK) * BLOCK_CELL)).all(1)
        return np.asarray(BLOCK_GRID.sample(self.correction, local) * inside * (1 - _at_ears(points)))

    def flow_at(self, points: np.ndarray) -> np.ndarray:
        """The direction of the hair.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) float32, of any length, head frame.
        """
        found = FLOW_GRID.sample(self.flow, self.block.local(points))
        return np.asarray(found @ self.block.axes.astype(np.float32))

    def box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Low and high corner (3,) of what the network says is hair, head frame, meters; None for none."""
        points = self.block.points[(self.field > 0).ravel()]
        return (points.min(0), points.max(0)) if len(points) else None


def _at_ears(points: np.ndarray) -> np.ndarray:
    """(N,) float32 0..1: how far points are at the ears, whose folds are finer than the network's cells."""
    mirrored = np.column_stack([np.abs(points[:, 0]), points[:, 1:]])
    depth = np.minimum(mirrored - EAR_SURROUNDINGS[0], EAR_SURROUNDINGS[1] - mirrored).min(1)
    return ramp(depth, -EAR_BLEND, 0.0).astype(np.float32)


def predict(
    network: HairNetwork, maps: HairMaps, volume: HairVolume, double: np.ndarray, clear: np.ndarray
) -> HairPrediction:
    """Let the network correct a volume.

    Args:
        network: What runs it.
        maps: What the photo shows.
        volume: As built without the network, of cells of about 6 mm.
        double: (SIZE, SIZE, 2) cos 2 angle and sin 2 angle of the photo's lines.
        clear: (SIZE, SIZE) 0..1, how clear they are.

    Returns:
        The correction.
    """
    block = HairBlock.facing(maps.pose, Billboard.facing(maps))
    inputs = network_inputs(block, maps, volume, double, clear)
    output, flow = network.run(inputs)
    correction = output * np.float32(OUTPUT_SCALE)
    field = inputs[0, : BLOCK[0]] * np.float32(FIELD_LIMIT) + correction
    along = np.ascontiguousarray(np.moveaxis(flow, 0, -1))
    return HairPrediction(block, correction, along, field, (double, clear))


def network_inputs(
    block: HairBlock, maps: HairMaps, volume: HairVolume, double: np.ndarray, clear: np.ndarray
) -> np.ndarray:
    """What the network is given; arguments as in `predict`.

    Returns:
        (1, CHANNELS, 80, 64) float32, about -1..1.
    """
    depth, height, width = BLOCK
    out = np.empty((CHANNELS, height, width), np.float32)
    fields = volume.grid.sample(np.stack([volume.field, volume.skin], -1), block.points)
    out[:depth] = np.clip(fields[:, 0] / FIELD_LIMIT, -1, 1).reshape(BLOCK)
    out[depth : 2 * depth] = np.clip(fields[:, 1] / SKIN_LIMIT, -1, 1).reshape(BLOCK)
    out[2 * depth : 2 * depth + PICTURES] = _pictures(block, maps, double, clear)
    constants = out[2 * depth + PICTURES :]
    constants[:2] = block.billboard.depth_axis[:, None, None]
    constants[2] = block.tilt
    constants[3] = np.linspace(-1, 1, height)[:, None]
    constants[4] = np.linspace(-1, 1, width)
    return out[None]


def _pictures(block: HairBlock, maps: HairMaps, double: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """(PICTURES, 80, 64): the photo's pictures where the plane through the head's axis shows them."""
    along = (np.arange(BLOCK[2]) - (BLOCK[2] - 1) / 2) * BLOCK_CELL
    plane = block.billboard.points(along, TOP - np.arange(BLOCK[1]) * BLOCK_CELL).reshape(-1, 3)
    pixels, plane_depth = maps.pixels_of(plane)
    far = np.where(np.isfinite(maps.depth), maps.depth, np.float32(1e3))
    lines = np.concatenate([double * clear[..., None], clear[..., None]], -1).astype(np.float32)
    lines = cv2.blur(lines, (5, 5))  # cells are six pixels apart
    found = [
        np.clip(sample(maps.outline, pixels) / OUTLINE_LIMIT, -1, 1),
        np.clip(sample(maps.hull, pixels) / OUTLINE_LIMIT, -1, 1),
        np.clip((sample(far, pixels) - plane_depth) / DEPTH_LIMIT, -1, 1),
        sample(maps.hidden.astype(np.float32), pixels),
        *sample(lines, pixels).T,
    ]
    return np.stack(found).reshape(PICTURES, BLOCK[1], BLOCK[2])


def load_hair_network(models_dir: Path, backend: str | None = None) -> HairNetwork | None:
    """The network of a folder of models.

    Args:
        models_dir: The folder.
        backend: "torch" or "onnx"; the latter by default.

    Returns:
        The network; None if the folder has none, so that the construction stands as it is.

    Raises:
        ModelError: It is damaged.
    """
    name = HAIR_NAME if backend == "torch" else HAIR_ONNX_NAME
    path = Path(models_dir) / name
    if not path.is_file():
        return None
    return TorchHairNetwork(path) if backend == "torch" else OnnxHairNetwork(path)


class TorchHairNetwork:
    """Torch, the reference backend."""

    def __init__(self, path: Path) -> None:
        """Read the weights; raises ModelError if they are missing or do not fit."""
        from .network import load_network

        self._network = load_network(path)

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `HairNetwork.run`."""
        import torch

        with torch.inference_mode():
            correction, flow = self._network(torch.from_numpy(inputs))
        return correction[0].numpy(), flow[0].numpy()


class OnnxHairNetwork:
    """ONNX Runtime, the backend that artists have."""

    def __init__(self, path: Path) -> None:
        """Read the network; raises ModelError if it is missing or damaged."""
        from ..runtime.onnx_session import OnnxSession

        # One thread, whatever the computer has: the result is the same everywhere.
        self._session = OnnxSession(path, threads=1)

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `HairNetwork.run`."""
        correction, flow = self._session.run_all(inputs=inputs)
        return correction[0], flow[0]
