"""The hair's color: from the photo where it shows hair, completed elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.closest_point import search_threads
from ..geometry.visibility import depth_map, front_facing, ramp, surrounding_pixels, unoccluded
from ..image.sampling import sample_image
from .flow import facing
from .hair_picture import HairPicture
from .masks import SIZE, HairMaps
from .shell_mesh import ShellMesh

#: Depth behind the seen surface, meters, that still counts as seen.
TOLERANCE = 0.006
#: Cosines between which a surface begins to be seen well.
COSINES = (0.2, 0.5)
#: Distances from what is behind the head, meters, between which hair's own color begins to be seen: at the
#: outline it is mixed with the background's, and stretched over the hair's side.
FROM_BACKGROUND = (0.001, 0.006)
#: How far something hides a point, 0..1, from which on its color is not seen.
HIDDEN = 0.5
#: The same as `FROM_BACKGROUND`, from which on hair's color is certain, and others are completed from it.
DEEP_INSIDE = 0.009
#: Neighbors that a completed color is a mean of.
NEIGHBORS = 16
#: Points whose neighbors' colors are looked up at a time: those of all would take 20 MB.
BLOCK = 8192
#: The distance at which their weight has halved, meters.
HALF_DISTANCE = 0.025
#: Weight of the typical color in a completed one, against those neighbors.
TYPICAL_WEIGHT = 0.35
#: Power of the quality by which photos share a point, and how much better the first photo counts.
SHARE_POWER = 6
FIRST_BONUS = 1.15


@dataclass(frozen=True)
class HairColors:
    """The hair's colors in the photo, and where they are seen.

    Attributes:
        picture: The hair in the photo.
        depth: (SIZE, SIZE) float32, meters from the camera to the hair or what is before it.
        known: Seen points of the surface, and their colors.
        known_colors: (K, 3) float32.
        further: The same of other photos of the person, in the tone of this one.
    """

    picture: HairPicture
    depth: np.ndarray
    known: cKDTree
    known_colors: np.ndarray
    further: tuple["HairColors", ...] = ()

    @classmethod
    def of(cls, picture: HairPicture, mesh: ShellMesh, further: Sequence[HairPicture] = ()) -> "HairColors":
        """Find where they are seen.

        Args:
            picture: The hair in the photo.
            mesh: Of the hair.
            further: The hair in other photos of the person.
        """
        own = cls._of_one(picture, mesh)
        others = tuple(cls._of_one(other.toned(picture.typical), mesh) for other in further)
        if not others:
            return own
        points = np.concatenate([np.asarray(colors.known.data) for colors in (own, *others)])
        known = cKDTree(points, balanced_tree=False, compact_nodes=False)
        known_colors = np.concatenate([colors.known_colors for colors in (own, *others)])
        return replace(own, known=known, known_colors=known_colors, further=others)

    @classmethod
    def _of_one(cls, picture: HairPicture, mesh: ShellMesh) -> "HairColors":
        """The colors of one photo."""
        maps = picture.maps
        pixels, distance = maps.pixels_of(mesh.vertices)
        triangles = mesh.triangles[front_facing(pixels, mesh.triangles)]
        depth, _ = depth_map(pixels, distance.astype(np.float64), triangles, SIZE)
        depth = np.minimum(depth, maps.depth)
        # What is completed takes after hair that is far from the background.
        inside = sample_image(maps.hull, pixels) > DEEP_INSIDE
        visible = _visibility(maps, depth, mesh.vertices, mesh.normals) * ~mesh.inner > 0.5
        visible = visible & inside if (visible & inside).sum() > NEIGHBORS else visible
        if not visible.any():
            visible = ~mesh.inner
        known = cKDTree(mesh.vertices[visible], balanced_tree=False, compact_nodes=False)
        return cls(picture, depth, known, sample_image(picture.smooth, pixels[visible]))

    @property
    def maps(self) -> HairMaps:
        """What the photo shows."""
        return self.picture.maps

    def visibility(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """How far the photos show points of the surface.

        Args:
            points: (N, 3), head frame, meters.
            normals: (N, 3) unit normals.

        Returns:
            (N, L) float64 0..1, for this photo and each further one the part of the color that is taken from
            it; the sum, at most 1, is how far any shows the point.
        """
        photos = (self, *self.further)
        shown = np.stack([_visibility(photo.maps, photo.depth, points, normals) for photo in photos], 1)
        if not self.further:
            return shown
        quality = np.stack([facing(photo.maps, points, normals) for photo in photos], 1)
        quality = np.maximum(quality, 0) * shown * np.where(np.arange(len(photos)) == 0, FIRST_BONUS, 1.0)
        part = quality**SHARE_POWER
        return np.asarray(shown.max(1, keepdims=True) * part / np.maximum(part.sum(1, keepdims=True), 1e-12))

    def distance_to_skin(self, points: np.ndarray) -> np.ndarray:
        """How far points are from bare skin in the photo.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N,) meters at the head's distance; inf for what the photo does not show.
        """
        pixels, distance = self.maps.pixels_of(points)
        around, _ = surrounding_pixels(pixels, self.depth.shape)
        visible = unoccluded(self.depth, around, distance, TOLERANCE) > 0
        return np.where(visible, sample_image(self.maps.hairline, pixels), np.inf)

    def photo_at(self, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Colors with strands, as far as the photos show any.

        Args:
            points: (N, 3), head frame, meters.
            visible: (N, L), see `visibility`.

        Returns:
            (N, 3) float32, sRGB 0..255; black where no photo shows the point.
        """
        return self._mixed([view.picture.photo for view in (self, *self.further)], points, visible)

    def own_at(self, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """How far those colors are the photos' own, with strands.

        Args:
            points: (N, 3), head frame, meters.
            visible: (N, L), see `visibility`.

        Returns:
            (N, 1) float32 0..1; 0 where no photo shows the point.
        """
        pictures = [view.picture.own[..., None] for view in (self, *self.further)]
        return self._mixed(pictures, points, visible)

    def _mixed(self, pictures: Sequence[np.ndarray], points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """(N, C) values of pictures of all photos, by their parts (N, L)."""
        total = np.zeros((len(points), pictures[0].shape[-1]), np.float32)
        weight = visible / np.maximum(visible.sum(1, keepdims=True), 1e-9)
        for view, picture, part in zip((self, *self.further), pictures, weight.T, strict=True):
            pixels, _ = view.maps.pixels_of(points)
            total += sample_image(picture, pixels) * part[:, None].astype(np.float32)
        return total

    def completed(self, points: np.ndarray) -> np.ndarray:
        """The color of hair that the photo hides.

        Args:
            points: (N, 3), head frame, meters.

        Returns:
            (N, 3) float32, sRGB 0..255.
        """
        count = min(NEIGHBORS, len(self.known_colors))
        distance, index = self.known.query(points, k=count, workers=search_threads(len(points)))
        distance, index = distance.reshape(len(points), count), index.reshape(len(points), count)
        weight = 1 / (1 + (distance / HALF_DISTANCE) ** 2)
        total = weight.sum(1, keepdims=True) + TYPICAL_WEIGHT * count
        # In one precision: einsum converts a few numbers at a time, which takes several times as long.
        known = self.known_colors.astype(weight.dtype)
        colors = np.empty((len(points), 3))
        for start in range(0, len(points), BLOCK):
            rows = slice(start, start + BLOCK)
            colors[rows] = np.einsum("nk,nkc->nc", weight[rows], known.take(index[rows], 0))
        return np.asarray((colors + TYPICAL_WEIGHT * count * self.picture.typical) / total, np.float32)

    def at(self, points: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Colors without strands.

        Args:
            points: (N, 3), head frame, meters.
            visible: (N, L), see `visibility`.

        Returns:
            (N, 3) float32, sRGB 0..255.
        """
        known = self._mixed([view.picture.smooth for view in (self, *self.further)], points, visible)
        share = visible.sum(1)[:, None]
        return self.completed(points) * (1 - share).astype(np.float32) + known * share.astype(np.float32)


def _visibility(maps: HairMaps, depth: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    pixels, distance = maps.pixels_of(points)
    around, _ = surrounding_pixels(pixels, depth.shape)
    visible = unoccluded(depth, around, distance, TOLERANCE)
    visible = visible * ramp(facing(maps, points, normals), *COSINES)
    inside = ((pixels > 0) & (pixels < SIZE - 1)).all(1)
    inside &= sample_image(maps.hidden.astype(np.float32), pixels) < HIDDEN
    visible = visible * ramp(sample_image(maps.hull, pixels), *FROM_BACKGROUND)
    return np.asarray(visible * inside * ramp(sample_image(maps.outline, pixels), -0.002, 0.001))
