"""Training samples of the hair network: inputs as a photo gives them, and the true volume and flow."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...hair.block import BLOCK, FLOW_GRID, FLOW_SHAPE, HairBlock
from ...hair.flow import image_orientation
from ...hair.scalp import measure_scalp
from ...hair.settings import HairSettings
from ...hair.volume import Billboard, build_volume
from ...hair.volume_network import INPUT_CELL, network_inputs
from ...segmentation.segments import segment_frame
from ...template.regions import Regions
from ...template.topology import HeadTopology
from ...texture.inpainting import SmoothCompletion
from ..files import write_arrays
from .grooms import random_spec
from .growth import grow_groom
from .head_field import HeadField
from .rendering import HairRenderer, View, maps_of, random_tilt, random_view, segmentation_of
from .styles import Hairstyle
from .truth import HairTruth, hair_truth, strand_points

#: Heads of a split, and how far their shapes are from the average, standard deviations.
HEADS = {"train": 48, "eval": 8}
SHAPE_SIGMA = 0.7
#: Fraction of the samples that are MakeHuman's styles, and of those that are two in one.
STYLE_FRACTION = 0.3
MIXED_FRACTION = 0.25
#: Fraction of the grooms that hang on tilted heads.
TILTED_FRACTION = 0.4
#: Views of each groom.
VIEWS = 3
#: Distance of the points on strands that are drawn, meters, and the most of them.
DRAWN_SPACING = 0.0018
MOST_POINTS = 500_000
#: Fraction of the samples in which the photo shows no lines.
WITHOUT_LINES = 0.25
#: The true field is cut off here, meters; a byte's 127.
TRUTH_LIMIT = 0.024
#: Less hair in the photo, square centimeters, makes no sample.
LEAST_HAIR_CM2 = 12.0
#: Fewer points of strands in a cell say less about its direction.
LEAST_POINTS = 6
#: Samples of a shard.
SHARD_SIZE = 24


@dataclass(frozen=True)
class HairSample:
    """One photo of one groom.

    Attributes:
        inputs: (CHANNELS, 80, 64) float32 of `network_inputs`.
        truth: (56, 80, 64) float32, meters, the true field, positive in the hair.
        flow: (3, 28, 40, 32) float32, sum of the unit vectors from root to tip in each cell, along the
            block's axes, over `LEAST_POINTS` or their number, whichever is more; zero where there are none.
    """

    inputs: np.ndarray
    truth: np.ndarray
    flow: np.ndarray


class SampleMaker:
    """Makes samples of one split."""

    def __init__(self, topology: HeadTopology, styles: list[Hairstyle], split: str = "train") -> None:
        """Prepare what all samples have in common.

        Args:
            topology: Of the heads.
            styles: On the average head, those that may be learned from.
            split: "train" or "eval": which heads.
        """
        self.topology = topology
        self.styles = styles
        self.split = split
        self.settings = HairSettings(cell_m=INPUT_CELL)
        self.renderer = HairRenderer(topology)
        self._regions = Regions.of(topology)
        self._completion = SmoothCompletion(topology)
        self._heads: dict[int, HeadField] = {}

    def head(self, number: int) -> HeadField:
        """One of the split's heads."""
        if number not in self._heads:
            rng = np.random.default_rng([77, self.split == "eval", number])
            weights = rng.standard_normal(len(self.topology.identity)) * SHAPE_SIGMA
            vertices = self.topology.vertices + np.tensordot(weights, self.topology.identity, 1)
            self._heads[number] = HeadField.of(vertices, self.topology)
        return self._heads[number]

    def samples(self, rng: np.random.Generator) -> Iterator[HairSample]:
        """Samples of one random groom or style.

        Args:
            rng: Random numbers.

        Yields:
            Its views in which there is hair.
        """
        head = self.head(int(rng.integers(HEADS[self.split])))
        if self.styles and rng.random() < STYLE_FRACTION:
            style = random_style(self.styles, self.topology, head, rng)
            truth = hair_truth(style.points(0.0025), head)
            for _ in range(VIEWS):
                view = random_view(rng)
                drawn = self.renderer.mesh(head.skin.vertices, style.vertices, style.triangles, view)
                yield from self._sample(head, truth, view, drawn, rng)
            return
        spec, tilt = random_spec(rng), None
        if rng.random() < TILTED_FRACTION:
            tilt = random_tilt(rng)
            x, y, z = -tilt[2]
            spec = replace(spec, down=(float(x), float(y), float(z)))
        groom = grow_groom(spec, head, int(rng.integers(2**31)))
        if not len(groom.points):
            return
        spacing = max(DRAWN_SPACING, float(groom.lengths.sum()) / MOST_POINTS)
        points, directions, strand = strand_points(groom.points, spacing)
        # What the network says is which way a lock goes, as it is combed, not each of its curls.
        course = strand_points(groom.points, spacing, groom.guide_points)[1]
        truth = hair_truth(points, head, course)
        for _ in range(VIEWS):
            view = random_view(rng, tilt)
            drawn = self.renderer.strands(points, directions, strand, head.skin.vertices, view, rng)
            yield from self._sample(head, truth, view, drawn, rng)

    def _sample(
        self,
        head: HeadField,
        truth: HairTruth,
        view: View,
        drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> Iterator[HairSample]:
        picture, hair, kinds = drawn
        segmentation = segmentation_of(hair, kinds, segment_frame(view.camera, view.found), rng)
        maps = maps_of(picture, segmentation, view, head.skin.vertices, self.topology)
        if maps.hair_cm2 < LEAST_HAIR_CM2:
            return
        double, clear = image_orientation(maps)
        if rng.random() < WITHOUT_LINES:
            clear = np.zeros_like(clear)
        scalp = measure_scalp(maps, head.skin, self._regions, self._completion)
        volume = build_volume(maps, head.skin, scalp, self.settings, rising=False)
        block = HairBlock.facing(maps.pose, Billboard.facing(maps))
        inputs = network_inputs(block, maps, volume, double, clear)[0]
        yield HairSample(inputs, true_field(block, truth), true_flow(block, truth))


def true_field(block: HairBlock, truth: HairTruth) -> np.ndarray:
    """The true field in a block.

    Args:
        block: Of a photo.
        truth: Of its hair.

    Returns:
        (56, 80, 64) float32, meters, cut off at `TRUTH_LIMIT`.
    """
    points = block.points
    field = truth.grid.sample(truth.field, points)
    end = truth.grid.origin + truth.grid.cell * (np.array(truth.grid.shape) - 1)
    field[((points < truth.grid.origin) | (points > end)).any(1)] = -TRUTH_LIMIT
    return np.asarray(np.clip(field, -TRUTH_LIMIT, TRUTH_LIMIT).reshape(BLOCK))


def true_flow(block: HairBlock, truth: HairTruth) -> np.ndarray:
    """The true direction of the hair in a block: see `HairSample.flow`."""
    flow = np.zeros(FLOW_SHAPE, np.float32)
    if not len(truth.points):
        return flow
    at = np.round((block.local(truth.points) - FLOW_GRID.origin) / FLOW_GRID.cell).astype(int)
    inside = ((at >= 0) & (at < FLOW_GRID.shape)).all(1)
    index = np.ravel_multi_index(tuple(at[inside].T), FLOW_GRID.shape)
    size = int(np.prod(FLOW_GRID.shape))
    count = np.bincount(index, minlength=size)
    turned = truth.directions[inside] @ block.axes.T.astype(np.float32)
    for k in range(3):
        mean = np.bincount(index, turned[:, k], size) / np.maximum(count, LEAST_POINTS)
        flow[k] = mean.reshape(FLOW_GRID.shape)
    return flow


def random_style(
    styles: list[Hairstyle], topology: HeadTopology, head: HeadField, rng: np.random.Generator
) -> Hairstyle:
    """One of MakeHuman's styles, or two in one, deformed, on a head.

    Args:
        styles: On the average head.
        topology: Of the heads.
        head: Another head.
        rng: Random numbers.

    Returns:
        The style.
    """
    chosen = [styles[rng.integers(len(styles))]]
    if rng.random() < MIXED_FRACTION:
        chosen.append(styles[rng.integers(len(styles))])
    vertices, triangles, first = [], [], 0
    for style in chosen:
        moved = style.on(topology.vertices.astype(np.float64), head.skin.vertices)
        vertices.append(_deformed(moved.vertices, head, rng))
        triangles.append(moved.triangles + first)
        first += len(moved.vertices)
    whole, faces = np.concatenate(vertices), np.concatenate(triangles)
    if rng.random() < 0.5:
        whole = whole * [-1, 1, 1]
    return Hairstyle(whole, faces)


def _deformed(vertices: np.ndarray, head: HeadField, rng: np.random.Generator) -> np.ndarray:
    """(N, 3): hair made thicker or thinner, longer or shorter, and bent a little."""
    above, away = head.obstacle_at(vertices.astype(np.float32))
    moved = vertices + ((np.exp(rng.normal(0, 0.3)) - 1) * np.clip(above, 0, 0.06))[:, None] * away
    hanging = np.minimum(moved[:, 2] + 0.02, 0)
    moved[:, 2] += (np.exp(rng.normal(0, 0.25)) - 1) * hanging
    waves = rng.standard_normal((4, 3, 3)) / 0.09
    for k in range(3):
        phase = moved @ waves[:, k].T + rng.uniform(0, 2 * np.pi, 4)
        moved[:, k] += rng.uniform(0, 0.006) * np.sin(phase).mean(1)
    return np.asarray(moved)


def pack(samples: list[HairSample]) -> dict[str, np.ndarray]:
    """Samples as bytes: inputs in units of 1 / 127, the truth of TRUTH_LIMIT / 127."""

    def bytes_of(values: np.ndarray, unit: float) -> np.ndarray:
        return np.clip(np.round(values / unit * 127), -127, 127).astype(np.int8)

    return {
        "inputs": np.stack([bytes_of(sample.inputs, 1.0) for sample in samples]),
        "truth": np.stack([bytes_of(sample.truth, TRUTH_LIMIT) for sample in samples]),
        "flow": np.stack([bytes_of(sample.flow, 1.0) for sample in samples]),
    }


def write_shard(path: Path, maker: SampleMaker, seed: int, size: int = SHARD_SIZE) -> None:
    """Make one shard.

    Args:
        path: Of the file.
        maker: Of the samples.
        seed: Of the random numbers.
        size: How many samples.
    """
    cv2.setNumThreads(1)
    rng = np.random.default_rng([maker.split == "eval", seed])
    samples: list[HairSample] = []
    while len(samples) < size:
        samples.extend(maker.samples(rng))
    write_arrays(path, pack(samples[:size]))
