"""Which way the hair runs: seen in the photo as lines, completed by what hair usually does.

In the picture a strand shows as a line, an orientation without a sense, from the structure tensor (J. Bigun
and G. Granlund, "Optimal orientation detection of linear symmetry", ICCV 1987). On the surface it becomes a
tangent; its sense is that of the usual flow: away from the parting, the whorl or the forehead, and down.
Where the hair network has a say, usual is what it predicts, and a line's slope in depth is half its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from ..geometry.mesh import perpendicular_part, unit_vectors
from ..geometry.visibility import ramp, ray_cosines
from ..image.sampling import sample_image
from .grid import Grid
from .masks import HairMaps
from .volume import HairVolume
from .volume_network import HairPrediction

#: Standard deviations of the structure tensor's derivative and mean, pixels of `HairMaps`.
DERIVATIVE_SIGMA = 0.8
MEAN_SIGMA = 3.0
#: Distance from the outline, meters, from which on the picture's lines are hair's.
OUTLINE_MARGIN = 0.003
#: Cells of the direction field, meters.
CELL = 0.009
#: Standard deviations over which seen directions spread, cells, from fine to coarse, and their weights.
SPREAD = ((1.0, 1.0), (2.5, 0.15), (6.0, 0.01))
#: Smoothing of the directions, cells along x, y and z.
DIRECTION_SIGMA = (0.7, 0.7, 0.7, 0.0)
#: Weight of the usual flow beside the seen directions.
USUAL_WEIGHT = 0.004
#: The same of what the hair network says: on held-out grooms it is nearer to the truth than lines that are
#: hard to see, and lines that are clear are nearer than it is.
PREDICTED_WEIGHT = 0.1
#: How far a seen line's slope in depth is the network's, not the surface's: hair stands off the surface in
#: afros, where it is short and at its line; half of both is best on held-out grooms.
PREDICTED_DEPTH = 0.5
#: Where partings are tried, x in the head frame, meters.
PARTINGS = (-0.045, -0.03, -0.015, 0.0, 0.015, 0.03, 0.045)
#: Weight of the usual flow beside what the hair network says: where that knows nothing, the usual one holds.
PREDICTED_FLOOR = np.float32(0.05)
#: The whorl at the back of the crown, x and y in the head frame, meters.
WHORL = np.array([0.0, 0.115])
#: How far back a parting reaches, y in the head frame, meters.
PARTING_END = 0.12
#: A parting has to explain the seen lines this much better than no parting.
PARTING_GAIN = 0.02


@dataclass(frozen=True)
class Flow:
    """The direction of the hair from root to tip.

    Attributes:
        grid: In the head frame.
        field: (X, Y, Z, 3) float32 unit vectors.
        style: What fits the photo's lines best: "back", "whorl" or "parting".
        parting: Of a parting, x in the head frame, meters.
        coherence: 0..1, how clearly the photo shows lines.
        curl: 0..1, how much their direction changes over a few centimeters.
    """

    grid: Grid
    field: np.ndarray
    style: str
    parting: float
    coherence: float
    curl: float

    def at(self, points: np.ndarray) -> np.ndarray:
        """The direction of the hair.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) float32 unit vectors, head frame.
        """
        return float32_unit_vectors(self.grid.sample(self.field, points))


def image_orientation(maps: HairMaps) -> tuple[np.ndarray, np.ndarray]:
    """The lines of the photo.

    Args:
        maps: What the photo shows.

    Returns:
        (SIZE, SIZE, 2) float32, cos 2 angle and sin 2 angle of the lines, x right and y down; and
        (SIZE, SIZE) float32 0..1, how clear they are, 0 outside of the mask.
    """
    luma = maps.colors @ np.array([0.299, 0.587, 0.114], np.float32)
    fine = cv2.GaussianBlur(np.log1p(luma), (0, 0), DERIVATIVE_SIGMA)
    dx, dy = cv2.Sobel(fine, cv2.CV_32F, 1, 0), cv2.Sobel(fine, cv2.CV_32F, 0, 1)
    inside = ramp(maps.outline, OUTLINE_MARGIN / 3, OUTLINE_MARGIN).astype(np.float32)
    xx, yy, xy = (cv2.GaussianBlur(p * inside, (0, 0), MEAN_SIGMA) for p in (dx * dx, dy * dy, dx * dy))
    energy = xx + yy
    # The gradient's double angle, turned by 180 degrees: lines run across it.
    double = np.stack([yy - xx, -2 * xy], -1) / np.maximum(energy, 1e-9)[..., None]
    floor = np.quantile(energy[maps.mask], 0.25) if maps.mask.any() else 0.0
    clear = np.linalg.norm(double, axis=-1) * energy / (energy + floor + 1e-9)
    double = unit_vectors(double, 1e-6)
    return double, clear * inside


def build_flow(
    maps: HairMaps,
    volume: HairVolume,
    vertices: np.ndarray,
    normals: np.ndarray,
    visible: np.ndarray,
    prediction: HairPrediction | None = None,
    further: Sequence[tuple[HairMaps, np.ndarray]] = (),
) -> Flow:
    """Lift the photo's lines onto the hair's surface and complete them.

    Args:
        maps: What the photo shows.
        volume: Of the hair.
        vertices: (N, 3) of the hair's surface, head frame, meters.
        normals: (N, 3) unit normals, outward.
        visible: (N,) 0..1, how far the photo shows each.
        prediction: What the hair network says, which takes the place of the usual flow; by default nothing.
        further: What other photos of the person show, and how far each of the vertices (N,).

    Returns:
        The flow.
    """
    lines = prediction.lines if prediction else image_orientation(maps)
    tangents, weight = _seen_tangents(maps, vertices, normals, visible, lines)
    rays = _rays(maps, vertices)
    for other, shown in further:
        their, clearer = _seen_tangents(other, vertices, normals, shown, image_orientation(other))
        better = clearer > weight
        tangents, weight = np.where(better[:, None], their, tangents), np.where(better, clearer, weight)
        rays = np.where(better[:, None], _rays(other, vertices), rays)
        visible = np.maximum(visible, shown)
    style, parting, usual = _usual_flow(vertices, normals, tangents, weight)
    if prediction:
        usual = float32_unit_vectors(prediction.flow_at(vertices))
    sense = np.sign((tangents * usual).sum(1))
    tangents = tangents * np.where(sense == 0, 1, sense)[:, None]
    of_photo = tangents
    if prediction:
        tangents = _with_depth(tangents, rays, usual)
    grid = volume.grid.coarser(CELL / volume.grid.cell)
    # Away from the surface the usual flow is that of the volume's own layers.
    field = _spread(grid, vertices, tangents, weight)
    gradient = np.stack(np.gradient(gaussian_filter(_at_grid(volume, grid), 1.0)), -1).reshape(-1, 3)
    layers = usual_flow(grid.points, float32_unit_vectors(-gradient), style, parting)
    if prediction:
        layers = float32_unit_vectors(prediction.flow_at(grid.points) + PREDICTED_FLOOR * layers)
    layers = layers.reshape(field.shape)
    # How much the photo's lines change says nothing of the network, which has its weight afterward, nor of
    # the depth that it gives them: it knows no waves.
    lines_field = _spread(grid, vertices, of_photo, weight) if prediction else field
    photo_flow = float32_unit_vectors(gaussian_filter(lines_field + USUAL_WEIGHT * layers, DIRECTION_SIGMA))
    if prediction:
        field = float32_unit_vectors(gaussian_filter(field + PREDICTED_WEIGHT * layers, DIRECTION_SIGMA))
    else:
        field = photo_flow
    total = max(float(weight.sum()), 1e-6)
    agreement = np.abs((float32_unit_vectors(grid.sample(photo_flow, vertices)) * of_photo).sum(1))
    curl = 1 - float((weight * agreement).sum() / total)
    coherence = float((weight).sum() / max(float(visible.sum()), 1e-6))
    return Flow(grid, field, style, parting, coherence, curl)


def _seen_tangents(
    maps: HairMaps,
    vertices: np.ndarray,
    normals: np.ndarray,
    visible: np.ndarray,
    lines: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) tangents of a surface that show as a photo's lines, and (N,) how clear these are."""
    double, clear = lines
    pixels, _ = maps.pixels_of(vertices)
    return _lifted(maps, vertices, normals, sample_image(double, pixels)), visible * sample_image(
        clear, pixels
    )


