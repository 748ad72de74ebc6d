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
from scipy import ndimage

from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from ..runtime.backend import HAIR_NAME, HAIR_ONNX_NAME, choose_backend
from ..template.regions import EAR_SURROUNDINGS
from .block import (
    BLOCK,
    BLOCK_CELL,
    BLOCK_GRID,
    CHANNELS,
    FLOW_GRID,
    PICTURES,
    TOP,
    HairBlock,
)
from .lower_end import lower_end
from .masks import HairMaps
from .volume import Billboard, HairVolume

#: Cells of the volume that the network is given, built without learning, meters.
INPUT_CELL = 0.006
#: Distances, meters, that the network's inputs are cut off at and divided by: of the volume's field, from the
#: skin, from the outline, and the depth of the head before the block's middle.
FIELD_LIMIT = 0.012
SKIN_LIMIT = 0.06
OUTLINE_LIMIT = 0.03
DEPTH_LIMIT = 0.15
#: Width, meters, over which the correction ends around the ears.
EAR_BLEND = 0.01
#: Hair is cropped if this fraction of what is built is nearer to the skin than this, meters. The network has
#: seen no hair so short, takes it for hair that is tied back, and adds tails.
CROPPED_FRACTION = 0.9
CROPPED = 0.008
#: Other hair that the network adds and that is thinner than this all around is a spike, cells of the block.
SPIKE_RADIUS = 2
#: How far outside of the hair cells of spikes are, meters.
OUTSIDE = 0.004
#: How far above the end of hair that is seen beside the neck what the network adds begins to end, and how far
#: below it ends, meters: with 0 and 2 cm a lip stood off the neck.
ABOVE_END = 0.015
BELOW_END = 0.005
#: What an output of 1 adds to the volume's field, meters.
OUTPUT_SCALE = 0.012


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
    built = inputs[0, : BLOCK[0]] * np.float32(FIELD_LIMIT)
    skin = inputs[0, BLOCK[0] : 2 * BLOCK[0]] * np.float32(SKIN_LIMIT)
    correction = without_false_tails(output * np.float32(OUTPUT_SCALE), built, skin)
    correction = none_below(correction, lower_end(maps, block.billboard))
    field = built + correction
    along = np.ascontiguousarray(np.moveaxis(flow, 0, -1))
    return HairPrediction(block, correction, along, field, (double, clear))


def without_false_tails(correction: np.ndarray, built: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """A correction without spikes; of cropped hair none.

    Args:
        correction: (56, 80, 64) float32, meters, to add to the field.
        built: (56, 80, 64) float32, meters, the field as built without the network.
        skin: (56, 80, 64) float32, meters, the distance from the skin, negative inside of the head.

    Returns:
        (56, 80, 64) float32, meters.
    """
    hair = built > 0
    if hair.any() and np.quantile(skin[hair], CROPPED_FRACTION) < CROPPED:
        return np.zeros_like(correction)
    certain = hair | (skin < 0)
    added = (built + correction > 0) & ~certain
    ball = ndimage.generate_binary_structure(3, 2)
    thick = ndimage.binary_opening(added | certain, ball, SPIKE_RADIUS) | certain
    # The rim of what is thick is no spike.
    spikes = added & ~ndimage.binary_dilation(thick, ball)
    return np.where(spikes, np.minimum(correction, -built - np.float32(OUTSIDE)), correction)


def none_below(correction: np.ndarray, end: float) -> np.ndarray:
    """A correction that adds no hair below where hair is seen to end; what it takes away stays.

    Args:
        correction: (56, 80, 64) float32, meters, to add to the field.
        end: z in the head frame, meters, see `lower_end`.

    Returns:
        (56, 80, 64) float32, meters.
    """
    if not np.isfinite(end):
        return correction
    heights = TOP - np.arange(BLOCK[1]) * BLOCK_CELL
    kept = ramp(heights, end - BELOW_END, end + ABOVE_END).astype(np.float32)
    return np.where(correction > 0, correction * kept[None, :, None], correction)


def network_inputs(
    block: HairBlock, maps: HairMaps, volume: HairVolume, double: np.ndarray, clear: np.ndarray
) -> np.ndarray:
    """What the network is given.

    Args:
        block: Where it works.
        maps: What the photo shows.
        volume: As built without the network.
        double: (SIZE, SIZE, 2) cos 2 angle and sin 2 angle of the photo's lines.
        clear: (SIZE, SIZE) 0..1, how clear they are.

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
        np.clip(sample_image(maps.outline, pixels) / OUTLINE_LIMIT, -1, 1),
        np.clip(sample_image(maps.hull, pixels) / OUTLINE_LIMIT, -1, 1),
        np.clip((sample_image(far, pixels) - plane_depth) / DEPTH_LIMIT, -1, 1),
        sample_image(maps.hidden.astype(np.float32), pixels),
        *sample_image(lines, pixels).T,
    ]
    return np.stack(found).reshape(PICTURES, BLOCK[1], BLOCK[2])


def load_hair_network(models_dir: Path, backend: str | None = None) -> HairNetwork | None:
    """The network of a folder of models.

    Args:
        models_dir: The folder.
        backend: See `core.runtime.backend.choose_backend`.

    Returns:
        The network; None if the folder has none, so that the construction stands as it is.

    Raises:
        ModelError: The backend cannot run, or the network is damaged.
    """
    chosen = choose_backend(models_dir, backend)
    path = Path(models_dir) / (HAIR_NAME if chosen == "torch" else HAIR_ONNX_NAME)
    if not path.is_file():
        return None
    return TorchHairNetwork(path) if chosen == "torch" else OnnxHairNetwork(path)


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
        # It works with as much memory as the texture, which is painted beside it.
        self._session = OnnxSession(path, threads=1, keeps_memory=False)

    def run(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `HairNetwork.run`."""
        correction, flow = self._session.run_all(inputs=inputs)
        return correction[0], flow[0]
