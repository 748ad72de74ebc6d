"""Finds points of a face in two photos: what tells how deep it is.

Single photos of a person are lifted with errors that are much alike (correlation 0.67 on synthetic people),
so putting lifted heads together gains little. What two photos show beside each other, parallax, does not
depend on the lifter: the second photo is warped to look as the first, by the heads estimated so far, and
dense optical flow finds what is left; where the flow back leads to the same place, it is trusted.

T. Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..geometry.frames import AffineFrame, Camera, HeadPose
from ..geometry.mesh import shading_normals, unit_vectors
from ..geometry.rasterize import fragments, interpolate, z_buffer
from ..geometry.visibility import depth_map, front_facing, ray_cosines
from ..image.crop import cut_crop
from ..image.sampling import sample_image
from ..segmentation.segments import Segmentation, SegmentClass
from .shape_model import FaceShapeModel
from .view_solver import SurfaceMatches

#: Side of the pictures that are compared, pixels, and their resolution at the face.
SIZE = 256
PX_PER_METER = 1250.0
#: Vertices with at least this part of the greatest weight of the shape model are of the face.
FACE_WEIGHT = 0.3
#: Every how many pixels a match is taken, in both directions.
STEP = 8
#: Pixels at the face's rim that are left out.
RIM = 3
#: Least cosine between normal and ray in both photos.
LEAST_COSINE = 0.35
#: How far a point may lie behind what hides it in the second photo, meters.
HIDDEN_M = 0.006
#: Least probability that both photos show skin, brows or beard there.
LEAST_SKIN = 0.5
#: Contrast is made equal over this distance, pixels. Of 3, 4, 6 and 10, 3 came nearest to the truth.
CONTRAST_PX = 3.0
#: Added to bytes before their logarithm, and the contrast, of logarithms, that is taken for noise.
DARK = 8.0
NOISE = 0.02
#: Brightness of pictures of equal contrast: mean, and range of one standard deviation.
MIDDLE = 128.0
RANGE = 40.0
#: Distance, pixels, by which the flow back may miss.
MOST_MISSED = 3.0
#: Standard deviations of matches, millimeters: factor, powers of what the flow back misses (pixels, plus
#: `MISSED_OFFSET`), of the cosine and of the contrast, fitted on 24 synthetic people, half of them of clay.
SIGMA_FACTOR = 0.73
MISSED_OFFSET = 0.1
MISSED_POWER = 0.67
COSINE_POWER = -0.41
CONTRAST_POWER = -0.17
LEAST_SIGMA_MM = 0.3
#: Degrees of freedom of their errors, and how many neighbors err alike. Of 10, 30 and 100 at a step of 6
#: pixels, 30 came nearest to the truth on textured people and clay together, both ways counted.
FREEDOM = 4.0
REPETITIONS = 30.0
#: Fewer matches than this say nothing.
FEWEST = 20


@dataclass(frozen=True)
class MatchedPhoto:
    """A photo with the head estimated in it.

    Attributes:
        rgb: (H, W, 3) uint8.
        camera: Of the photo.
        pose: Of the head.
        vertices: (V, 3), the template with the photo's expression, head frame, meters.
        segmentation: What the photo shows; None if nobody knows.
    """

    rgb: np.ndarray
    camera: Camera
    pose: HeadPose
    vertices: np.ndarray
    segmentation: Segmentation | None = None

    @cached_property
    def in_camera(self) -> np.ndarray:
        """(V, 3) float64, the vertices, camera frame, meters."""
        return self.pose.head_to_camera(self.vertices.astype(np.float64))

    def frame(self, face: np.ndarray) -> AffineFrame:
        """The square around the face in which photos are compared.

        Args:
            face: (N,) int, the face's vertices.
        """
        points = self.in_camera[face]
        pixels = self.camera.project(points)
        scale = PX_PER_METER * points[:, 2].mean() / self.camera.focal_px
        middle = (pixels.min(0) + pixels.max(0)) / 2
        return AffineFrame(np.column_stack([scale * np.eye(2), (SIZE - 1) / 2 - scale * middle]))

    def skin_at(self, pixels: np.ndarray) -> np.ndarray:
        """Whether the photo shows the face itself, and not what is before it.

        Args:
            pixels: (N, 2), photo frame.

        Returns:
            (N,) bool.
        """
        if self.segmentation is None:
            return np.ones(len(pixels), bool)
        found = self.segmentation.probabilities_at(pixels)
        return np.asarray(found[:, SegmentClass.SKIN] + found[:, SegmentClass.FACIAL_HAIR] >= LEAST_SKIN)


@dataclass(frozen=True)
class _Sites:
    """Points of the face, one for each of N pixels of the first photo's square.

    pixel: (N,) int64, y * SIZE + x; corners: (N, 3) int, vertices of the triangle there; bary: (N, 3).
    """

    pixel: np.ndarray
    corners: np.ndarray
    bary: np.ndarray

    def of(self, values: np.ndarray) -> np.ndarray:
        """(N, C) values of vertices (V, C) at the points."""
        return np.asarray(np.einsum("nk,nkc->nc", self.bary, values[self.corners]))

    def only(self, chosen: np.ndarray) -> "_Sites":
        """Those that (N,) bool chooses."""
        return _Sites(self.pixel[chosen], self.corners[chosen], self.bary[chosen])


class PhotoMatcher:
    """Matches photos of one person."""

    def __init__(self, model: FaceShapeModel, triangles: np.ndarray) -> None:
        """Take the shape.

        Args:
            model: Of heads.
            triangles: (T, 3) int, the template's surface.
        """
        self.model = model
        self.triangles = triangles.astype(np.int64)
        weight = model.weight
        inside = weight > FACE_WEIGHT * weight.max()
        self.face_triangles = self.triangles[inside[self.triangles].all(1)]
        self.face = np.unique(self.face_triangles)

    def match(self, photos: Mapping[int, MatchedPhoto], one: int, other: int) -> SurfaceMatches | None:
        """Find points of the face that two photos show.

        Args:
            photos: By their indices.
            one: Of the first; its pixels are where the points are taken.
            other: Of the second.

        Returns:
            The matches; None if there are hardly any.
        """
        first, second = photos[one], photos[other]
        frames = first.frame(self.face), second.frame(self.face)
        sites = self._sites(first, frames[0])
        if len(sites.pixel) < FEWEST:
            return None
        there = frames[1].photo_to_crop(second.camera.project(sites.of(second.in_camera)))
        warp = _extended(sites.pixel, there)
        left = cut_crop(first.rgb, frames[0], SIZE, SIZE)
        right = cv2.remap(
            cut_crop(second.rgb, frames[1], SIZE, SIZE), warp[..., 0], warp[..., 1], cv2.INTER_LINEAR
        )
        flow, missed, contrast = _flow(left, right)
        cosines = np.minimum(self._cosines(first, sites), self._cosines(second, sites))
        y, x = np.divmod(sites.pixel, SIZE)
        chosen = (x % STEP == STEP // 2) & (y % STEP == STEP // 2)
        chosen &= (cosines > LEAST_COSINE) & (missed.ravel()[sites.pixel] < MOST_MISSED)
        chosen &= self._unhidden(second, frames[1], sites, there)
        pixels = frames[0].crop_to_photo(np.column_stack([x, y]).astype(np.float64))
        moved = np.column_stack([x, y]) + flow.reshape(-1, 2)[sites.pixel]
        found = frames[1].crop_to_photo(sample_image(warp, moved).astype(np.float64))
        chosen &= first.skin_at(pixels) & second.skin_at(found)
        if chosen.sum() < FEWEST:
            return None
        at, sites = sites.pixel[chosen], sites.only(chosen)
        sigma = match_sigma(missed.ravel()[at], cosines[chosen], contrast.ravel()[at])
        return SurfaceMatches(
            one,
            other,
            self.model.points(sites.corners, sites.bary),
            unit_vectors(sites.of(shading_normals(first.vertices.astype(np.float64), self.triangles))),
            pixels[chosen],
            found[chosen],
            sigma * second.camera.focal_px / sites.of(second.in_camera)[:, 2],
            FREEDOM,
            REPETITIONS,
        )

    def _sites(self, photo: MatchedPhoto, frame: AffineFrame) -> _Sites:
        """The points of the face in a photo's square, but for its rim."""
        pixels = frame.photo_to_crop(photo.camera.project(photo.in_camera))
        triangle, pixel, bary, _ = fragments(pixels, self.face_triangles, SIZE)
        nearness = interpolate(-photo.in_camera[:, 2], self.face_triangles, triangle, bary)
        index = z_buffer(pixel, nearness, size=SIZE)[0].ravel()
        inside = (index >= 0).reshape(SIZE, SIZE).astype(np.uint8)
        inside[[0, -1]] = inside[:, [0, -1]] = 0
        at = np.flatnonzero(cv2.erode(inside, np.ones((2 * RIM + 1,) * 2, np.uint8)))
        return _Sites(at, self.face_triangles[triangle[index[at]]], bary[index[at]])

    def _cosines(self, photo: MatchedPhoto, sites: _Sites) -> np.ndarray:
        """(N,) between the normals and the rays of a photo."""
        normals = unit_vectors(sites.of(shading_normals(photo.in_camera, self.triangles)))
        return ray_cosines(sites.of(photo.in_camera), normals)

    def _unhidden(
        self, photo: MatchedPhoto, frame: AffineFrame, sites: _Sites, there: np.ndarray
    ) -> np.ndarray:
        """(N,) bool: whether the head does not hide points of it, at `there` (N, 2), pixels of the frame."""
        pixels = frame.photo_to_crop(photo.camera.project(photo.in_camera))
        facing = self.triangles[front_facing(pixels, self.triangles)]
        depth, _ = depth_map(pixels, photo.in_camera[:, 2], facing, SIZE)
        x, y = np.clip(np.rint(there), 0, SIZE - 1).astype(np.int64).T
        return np.asarray(sites.of(photo.in_camera)[:, 2] < depth[y, x] + HIDDEN_M)