def usual_flow(points: np.ndarray, normals: np.ndarray, style: str, parting: float) -> np.ndarray:
    """What hair of a style does.

    Args:
        points: (N, 3), head frame, meters.
        normals: (N, 3) unit normals of the surface that it lies on.
        style: "back", "whorl" or "parting".
        parting: Of a parting, x in the head frame, meters.

    Returns:
        (N, 3) unit vectors along the surface.
    """
    flow = np.zeros_like(points, np.float32)
    flow[:, 2] = -1
    if style == "back":
        flow[:, 1] = 1.2
    else:
        from_whorl = points[:, :2] - WHORL
        from_whorl = unit_vectors(from_whorl, 0.02)
        flow[:, :2] = from_whorl
        if style == "parting":
            front = ramp(points[:, 1], PARTING_END, PARTING_END - 0.04)[:, None]
            side = np.clip((points[:, 0] - parting) / 0.006, -1, 1)
            across = np.stack([side, np.full(len(points), 0.25)], 1)
            flow[:, :2] = from_whorl * (1 - front) + across * front
    return float32_unit_vectors(perpendicular_part(flow, normals))


def _usual_flow(
    vertices: np.ndarray, normals: np.ndarray, tangents: np.ndarray, weight: np.ndarray
) -> tuple[str, float, np.ndarray]:
    """The style whose flow agrees best with seen tangents: its name, parting, and flow at the vertices."""
    upper = weight * ramp(vertices[:, 2], 0.03, 0.06)
    total = max(float(upper.sum()), 1e-6)
    best: tuple[str, float, np.ndarray] | None = None
    most = -np.inf
    trials = [("whorl", 0.0, 0.0), ("back", 0.0, 0.0)]
    trials += [("parting", x, PARTING_GAIN) for x in PARTINGS]
    for style, parting, handicap in trials:
        flow = usual_flow(vertices, normals, style, parting)
        score = float((upper * np.abs((flow * tangents).sum(1))).sum()) / total - handicap
        if score > most:
            most, best = score, (style, parting, flow)
    assert best is not None
    return best


