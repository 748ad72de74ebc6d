"""The rim of hair's shell, where its outside meets the skin: hair begins there, and has no thickness yet."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import search_threads
from ..geometry.mesh import neighbor_mean, perpendicular_part, unit_vectors
from ..geometry.visibility import ramp
from ..image.sampling import sample_image
from .masks import HairMaps
from .rise import LINE_HEIGHT, rise
from .scalp import Scalp
from .skin import Skin
from .volume import hidden_by

#: Distance of the points that stand for the rim, meters.
SPACING = 0.0007
#: How far into the hair from the rim, meters, roots must grow for the rim to be a hairline; and how many.
ROOTED_AT = 0.006
ROOTS = (0.1, 0.3)
#: Vertices of the outside that tell the way into the hair.
BESIDE = 12
#: Height of the shell over the skin at its rim, meters: skin is flatter than that between its vertices.
RIM_HEIGHT = 0.0003
#: Distance from the rim, meters, at which hair is as thick as the volume's cells allow.
VOLUME_FROM = 0.010
#: Distances from the rim, meters, between which the limit ends.
LIMITED = (0.006, 0.014)
#: Least cosine between skin and ray: at grazing ones, hair is not moved further along the ray.
LEAST_COSINE = 0.35
#: Steps in which vertices are moved, and the farthest that they go in all, meters: the volume's rim is
#: thicker, as its cells are too large for less, but not by more.
STEPS = 3
MOST_MOVED = 0.005
#: Heights over the skin, meters, from which to which hair is not moved: what hangs or stands free has no
#: such rim.
LYING = (0.006, 0.014)
#: Rounds in which each vertex takes the mean of its own way and its neighbors'.
SMOOTHING = 2
#: Distances from the rim, meters, over which hair's normals become the skin's: no edge shows by its shade.
SHADED_LIKE_SKIN = (0.001, 0.009)


@dataclass(frozen=True)
class Rim:
    """Points along the rim of a shell.

    Attributes:
        points: (K, 3), head frame, meters.
        inward: (K, 3) unit vectors along the skin, to where hair is.
        tree: Of the points.
        rooted: (K,) 0..1, whether hair grows there: elsewhere it only lies on the skin, as a fringe does.
    """

    points: np.ndarray
    inward: np.ndarray
    tree: cKDTree
    rooted: np.ndarray

    @property
    def spacing(self) -> float:
        """About how far the points are from each other, meters."""
        return SPACING

    @classmethod
    def of(cls, vertices: np.ndarray, triangles: np.ndarray, inner: np.ndarray, skin: Skin) -> "Rim | None":
        """The rim of a mesh.

        Args:
            vertices: (N, 3), head frame, meters.
            triangles: (M, 3) int.
            inner: (N,) bool, on the skin.
            skin: Of the head.

        Returns:
            The rim; None if no triangle has two corners on the skin and one outside.
        """
        corners = triangles[inner[triangles].sum(1) == 2]
        if not len(corners):
            return None
        turn = (~inner[corners]).argmax(1) + 1  # the outer corner last
        first, second = (vertices[corners[np.arange(len(corners)), (turn + k) % 3]] for k in range(2))
        along = second - first
        count = np.ceil(np.linalg.norm(along, axis=1) / SPACING).astype(int).clip(1)
        edge = np.repeat(np.arange(len(count)), count)
        fraction = (np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[edge]
        points = first[edge] + fraction[:, None] * along[edge]
        # The way in is to where hair is, seen from the skin: single triangles point anywhere.
        height, nearest = skin.distance(vertices[~inner], LYING[1])
        feet = (vertices[~inner] - height[:, None] * skin.normals_at(nearest))[height < LYING[1]]
        if not len(feet):
            return None
        _, beside = cKDTree(feet).query(points, k=min(BESIDE, len(feet)), workers=search_threads(len(points)))
        inward = feet[beside.reshape(len(points), -1)].mean(1) - points
        _, nearest = skin.distance(points)
        inward = perpendicular_part(inward, skin.normals_at(nearest))
        inward = unit_vectors(inward)
        return cls(points, inward, _tree(points), np.ones(len(points)))

    def with_roots(self, skin: Skin, scalp: Scalp) -> "Rim":
        """The same rim, with where hair grows.

        Args:
            skin: Of the head.
            scalp: The hair on it.
        """
        _, nearest = skin.distance(self.points + ROOTED_AT * self.inward)
        return replace(self, rooted=ramp(skin.at_samples(scalp.roots)[nearest], *ROOTS))

    def beside_skin(self, skin: Skin) -> "Rim | None":
        """The part of it that is not below the neck; None if all is.

        Args:
            skin: Of the head.
        """
        kept = skin.hides(self.points)
        if not kept.any():
            return None
        points = self.points[kept]
        return Rim(points, self.inward[kept], _tree(points), self.rooted[kept])

    def distance(self, points: np.ndarray, reach: float) -> np.ndarray:
        """How far points are from the rim.

        Args:
            points: (N, 3), head frame, meters.
            reach: Farther ones, meters, are just that far.

        Returns:
            (N,) meters.
        """
        distance, _ = self.tree.query(points, distance_upper_bound=reach, workers=search_threads(len(points)))
        return np.minimum(distance, reach)


def _tree(points: np.ndarray) -> cKDTree:
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def thinned(
    vertices: np.ndarray, triangles: np.ndarray, inner: np.ndarray, rim: Rim, skin: Skin, maps: HairMaps
) -> tuple[np.ndarray, np.ndarray]:
    """Let hair that lies on the skin rise from nothing at its rim: the photo's outline cuts it off there.

    What the photo shows is moved along its rays, so that it stays where it is seen.

    Args:
        vertices: (N, 3) of the shell, head frame, meters.
        triangles: (M, 3) int.
        inner: (N,) bool, on the skin.
        rim: Of the shell.
        skin: Of the head.
        maps: What the photo shows.

    Returns:
        (N, 3) the vertices; and (N, 3) what their normals become: the skin's at the rim, none far from it.
    """
    outer = np.flatnonzero(~inner)
    height, nearest = skin.distance(vertices[outer], LYING[1])
    foot = vertices[outer] - height[:, None] * skin.normals_at(nearest)
    near = (height < LYING[1]) & (rim.distance(foot, LIMITED[1]) < LIMITED[1])
    outer = outer[near]
    lying = 1 - ramp(height[near], *LYING)
    points = vertices[outer]
    rays = points - maps.pose.camera_to_head(np.zeros(3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    for _ in range(STEPS):
        height, nearest = skin.distance(points, LYING[1])
        normals = skin.normals_at(nearest)
        inside = rim.distance(points - height[:, None] * normals, LIMITED[1])
        pixels, depth = maps.pixels_of(points)
        cosine = -(rays * normals).sum(1)
        seen = (1 - hidden_by(maps, pixels, depth)) * ramp(cosine, 0.0, LEAST_COSINE)
        in_photo = np.where(seen > 0.5, sample_image(maps.hairline, pixels), np.inf)
        within = np.minimum(inside, in_photo)
        least = RIM_HEIGHT + (LINE_HEIGHT - RIM_HEIGHT) * ramp(within, 0.0, VOLUME_FROM)
        excess = np.maximum(height - rise(within) - least, 0) * lying
        excess *= 1 - ramp(inside, *LIMITED)
        along = rays / np.maximum(cosine, LEAST_COSINE)[:, None]
        points = points + excess[:, None] * (along * seen[:, None] - normals * (1 - seen)[:, None])
    moved = points - vertices[outer]
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    moves = np.zeros_like(vertices)
    moves[outer] = moved * np.minimum(1, MOST_MOVED / np.maximum(length, 1e-9))
    leaning = np.zeros_like(vertices)
    leaning[outer] = normals * (lying * (1 - ramp(inside, *SHADED_LIKE_SKIN)))[:, None]
    # The rim itself would be shaded half like the inner side, which faces the head: as a dark line.
    border = triangles[inner[triangles].any(1) & ~inner[triangles].all(1)]
    at_rim = np.unique(border[inner[border]])
    at_rim = at_rim[skin.hides(vertices[at_rim])]
    _, nearest = skin.distance(vertices[at_rim])
    leaning[at_rim] = skin.normals_at(nearest)
    return vertices + _smoothed(moves, triangles, ~inner), leaning


def _smoothed(moves: np.ndarray, triangles: np.ndarray, outer: np.ndarray) -> np.ndarray:
    """Moves of vertices (N, 3) that differ little from those beside them; those on the skin do not move."""
    mean = neighbor_mean(triangles[outer[triangles].all(1)], len(moves))
    for _ in range(SMOOTHING):
        moves = np.where(outer[:, None], (moves + mean @ moves) / 2, 0)
    return moves
