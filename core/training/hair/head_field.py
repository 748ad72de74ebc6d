"""The head and shoulders that synthetic hair grows on and hangs over, as a distance on a grid."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import binary_fill_holes

from ...hair.grid import Grid
from ...hair.skin import Skin
from ...template.regions import scalp_weight
from ...template.topology import HeadTopology

#: Corners of the grid, head frame, meters: hair down to the chest.
LOW = np.array([-0.27, -0.20, -0.44])
HIGH = np.array([0.27, 0.34, 0.26])
#: Distance of the grid's points, meters.
CELL = 0.0075
#: Up to this distance, meters, the closest point of the skin is searched for.
REACH = 0.2
#: Shoulders and chest: capsules from one point to another, head frame, meters, with their radii.
TORSO = (
    ((0.0, 0.105, -0.26), (0.15, 0.115, -0.29), 0.062),
    ((0.0, 0.105, -0.26), (-0.15, 0.115, -0.29), 0.062),
    ((0.09, 0.09, -0.36), (0.10, 0.09, -0.60), 0.105),
    ((-0.09, 0.09, -0.36), (-0.10, 0.09, -0.60), 0.105),
)
#: Distance of the points at which the torso is turned into a mesh, meters.
TORSO_CELL = 0.015
#: Where the bald patch on the crown begins, head frame, meters.
CROWN = np.array([0.0, 0.10, 0.11])
#: How much higher the hair that a bald head is left with reaches per meter behind the crown.
RIM_SLOPE = 0.4


@dataclass(frozen=True)
class HeadField:
    """One head with shoulders.

    Attributes:
        skin: Of the head.
        template: (V, 3) float64, the average head's vertices: what says where on the scalp a vertex is.
        grid: In the head frame.
        distance: (X, Y, Z) float32, meters from the skin alone, negative inside the head.
    """

    skin: Skin
    template: np.ndarray
    grid: Grid
    distance: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, topology: HeadTopology) -> "HeadField":
        """Measure the distances.

        Args:
            vertices: (V, 3) of the head, head frame, meters.
            topology: Of the heads.

        Returns:
            The field.
        """
        skin = Skin(vertices, topology)
        grid = Grid.around(LOW, HIGH, CELL, 2_000_000)
        distance = skin.distance(grid.points, REACH)[0].astype(np.float32).reshape(grid.shape)
        inside = binary_fill_holes(distance <= 0)
        distance = np.where(inside, -np.abs(distance), distance)
        return cls(skin, topology.vertices.astype(np.float64), grid, distance)

    @cached_property
    def obstacle(self) -> np.ndarray:
        """(X, Y, Z, 4) float32: distance from head and shoulders, meters, and its gradient."""
        distance = np.minimum(self.distance, torso_distance(self.grid.points).reshape(self.grid.shape))
        gradient = np.gradient(distance, self.grid.cell)
        return np.stack([distance, *gradient], -1).astype(np.float32)

    def obstacle_at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance from head and shoulders.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) float32 meters, and (N, 3) float32 unit vectors away from them.
        """
        values = self.grid.sample(self.obstacle, points)
        away = values[:, 1:] / np.maximum(np.linalg.norm(values[:, 1:], axis=1, keepdims=True), 1e-6)
        return values[:, 0], away

    def scalp_weights(self, recession: float, crown_radius: float, bald_above: float = np.inf) -> np.ndarray:
        """Where hair grows.

        Args:
            recession: How far the hairline has gone back at the temples, meters.
            crown_radius: Radius of the bald patch on the crown, meters; 0 for none.
            bald_above: Height, head frame, meters, above which the scalp is bald.

        Returns:
            (V,) float64, 0..1.
        """
        moved = self.template.copy()
        temple = np.clip(np.abs(moved[:, 0]) / 0.05, 0.35, 1) * (moved[:, 2] > 0.02)
        moved[:, 1] -= recession * temple
        weight = scalp_weight(moved)
        if crown_radius > 0:
            crown = np.linalg.norm(self.template - CROWN, axis=1)
            weight = weight * np.clip((crown - crown_radius) / 0.012, 0, 1)
        # Behind, the rim of what is left rises.
        height = self.template[:, 2] - RIM_SLOPE * np.maximum(self.template[:, 1] - CROWN[1], 0)
        return np.asarray(weight * np.clip((bald_above - height) / 0.012, 0, 1))


def torso_distance(points: np.ndarray) -> np.ndarray:
    """Distance from shoulders and chest.

    Args:
        points: (N, 3), head frame, meters.

    Returns:
        (N,) float32 meters, negative inside.
    """
    found = np.full(len(points), np.inf, np.float32)
    for start, end, radius in TORSO:
        a = np.array(start, np.float32)
        axis = np.array(end, np.float32) - a
        along = np.clip((points - a) @ axis / (axis @ axis), 0, 1)
        distance = np.linalg.norm(points - a - along[:, None] * axis, axis=1) - radius
        found = np.minimum(found, distance.astype(np.float32))
    return found


def torso_mesh() -> tuple[np.ndarray, np.ndarray]:
    """Shoulders and chest as a mesh.

    Returns:
        (N, 3) float64 vertices, head frame, meters, and (M, 3) int triangles.
    """
    from skimage.measure import marching_cubes

    grid = Grid.around(np.array([-0.30, -0.06, -0.75]), np.array([0.30, 0.24, -0.15]), TORSO_CELL, 500_000)
    points, faces, _, _ = marching_cubes(torso_distance(grid.points).reshape(grid.shape), 0.0)
    return points * grid.cell + grid.origin, faces.astype(int)