def _lifted(maps: HairMaps, vertices: np.ndarray, normals: np.ndarray, double: np.ndarray) -> np.ndarray:
    """(N, 3) unit tangents of the surface that show as the lines, in the head frame."""
    angle = np.arctan2(double[:, 1], double[:, 0]) / 2
    # From the pictures' pixels to the photo's, which are turned by the head's roll.
    linear = maps.frame.inverse[:, :2]
    direction = np.stack([np.cos(angle), np.sin(angle)], 1) @ linear.T
    line = np.column_stack([direction, np.zeros(len(direction))]) @ maps.pose.rotation
    return float32_unit_vectors(np.cross(normals, np.cross(_rays(maps, vertices), line)))


def _rays(maps: HairMaps, vertices: np.ndarray) -> np.ndarray:
    """(N, 3) from the photo's camera to the vertices, head frame, meters."""
    return vertices - maps.pose.camera_to_head(np.zeros(3))


def _with_depth(tangents: np.ndarray, rays: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Tangents turned along their rays toward what the hair network says: they look the same in the photo.

    Args:
        tangents: (N, 3) unit vectors along the surface, with their sense.
        rays: (N, 3) from the camera, any length.
        predicted: (N, 3) unit vectors of the network.

    Returns:
        (N, 3) unit vectors.
    """
    across = unit_vectors(np.cross(rays, tangents))
    in_plane = unit_vectors(predicted - (predicted * across).sum(1)[:, None] * across)
    return float32_unit_vectors((1 - PREDICTED_DEPTH) * tangents + PREDICTED_DEPTH * in_plane)


def _spread(grid: Grid, points: np.ndarray, vectors: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(X, Y, Z, 3) float32: weighted vectors, spread over the grid; far from any, only weak ones."""
    at = np.round((points - grid.origin) / grid.cell).astype(int)
    at = np.clip(at, 0, np.array(grid.shape) - 1)
    index = (at[:, 0] * grid.shape[1] + at[:, 1]) * grid.shape[2] + at[:, 2]
    size = int(np.prod(grid.shape))
    field = np.stack([np.bincount(index, v * weight, size) for v in vectors.T], 1).astype(np.float32)
    count = np.bincount(index, minlength=size).astype(np.float32)
    field = (field / np.maximum(count, 1)[:, None]).reshape(*grid.shape, 3)
    out = np.zeros_like(field)
    for sigma, strength in SPREAD:
        # In the middle of one seen surface a Gaussian of its own size leaves about this much.
        scale = strength * sigma * np.sqrt(2 * np.pi)
        for k in range(3):
            out[..., k] += scale * gaussian_filter(field[..., k], sigma, truncate=3.0)
    return out


def _at_grid(volume: HairVolume, grid: Grid) -> np.ndarray:
    return volume.grid.resampled(volume.field, grid)


def float32_unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1, in single precision.

    Args:
        vectors: (..., 3), any unit.

    Returns:
        (..., 3) float32; those of no length stay so.
    """
    return unit_vectors(vectors).astype(np.float32)


def facing(maps: HairMaps, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How far surfaces face the camera.

    Args:
        maps: What the photo shows.
        points: (N, 3) on the surface, head frame, meters.
        normals: (N, 3) unit normals there, head frame.

    Returns:
        (N,) cosine between normals and the rays to the camera.
    """
    return ray_cosines(maps.pose.head_to_camera(points.astype(np.float64)), normals @ maps.pose.rotation.T)
