"""Measures hair against grooms and styles whose shape is known, with and without the hair network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import binary_fill_holes
from scipy.spatial import cKDTree

from ...geometry.frames import Camera
from ...geometry.visibility import ramp
from ...hair.builder import HairShape, build_shape
from ...hair.flow import build_flow, facing
from ...hair.grid import Grid
from ...hair.masks import HairMaps
from ...hair.scalp import Scalp, measure_scalp
from ...hair.settings import HairSettings
from ...hair.skin import Skin
from ...hair.volume_network import HairNetwork
from ...image.sampling import sample_image
from ...segmentation.segments import segment_frame
from ...template.regions import Regions
from ...template.topology import HeadTopology
from ...texture.inpainting import SmoothCompletion
from .grooms import GroomKind, random_spec
from .growth import Groom, grow_groom
from .head_field import HeadField
from .rendering import PHOTO, HairRenderer, View, maps_of, segmentation_of, view_pose
from .truth import MARGIN, MOST_CELLS, closed_volume, strand_points

#: Hair below this height, meters, head frame, is out of the segment frame; the truth is built further.
LOWEST = -0.22
BELOW = 0.05
#: Cells of the truth, meters.
CELL = 0.004
#: The kinds of held-out grooms, in turn: those that came later follow when the first ones had two turns.
FIRST_KINDS = list(GroomKind)[:11]
HELD_OUT_KINDS = (*FIRST_KINDS, *FIRST_KINDS, GroomKind.CROPPED, GroomKind.TAILS, GroomKind.LOCKS)
#: Seeds of the held-out grooms begin here.
FIRST_SEED = 900_000
#: Distances of the points on strands that are drawn, and that the truth is made of, meters.
SPACING = 0.0012
TRUTH_SPACING = 0.002
#: Distance of the camera, meters.
DISTANCE = 1.2
#: Cosines between which a surface's strands are seen, and how far from the outline, meters.
SEEN = (0.3, 0.5)
OUTLINE_MARGIN = 0.004
#: The truth is the nearest strand within this distance, meters.
NEAREST = 0.008


@dataclass(frozen=True)
class HairFigures:
    """What one view of one groom measures: intersections over union, and median degrees (NaN if unknown).

    angle_deg: between found directions and those in which locks go (`Groom.guide_points`), where the photo
    shows them; tangent_deg: the same of the strands themselves, each of whose curls goes another way.
    """

    volume: float
    side: float
    back: float
    angle_deg: float = float("nan")
    tangent_deg: float = float("nan")


@dataclass(frozen=True)
class TrueVolume:
    """The volume of hair of known shape: a grid, and (X, Y, Z) bool on it."""

    grid: Grid
    inside: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, head: HeadField) -> "TrueVolume":
        """The volume of a groom or a style.

        Args:
            points: (N, 3) all over the hair, head frame, meters.
            head: That it grows on.
        """
        points = points[points[:, 2] > LOWEST - BELOW]
        grid = Grid.around(points.min(0) - MARGIN, points.max(0) + MARGIN, CELL, MOST_CELLS)
        skin = head.grid.sample(head.distance, grid.points).reshape(grid.shape)
        return cls(grid, closed_volume(points, grid, binary_fill_holes(skin <= 0)))

    def figures(self, shape: HairShape | None) -> HairFigures:
        """Compare a found shape; directions are not compared."""
        points = self.grid.points
        counted = points[:, 2] > LOWEST
        truth = self.inside & counted.reshape(self.grid.shape)
        found = np.zeros_like(truth)
        missed = 0.0
        if shape is not None:
            volume = shape.volume
            beyond = ((points < volume.grid.origin) | (points > volume.grid.points[-1])).any(1)
            hair = (volume.grid.sample(volume.field, points) > 0) & ~beyond & counted
            found = (hair & (volume.grid.sample(volume.skin, points) > 0)).reshape(truth.shape)
            missed = _beyond(volume.grid, volume.field, volume.skin, self.grid)
        figures = []
        for axis in (None, 0, 1):
            a, b = (truth, found) if axis is None else (truth.any(axis), found.any(axis))
            more = missed if axis is None else 0.0
            figures.append(float((a & b).sum() / max((a | b).sum() + more, 1)))
        return HairFigures(*figures)


def _beyond(grid: Grid, field: np.ndarray, skin: np.ndarray, truth: Grid) -> float:
    """How many cells of the truth's size are hair in a found volume outside of the truth's grid."""
    points = grid.points
    outside = ((points < truth.origin) | (points > truth.points[-1])).any(1) & (points[:, 2] > LOWEST)
    hair = outside & (field.ravel() > 0) & (skin.ravel() > 0)
    return float(hair.sum()) * (grid.cell / truth.cell) ** 3


class HairBench:
    """What all measurements have in common."""

    def __init__(self, topology: HeadTopology, settings: HairSettings = HairSettings()) -> None:  # noqa: B008
        """Prepare what depends on the template alone.

        Args:
            topology: Of the heads.
            settings: Of the hair.
        """
        self.topology = topology
        self.settings = settings
        self.renderer = HairRenderer(topology)
        self._regions = Regions.of(topology)
        self._completion = SmoothCompletion(topology)

    def scalp(self, maps: HairMaps, skin: Skin) -> Scalp:
        """The hair on a head."""
        return measure_scalp(maps, skin, self._regions, self._completion)

    def shape(self, maps: HairMaps, skin: Skin, network: HairNetwork | None) -> HairShape | None:
        """What the reconstruction makes of a photo."""
        return build_shape(maps, skin, self.scalp(maps, skin), self.settings, network)

    def held_out_groom(self, number: int) -> tuple[Groom, HeadField]:
        """A groom that no training has used, on a head of its own.

        Args:
            number: Which; the kinds take turns.

        Returns:
            The groom and its head.
        """
        rng = np.random.default_rng([FIRST_SEED, number])
        weights = rng.standard_normal(len(self.topology.identity)) * 0.7
        vertices = self.topology.vertices + np.tensordot(weights, self.topology.identity, 1)
        head = HeadField.of(vertices, self.topology)
        kind = HELD_OUT_KINDS[number % len(HELD_OUT_KINDS)]
        return grow_groom(random_spec(rng, kind), head, FIRST_SEED + number), head

    def groom_maps(self, groom: Groom, head: HeadField, yaw_deg: float, seed: int) -> HairMaps:
        """What a photo shows of a groom, perfectly segmented."""
        pose = view_pose(yaw_deg, 0.0, 0.0, DISTANCE)
        view = View(Camera.from_focal_mm(50.0, PHOTO, PHOTO), pose, pose)
        points, directions, strand = strand_points(groom.points, SPACING)
        picture, hair, kinds = self.renderer.strands(
            points, directions, strand, head.skin.vertices, view, np.random.default_rng(seed)
        )
        segmentation = segmentation_of(hair, kinds, segment_frame(view.camera, pose), None)
        return maps_of(picture, segmentation, view, head.skin.vertices, self.topology)


def measure_grooms(
    bench: HairBench,
    networks: dict[str, HairNetwork | None],
    count: int,
    yaws_deg: tuple[float, ...] = (0.0, 35.0),
) -> dict[str, list[tuple[GroomKind, HairFigures]]]:
    """Measure held-out synthetic grooms.

    Args:
        bench: What all measurements have in common.
        networks: By method; None for the construction alone.
        count: Of grooms; the kinds take turns.
        yaws_deg: From which sides each is seen, degrees.

    Returns:
        By method, the kind of groom and the figures of each view.
    """
    rows: dict[str, list[tuple[GroomKind, HairFigures]]] = {method: [] for method in networks}
    for number in range(count):
        groom, head = bench.held_out_groom(number)
        points, tangents, _ = strand_points(groom.points, TRUTH_SPACING)
        course = strand_points(groom.points, TRUTH_SPACING, groom.guide_points)[1]
        truth = TrueVolume.of(points, head)
        for yaw in yaws_deg:
            maps = bench.groom_maps(groom, head, yaw, number)
            for method, network in networks.items():
                shape = bench.shape(maps, head.skin, network)
                figures = truth.figures(shape)
                if shape:
                    angles = angles_to_strands(maps, shape, points, (course, tangents))
                    figures = replace(figures, angle_deg=angles[0], tangent_deg=angles[1])
                rows[method].append((groom.spec.kind, figures))
    return rows


def mean_figures(figures: list[HairFigures]) -> HairFigures:
    """Means of the overlaps; the median of the angles."""

    def median(angles: list[float]) -> float:
        known = [angle for angle in angles if np.isfinite(angle)]
        return float(np.median(known)) if known else float("nan")

    return HairFigures(
        float(np.mean([figure.volume for figure in figures])),
        float(np.mean([figure.side for figure in figures])),
        float(np.mean([figure.back for figure in figures])),
        median([figure.angle_deg for figure in figures]),
        median([figure.tangent_deg for figure in figures]),
    )


def angles_to_strands(
    maps: HairMaps, shape: HairShape, points: np.ndarray, truths: Sequence[np.ndarray]
) -> list[float]:
    """How far found directions are from those of strands, where the photo shows them.

    Args:
        maps: What the photo shows.
        shape: As found.
        points: (N, 3) on the strands, head frame, meters.
        truths: Of (N, 3) unit vectors from root to tip.

    Returns:
        Median of each of the truths, degrees; NaN if nothing is seen.
    """
    mesh = shape.mesh
    pixels, _ = maps.pixels_of(mesh.vertices)
    visible = ramp(facing(maps, mesh.vertices, mesh.normals), *SEEN) * ~mesh.inner
    visible = visible * (sample_image(maps.outline, pixels) > OUTLINE_MARGIN)
    flow = build_flow(maps, shape.volume, mesh.vertices, mesh.normals, visible, shape.prediction)
    distance, nearest = cKDTree(points).query(mesh.vertices, distance_upper_bound=NEAREST)
    used = (visible > 0.9) & np.isfinite(distance)
    if not used.any():
        return [float("nan")] * len(truths)
    found = flow.at(mesh.vertices[used])
    cosines = [(true[nearest[used]] * found).sum(1) for true in truths]
    return [float(np.degrees(np.median(np.arccos(np.clip(cosine, -1, 1))))) for cosine in cosines]
