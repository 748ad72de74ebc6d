"""What a photo shows of the skin, at the texels of a coarse texture and at the vertices."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..geometry.frames import CropFrame, HeadPose
from ..geometry.mesh import lengths, shading_normals
from ..geometry.visibility import ramp
from ..image.sampling import sample_image, sample_photo_linear
from ..segmentation.segments import SEGMENT_PX_METERS, Segmentation, SegmentClass
from ..template.regions import Regions
from ..template.topology import SKIN, HeadTopology
from .atlas import Atlas
from .face_outline import beyond_outline, side_weights
from .padding import nearest_texels
from .projection import cosines, crop_to_view, render_view, view_weights
from .skin_mask import MARGIN_PX, skin_weights
from .sparse_texels import SparseTexels

#: Side of the texture that weights at vertices refer to.
REFERENCE_SIZE = 1024
#: Weight, texels of the reference, of a vertex from which on it is observed.
OBSERVED_SUM = 12.0
#: Probability of hair around a texel at which it begins to be near hair, and is.
HAIR_NEAR = (0.1, 0.4)
#: Radius of what is near hair, pixels of the segment frame, 2.2 mm each.
HAIR_REACH_PX = 5
#: Meters around an ear within which the photo's ear may lie before the head's.
EAR_REACH = 0.042
EAR_FADE = 0.012
#: The same for what lies beyond the face's outline.
SIDE_REACH = 0.065
SIDE_FADE = 0.015
HALF = 0.5
#: Probability from which on a pixel is hair, where its distance is measured.
HAIR_PROBABILITY = 0.5


@dataclass(frozen=True)
class SkinView:
    """What the photo shows of the skin's n texels at half the resolution.

    Attributes:
        colors: (n, 3) float32 linear.
        weight: (n,) float32, 0..1: how well each is shown, as skin.
        pixels: (n, 2) float32, photo.
        near_hair: (n,) float32, 0..1.
        hair_distance: (n,) float32, meters from hair or headwear; 0 where nothing was looked up.
        facial_hair: (n,) float32, 0..1, probability of a brow or a beard.
        outline: (n,) float32, meters from the head's outline.
        facing: (n,) float32, 0..1, cosine between the surface's normal and the ray.
    """

    colors: np.ndarray
    weight: np.ndarray
    pixels: np.ndarray
    near_hair: np.ndarray
    hair_distance: np.ndarray
    facial_hair: np.ndarray
    outline: np.ndarray
    facing: np.ndarray


class SkinSampler:
    """Looks at photos at the skin's texels of one size of texture."""

    def __init__(self, topology: HeadTopology, size: int) -> None:
        """Prepare what does not depend on the photo.

        Args:
            topology: Of the heads.
            size: Side of the texture, texels.
        """
        self.topology, self.size = topology, size
        atlas = Atlas.of(topology, size, [SKIN])
        self.texel = atlas.texel
        self.mirror = atlas.mirror
        self._to_texels = atlas.whole_interpolation(len(topology.vertices))
        self._from_texels = self._to_texels.T  # it shares the memory
        regions = Regions.of(topology)
        side = side_weight(topology, regions.ear) * (1 - regions.ear)
        columns = np.column_stack([regions.beard, regions.ear, side])
        self._beard, self._ear, self._side = map(SparseTexels.of, self.at_texels(columns).T)

    @cached_property
    def nearest(self) -> np.ndarray:
        """(size * size,) int32: for each texel of the texture, the nearest of the skin's."""
        return nearest_texels(self.texel, self.size)[1]

    def before_ear(self) -> np.ndarray:
        """(n,) float32, 0..1: texels that the photo's ear may lie before."""
        ear = Regions.of(self.topology).ear
        return self.at_texels(_beside(self.topology.vertices, ear, EAR_REACH, EAR_FADE)[:, None])[:, 0]

    def at_texels(self, values: np.ndarray) -> np.ndarray:
        """Interpolate vertex values at the skin's texels.

        Args:
            values: (V, C).

        Returns:
            (n, C) float32.
        """
        return np.asarray(self._to_texels @ np.asarray(values, np.float32))

    def view(
        self,
        rgb: np.ndarray,
        frame: CropFrame,
        pose: HeadPose,
        vertices: np.ndarray,
        segmentation: Segmentation,
        keep_beard: bool = True,
        margin_px: int = MARGIN_PX,
        landmarks: np.ndarray | None = None,
    ) -> SkinView:
        """Sample a photo.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            frame: The crop.
            pose: Of the head.
            vertices: (V, 3) of the wrapped head, as photographed.
            segmentation: What the photo's pixels show.
            keep_beard: Whether a beard belongs to the skin.
            margin_px: Pixels of the segment frame by which what is no skin is widened.
            landmarks: (478, 2 or more) as detected, photo pixels: they tell cheeks from ears.

        Returns:
            What the texels look like, and which of them show skin.
        """
        camera_points = pose.head_to_camera(vertices.astype(np.float64))
        view, _ = render_view(self.topology, camera_points, frame)
        normals = shading_normals(vertices, self.topology.triangles)
        facing = cosines(camera_points.astype(np.float32), normals, pose)
        texels = self.at_texels(np.column_stack([camera_points, facing]))
        points, cosine = texels[:, :3], texels[:, 3]
        # What faces away is not looked at any further.
        front = np.flatnonzero(cosine > 0)
        weight = np.zeros(len(points), np.float32)
        outline = np.zeros(len(points), np.float32)
        pixels = frame.camera.project(points).astype(np.float32)
        in_view = crop_to_view(frame.photo_to_crop(pixels.take(front, 0)))
        weight[front], outline[front] = view_weights(view, in_view, points[front, 2], cosine[front])
        some = np.flatnonzero(weight > 0)
        beard = self._beard.dense()[some]
        weight[some] *= skin_weights(segmentation, pixels[some], beard, keep_beard, margin_px)
        if landmarks is not None and len(some):
            beyond = beyond_outline(landmarks, frame, pixels[some])
            weight[some] *= side_weights(beyond, self._ear.dense()[some], self._side.dense()[some])
        near_hair, hair_distance, facial_hair = (np.zeros(len(points), np.float32) for _ in range(3))
        near_hair[some], hair_distance[some], facial_hair[some] = _hair(segmentation, pixels[some])
        some = np.flatnonzero(weight > 0)
        colors = np.zeros((len(points), 3), np.float32)
        if len(some):
            spacing = self.spacing(pixels, some)
            colors[some], inside = sample_photo_linear(rgb, pixels[some], spacing)
            weight[some[~inside]] = 0
        hair = near_hair, hair_distance, facial_hair
        return SkinView(colors, weight, pixels, *hair, outline, np.maximum(cosine, 0))

    def spacing(self, pixels: np.ndarray, some: np.ndarray) -> float:
        """How far apart neighboring texels are in the photo, typically.

        Args:
            pixels: (n, 2) where the texels are, photo pixels.
            some: (k,) int, those that count.

        Returns:
            Photo pixels; 1 if there are no neighbors.
        """
        pair = some[:-1][np.diff(self.texel[some]) == 1]
        following = pair + 1
        return (
            float(np.median(lengths(pixels.take(following, 0) - pixels.take(pair, 0)))) if len(pair) else 1.0
        )

    def to_vertices(self, values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gather values of texels at the vertices.

        Args:
            values: (n, C) of the skin's texels.
            weight: (n,) 0..1, how well each is known.

        Returns:
            Their means (V, C) float32, and how far each vertex is observed (V,) float32, 0..1.
        """
        # Column by column: over rows of a few numbers numpy is slow.
        weighted = np.empty((len(weight), values.shape[1] + 1), np.result_type(values, weight))
        for k in range(values.shape[1]):
            np.multiply(values[:, k], weight, out=weighted[:, k])
        weighted[:, -1] = weight
        total = self._from_texels @ weighted
        sums = total[:, -1] * (REFERENCE_SIZE / self.size) ** 2
        means = total[:, :-1] / np.maximum(total[:, -1:], 1e-9)
        return means.astype(np.float32), np.minimum(sums / OBSERVED_SUM, 1).astype(np.float32)


def _hair(segmentation: Segmentation, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
    """(n,) each: whether there is hair around points (n, 2) of the photo, 0..1; how far it is, meters; and
    how probable facial hair is at them.
    """
    probabilities = segmentation.probabilities
    hair = np.ascontiguousarray(probabilities[SegmentClass.HAIR] + probabilities[SegmentClass.HEADWEAR])
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * HAIR_REACH_PX + 1, 2 * HAIR_REACH_PX + 1))
    around = cv2.dilate(hair, kernel)
    free = (hair < HAIR_PROBABILITY).astype(np.uint8)
    away = np.float32(SEGMENT_PX_METERS) * cv2.distanceTransform(free, cv2.DIST_L2, 5)
    points = segmentation.frame.photo_to_crop(pixels.astype(np.float64)).astype(np.float32)
    layers = np.stack([around, away, probabilities[SegmentClass.FACIAL_HAIR]], -1)
    near, distance, facial = sample_image(layers, points).T
    return np.asarray(ramp(near, *HAIR_NEAR), np.float32), distance, facial


def side_weight(topology: HeadTopology, ear: np.ndarray) -> np.ndarray:
    """How far vertices are on the sides of the head, where the photo's ears may lie.

    Args:
        topology: The head's.
        ear: (V,) 0..1, how far they are in the ears.

    Returns:
        (V,) float32, 0..1.
    """
    return np.maximum(_beside(topology.vertices, ear, SIDE_REACH, SIDE_FADE), ear)


def _beside(points: np.ndarray, ear: np.ndarray, reach: float, fade: float) -> np.ndarray:
    """(V,) 0..1: how near vertices (V, 3) are to an ear, (V,) 0..1, outside of it."""
    from scipy.spatial import cKDTree

    distance = cKDTree(points[ear > HALF]).query(points)[0]
    return np.asarray(ramp(distance, reach, reach - fade) * (1 - ear), np.float32)