def match_sigma(missed: np.ndarray, cosines: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """How far matches err, standard deviations.

    Args:
        missed: (N,) pixels by which the flow back misses.
        cosines: (N,) lesser one of those between normal and the two rays.
        contrast: (N,) lesser one of the photos' contrasts, of logarithms.

    Returns:
        (N,) meters at the face.
    """
    sigma = SIGMA_FACTOR * (missed + MISSED_OFFSET) ** MISSED_POWER
    sigma = sigma * cosines**COSINE_POWER * contrast**CONTRAST_POWER
    return np.asarray(np.maximum(sigma, LEAST_SIGMA_MM) / 1000)


def _extended(pixel: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE, 2) float32: values (N, 2) at pixels (N,), elsewhere those of the nearest one."""
    from scipy.ndimage import distance_transform_edt

    full = np.zeros((SIZE * SIZE, 2), np.float32)
    full[pixel] = values
    free = np.ones(SIZE * SIZE, bool)
    free[pixel] = False
    y, x = distance_transform_edt(free.reshape(SIZE, SIZE), return_distances=False, return_indices=True)
    return np.ascontiguousarray(full.reshape(SIZE, SIZE, 2)[y, x])


def _flow(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The flow from one picture to another.

    Args:
        left: (SIZE, SIZE, 3) uint8.
        right: The same, nearly alike.

    Returns:
        (SIZE, SIZE, 2) the flow, (SIZE, SIZE) by how much the flow back misses, pixels, and (SIZE, SIZE) the
        lesser contrast.
    """
    (first, own), (second, others) = (_equal_contrast(picture) for picture in (left, right))
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((SIZE, SIZE, 2), np.float32)
    there, back = search.calc(first, second, still.copy()), search.calc(second, first, still)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    returned = cv2.remap(back, x + there[..., 0], y + there[..., 1], cv2.INTER_LINEAR)
    return there, np.linalg.norm(there + returned, axis=2), np.minimum(own, others)


def _equal_contrast(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture of equal contrast everywhere, uint8, and the contrast that it had, of logarithms."""
    logarithm = np.log(rgb.astype(np.float32).mean(2) + np.float32(DARK))
    detail = logarithm - cv2.GaussianBlur(logarithm, (0, 0), CONTRAST_PX)
    contrast = np.sqrt(cv2.GaussianBlur(detail**2, (0, 0), CONTRAST_PX) + np.float32(NOISE**2))
    return np.clip(MIDDLE + RANGE * detail / contrast, 0, 255).astype(np.uint8), contrast
