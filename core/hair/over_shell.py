"""Cards over the shell, or below it: where a card crosses it, it ends in a shard."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import search_threads
from ..geometry.mesh import unit_vectors
from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from .masks import HairMaps
from .shell_mesh import ShellMesh
from .volume import hidden_by

#: How far over the shell cards of the outer layer lie, meters, each at a height of its own: so they lie on
#: each other, too.
HEIGHTS = (0.0008, 0.0022)
#: Cards shorter than this, meters, lie lower by as much: they would be steps.
FULL_HEIGHT_LENGTH = 0.15
#: How far below the shell the others lie at least, meters, and the outer ones at their roots.
BELOW = 0.0012
#: Where a card comes nearer to the shell than this, meters, it begins to come out of it,
BEGINNING = 0.003
#: over this fraction of its length, but not before this one.
EMERGING = 0.35
LEAST_BEGINNING = 0.05
#: Fractions of its length between which a card comes down to the shell again, and what is left of its height
#: then.
TIP = (0.6, 1.0)
TIP_HEIGHT = 0.25
#: Distances inside the photo's outline, meters, between which cards begin to lie over the shell: at the
#: outline they would widen it.
INSIDE_OUTLINE = (0.001, 0.005)
#: Cards further from the shell than this, meters, stay where they are: they do not belong to its outside.
REACH = 0.006
#: Vertices of the shell that its surface at a point is a mean of, and the least distance, meters, by whose
#: square they are weighed.
NEIGHBORS = 4
LEAST_DISTANCE = 1e-4
#: How often cards are moved: the shell is no plane.
ROUNDS = 2


class ShellSurface:
    """The outside of a shell, made ready for look-ups."""

    def __init__(self, mesh: ShellMesh) -> None:
        """Build the search tree.

        Args:
            mesh: The shell.
        """
        self._points = mesh.vertices[~mesh.inner].astype(np.float64)
        self._normals = mesh.normals[~mesh.inner].astype(np.float64)
        self._tree = cKDTree(self._points, balanced_tree=False, compact_nodes=False)

    def height(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far points are over the shell.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) meters, negative below it; and (N, 3) the shell's unit normals there.
        """
        count = min(NEIGHBORS, len(self._points))
        distance, near = self._tree.query(points, k=count, workers=search_threads(len(points)))
        distance, near = distance.reshape(-1, count), near.reshape(-1, count)
        weight = 1 / np.maximum(distance, LEAST_DISTANCE) ** 2
        weight /= weight.sum(1, keepdims=True)
        normals = self._normals[near]
        height = ((points[:, None] - self._points[near]) * normals).sum(2)
        return (weight * height).sum(1), unit_vectors((weight[..., None] * normals).sum(1))


@dataclass(frozen=True)
class Laid:
    """Which of C cards lie over the shell.

    Attributes:
        outer: (C,) bool, these do.
        length: (C,) meters, of all.
    """

    outer: np.ndarray
    length: np.ndarray


def over_shell(
    vertices: np.ndarray, laid: Laid, mesh: ShellMesh, maps: HairMaps, rng: np.random.Generator
) -> np.ndarray:
    """Lay cards over the shell from some way behind their roots on, or all of them below it.

    Args:
        vertices: (C, R, 2, 3), the left and the right edge of cards, root first, head frame, meters.
        laid: Which lie over it.
        mesh: The shell.
        maps: What the photo shows.
        rng: Random numbers.

    Returns:
        (C, R, 2, 3).
    """
    if mesh.inner.all():
        return vertices
    surface = ShellSurface(mesh)
    points, shape = vertices.reshape(-1, 3), vertices.shape[:3]
    pixels, depth = maps.pixels_of(points)
    visible_inside = ramp(sample_image(maps.outline, pixels), *INSIDE_OUTLINE)
    out = np.maximum(visible_inside, hidden_by(maps, pixels, depth)).reshape(shape)
    along = np.linspace(0, 1, shape[1])
    height, normals = surface.height(points)
    near = height.reshape(shape).mean(2) > -BEGINNING
    begins = np.maximum(along[near.argmax(1)], LEAST_BEGINNING)[:, None]
    moved = (near | (along >= begins))[..., None]
    out = out * np.clip((along - begins) / EMERGING, 0, 1)[..., None]
    heights = rng.uniform(*HEIGHTS, len(laid.outer)) * np.minimum(laid.length / FULL_HEIGHT_LENGTH, 1)
    heights, outer = heights[:, None, None], laid.outer[:, None, None]
    # Ends that stand off it are steps.
    heights = heights * (1 - (1 - TIP_HEIGHT) * ramp(along, *TIP))[:, None]
    wanted = np.where(outer, (heights + BELOW) * out, 0) - BELOW
    for number in range(ROUNDS):
        if number > 0:
            height, normals = surface.height(vertices.reshape(-1, 3))
        height, normals = height.reshape(shape), normals.reshape(vertices.shape)
        lift = np.where(moved & (np.abs(height) < REACH), wanted - height, 0)
        lift = np.where(outer, lift, np.minimum(lift, 0))
        # Rows that are moved unlike their neighbors would be kinks.
        lift[:, 1:-1] = (lift[:, :-2] + 2 * lift[:, 1:-1] + lift[:, 2:]) / 4
        vertices = vertices + lift[..., None] * normals
    return vertices
