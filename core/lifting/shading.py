"""Refines a lifted head by its shading: what the brightness of the face says of its relief.

The lifter's stages know the picture by features that were learned to find landmarks. Brightness says more of
the normals between the landmarks (B. Horn, "Obtaining shape from shading information", 1975), but mixes them
with light, albedo and shadows. Here the light is smooth, and fitted with the head (spherical harmonics: R.
Ramamoorthi and P. Hanrahan, "An efficient representation for irradiance environment maps", SIGGRAPH 2001).
Albedo, shadows and whatever else makes skin brighter or darker than that are a Gaussian model's, learned from
pictures of known heads, and marginalized. Where the head may be around the lifted one is another Gaussian's:
the covariance of the lifter's own errors. `ShadingModel.refine` finds the most probable head by Gauss-Newton
steps:

    minimize  |correction|² under the lifter's covariance
              + confidence * sum over vertices of robust(|log brightness - log shading - albedo|² / variance)

All of it is linear algebra in numpy and scipy; the model is made by `core.training.fitting.shading`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ..errors import ModelError
from ..geometry.frames import CROP_SIZE, AffineFrame, Camera, HeadPose
from ..geometry.mesh import corner_sum, row_cross, row_dot, triangle_normals
from ..geometry.pose import WeakPerspectivePose, rotation_matrix
from ..geometry.spherical_harmonics import fit_lighting, sh_basis, sh_gradient
from ..geometry.visibility import (
    depth_map,
    front_facing,
    ramp,
    ray_cosines,
    surrounding_pixels,
    unoccluded,
)
from ..image.color import LUMINANCE, linear_of_bytes_float32
from ..image.crop import cut_crop
from ..runtime.stored_weights import StoredWeights
from ..runtime.weights import model_arrays
from ..template.template import HeadTemplate
from .cascade import FeatureSites

FILE_NAME = "face_shading.npz"
#: The array of a file of weights that says which lifter they were fitted to (`lifter_fingerprint`).
FITTED_TO = "fitted_to"
#: Corrections of the pose: rotation vector (3), offset of the center (2), log of the scale.
POSE = 6
#: Side of the picture of the face that brightness is read from, pixels: half a millimeter each.
PICTURE_SIZE = 384
#: Standard deviation of the blur before that, pixels: vertices lie 3 mm apart.
BLUR_PX = 1.6
#: Side of the depth map that says which vertices are hidden, pixels.
DEPTH_SIZE = 192
#: Depth behind that map's surface up to which a vertex is fully seen, meters.
DEPTH_TOLERANCE_M = 0.003
#: Cosines between normal and ray from which on brightness counts, and counts fully.
GRAZING_COSINE = 0.1
FULL_COSINE = 0.35
#: Weight, 0..1, from which on a vertex is seen well enough to judge a typical residual by.
SEEN = 0.3
#: Fewer vertices than this seen well say nothing.
FEWEST_VERTICES = 150
#: Gauss-Newton steps; a third changes held-out heads by less than 1 %.
STEPS = 2
#: Weight of each vertex, as neighbors' brightness errs alike.
CONFIDENCE = 0.3
#: Resistance of the light's coefficients, fractions of the total weight: constant, first and second order.
LIGHT_RESISTANCE = np.array([0.0] + [0.002] * 3 + [0.01] * 5)
LIGHT_ROUNDS = 4
#: Prior precision of the light's coefficients where they are marginalized: as good as free.
FREE_LIGHT = 1e-4
#: Least brightness and shading whose logarithms count, fractions of the face's median.
DARKEST = 0.2
DARKEST_SHADING = 0.25
#: Added to that median, linear: black pictures have logarithms, too.
LEAST_BRIGHTNESS = 1e-4
#: Residuals, in typical ones, from which on brightness counts ever less.
OUTLIER = 2.0
#: Least typical residual, natural logarithm.
LEAST_RESIDUAL = 1e-3


def lifter_fingerprint(weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """What tells whether a model was fitted to this lifter: how it errs depends on all of its training.

    Args:
        weights: The lifter's arrays.

    Returns:
        (32,) uint8, the SHA-256 of its mean head and of all of its one-dimensional arrays as float32.
    """
    digest, stored = hashlib.sha256(), StoredWeights(weights)
    for name in sorted(stored):
        if name == "mean" or stored.dimensions(name) == 1:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(stored[name]).tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


@dataclass(frozen=True)
class FacePicture:
    """The face as its shading is read: upright, turned to the picture's right.

    Attributes:
        brightness: (PICTURE_SIZE, PICTURE_SIZE) float32, linear luminance, blurred.
        frame: Of the picture, in the upright view.
        camera: Of the view.
    """

    brightness: np.ndarray
    frame: AffineFrame
    camera: Camera

    @classmethod
    def cut(cls, rgb: np.ndarray, crop: AffineFrame, frame: AffineFrame, camera: Camera) -> "FacePicture":
        """Cut it out of a photo.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            crop: The picture's square in the photo.
            frame: The same square in the view.
            camera: Of the view.
        """
        linear = linear_of_bytes_float32()[cut_crop(rgb, crop, PICTURE_SIZE)]
        return cls(cv2.GaussianBlur(linear @ LUMINANCE, (0, 0), BLUR_PX), frame, camera)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where the picture shows points.

        Args:
            points: (N, 3) camera frame, meters.

        Returns:
            (N, 2) pixels.
        """
        factor = PICTURE_SIZE / CROP_SIZE
        return self.frame.photo_to_crop(self.camera.project(points)) * factor + (factor - 1) / 2

    def read(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The brightness at points, and how it changes as they move.

        Args:
            points: (N, 3) camera frame, meters.

        Returns:
            (N,) linear, and (N, 3) its gradients, 1/m.
        """
        values = np.stack([self.brightness, *self._gradients])
        at = np.clip(self.pixels(points), 0, PICTURE_SIZE - 1)
        around, fraction = surrounding_pixels(at, self.brightness.shape)
        x, y = fraction.T
        corners = np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y])
        value, right, down = np.einsum("cpn,pn->cn", values.reshape(3, -1)[:, around], corners)
        linear = self.frame.matrix[:, :2] * (PICTURE_SIZE / CROP_SIZE)
        per_pixel = np.column_stack([right, down]) @ linear * (self.camera.focal_px / points[:, 2:])
        along_axis = -row_dot(per_pixel, points[:, :2]) / points[:, 2]
        return value, np.column_stack([per_pixel, along_axis])

    @cached_property
    def _gradients(self) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) float32 each: change of the brightness by a pixel to the right, and by one down."""
        # Sobel's kernels sum up to eight times a central difference's.
        return (
            cv2.Sobel(self.brightness, cv2.CV_32F, 1, 0, ksize=3) / 8,
            cv2.Sobel(self.brightness, cv2.CV_32F, 0, 1, ksize=3) / 8,
        )


@dataclass(frozen=True)
class Observation:
    """What a head's vertices are in a picture.

    Attributes:
        points: (M, 3) float64, the vertices around those used, camera frame, meters.
        normals: (N, 3) float64 unit normals of those used, camera frame.
        lengths: (N,) float64, of the normals before they were made unit vectors, square meters.
        brightness: (N,) float64, linear.
        gradients: (N, 3) float64, of the brightness, 1/m.
        weight: (N,) float64, 0..1, how well each is seen.
    """

    points: np.ndarray
    normals: np.ndarray
    lengths: np.ndarray
    brightness: np.ndarray
    gradients: np.ndarray
    weight: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """(N,) bool, those seen well."""
        return self.weight > SEEN


@dataclass(frozen=True)
class Shading:
    """Smooth light on the vertices used, and what it leaves.

    Attributes:
        coefficients: (9,) float64, of the light's spherical harmonics.
        harmonics: (N, 9) float64, of the normals.
        shading: (N,) float64, brightness in that light.
        brightness: (N,) float64, as seen, not below a fraction of the face's median.
    """

    coefficients: np.ndarray
    harmonics: np.ndarray
    shading: np.ndarray
    brightness: np.ndarray

    @classmethod
    def fit(cls, observation: Observation) -> "Shading | None":
        """Find the light; None if too little is seen."""
        if np.count_nonzero(observation.visible) < FEWEST_VERTICES:
            return None
        harmonics = sh_basis(observation.normals)
        well = observation.visible
        light = fit_lighting(
            harmonics[well],
            observation.brightness[well],
            observation.weight[well],
            LIGHT_RESISTANCE,
            LIGHT_ROUNDS,
        )
        typical = float(np.median(observation.brightness[well])) + LEAST_BRIGHTNESS
        return cls(
            light,
            harmonics,
            np.maximum(harmonics @ light, DARKEST_SHADING * typical),
            np.maximum(observation.brightness, DARKEST * typical),
        )

    @property
    def residual(self) -> np.ndarray:
        """(N,) natural logarithm of the brightness over the shading."""
        return np.log(self.brightness / self.shading)


def typical_size(residual: np.ndarray, observation: Observation) -> float:
    """Robust standard deviation of residuals (median absolute deviation).

    Args:
        residual: (N,) natural logarithms.
        observation: Says which of them count.
    """
    return 1.48 * float(np.median(np.abs(residual[observation.visible]))) + LEAST_RESIDUAL


@dataclass(frozen=True)
class NormalPattern:
    """Which vertices move which vertex's brightness and normal: a sparse matrix without its values.

    Attributes:
        kept: For each of the three corners (K,) int64, the triangles in which a vertex used is there.
        order: (E,) int64, from the entries as they are computed to those of the rows in turn.
        columns: (3 * E,) int64, column of each number.
        starts: (N + 1,) int64, the place of each row's first number.
    """

    kept: tuple[np.ndarray, ...]
    order: np.ndarray
    columns: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, sites: FeatureSites) -> "NormalPattern":
        """The pattern of the vertices used and of the triangles around them."""
        count, triangles = len(sites.positions), sites.triangles
        row_of = np.full(len(sites.used), -1)
        row_of[sites.positions] = np.arange(count)
        rows, columns = [np.arange(count)], [sites.positions]
        kept = tuple(np.flatnonzero(row_of[triangles[:, corner]] >= 0) for corner in range(3))
        for corner, some in enumerate(kept):
            for moved in range(3):
                rows.append(row_of[triangles[some, corner]])
                columns.append(triangles[some, moved])
        row, column = np.concatenate(rows), np.concatenate(columns)
        order = np.argsort(row, kind="stable")
        starts = 3 * np.concatenate([[0], np.cumsum(np.bincount(row, minlength=count))])
        return cls(kept, order, (3 * column[order][:, None] + np.arange(3)).ravel(), starts)


def check_shading(arrays: Mapping[str, np.ndarray], outputs: int, vertices: int) -> None:
    """Refuse arrays that are no model of shading.

    Args:
        arrays: See `ShadingModel`.
        outputs: How many the lifter has.
        vertices: How many the template has.

    Raises:
        ValueError: They do not fit together, or are no numbers.
        KeyError: One is missing.
    """
    used, deviation = arrays["vertices"], arrays["deviation"]
    if used.ndim != 1 or used.dtype.kind not in "iu" or not len(used):
        raise ValueError("its vertices are no numbers of vertices")
    if used.min() < 0 or used.max() >= vertices or len(np.unique(used)) < len(used):
        raise ValueError("its vertices are not the template's")
    count = len(arrays["components"])
    shapes = {"components": (count, len(used)), "deviation": (len(used),), "covariance": (outputs, outputs)}
    for name, shape in shapes.items():
        found = arrays[name]
        if found.shape != shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            raise ValueError(f"{name} is {found.dtype} {found.shape} instead of finite numbers {shape}")
    if deviation.min() <= 0:
        raise ValueError("deviation is not positive")


class ShadingModel:
    """What is known beforehand of shading and of the lifter's errors; and the refinement."""

    def __init__(
        self, arrays: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray], template: HeadTemplate
    ) -> None:
        """Take the model's arrays.

        Args:
            arrays: Of the file: `vertices` (N,), the template's that are used; `components` (K, N) and
                `deviation` (N,), what brightness differs from smooth shading by, in typical residuals;
                `covariance` (6 + C, 6 + C), of the lifter's errors, in its normalized outputs.
            weights: The lifter's.
            template: Its template.
        """
        self.components = np.asarray(arrays["components"], np.float64)
        self.deviation = np.asarray(arrays["deviation"], np.float64)
        self.precision = np.linalg.inv(np.asarray(arrays["covariance"], np.float64))
        triangles = template.solid_triangles
        self.triangles = triangles[(triangles < len(template.vertices)).all(1)].astype(np.int64)
        self.sites = FeatureSites.of(np.asarray(arrays["vertices"], np.int64), self.triangles)
        self.scale = np.asarray(weights["output_scale"], np.float64)
        self._weights = StoredWeights(weights)
        shape_scale = self._weights["output_scale"][POSE:]
        moves = self._weights["basis"][:, self.sites.used] * shape_scale[:, None, None]
        #: (3 * M, C) float32: how the vertices around those used move, meters in the head frame.
        self._moves = np.ascontiguousarray(moves.reshape(len(moves), -1).T)
        self._pattern = NormalPattern.of(self.sites)

    @classmethod
    def load(
        cls, models_dir: Path, weights: Mapping[str, np.ndarray], template: HeadTemplate
    ) -> "ShadingModel | None":
        """Read the model of a folder; None if it has none.

        Args:
            models_dir: Folder of the models.
            weights: The lifter's.
            template: Its template.

        Raises:
            ModelError: The file is damaged, or belongs to another lifter.
        """
        path = Path(models_dir) / FILE_NAME
        if not path.is_file():
            return None
        with model_arrays(path) as arrays:
            if not np.array_equal(arrays["lifter"], lifter_fingerprint(weights)):
                raise ModelError(
                    f"{path} belongs to another lifter: get the project's models folder again, or, for a "
                    "lifter of your own, make it with scripts/training/train.py shading"
                )
            found = {name: arrays[name] for name in arrays.files}
            check_shading(found, len(weights["output_scale"]), len(template.vertices))
            return cls(found, weights, template)

    def moved(
        self, pose: WeakPerspectivePose, vertices: np.ndarray, correction: np.ndarray
    ) -> tuple[WeakPerspectivePose, np.ndarray]:
        """Correct a head.

        Args:
            pose: Of the head.
            vertices: (V, 3) float32, head frame, meters.
            correction: (6 + C,) of pose and shape, in the lifter's normalized outputs.

        Returns:
            The pose and (V, 3) float32 vertices.
        """
        change = correction * self.scale
        offset = np.tensordot(change[POSE:].astype(np.float32), self._weights["basis"], 1)
        turned = pose.corrected(rotation_matrix(change[:3]), change[3:5], float(change[5]))
        return turned, vertices + offset

    def refine(
        self, picture: FacePicture, pose: WeakPerspectivePose, vertices: np.ndarray
    ) -> tuple[WeakPerspectivePose, np.ndarray]:
        """The most probable head, given its shading.

        Args:
            picture: Of the face.
            pose: Of the lifted head, in the picture's view.
            vertices: (V, 3) float32, the lifted head, head frame, meters.

        Returns:
            The pose and (V, 3) float32 vertices; as given if the picture shows too little of the face.
        """
        total = np.zeros(len(self.scale))
        for _ in range(STEPS):
            equations = self._equations(picture, *self.moved(pose, vertices, total))
            if equations is None:
                break
            matrix, right = (CONFIDENCE * part for part in equations)
            total += np.linalg.solve(self.precision + matrix, right - self.precision @ total)
        return self.moved(pose, vertices, total)

    def observe(self, picture: FacePicture, pose: HeadPose, vertices: np.ndarray) -> Observation:
        """Read the brightness of a head's vertices.

        Args:
            picture: Of the face.
            pose: Of the head.
            vertices: (V, 3), head frame, meters.
        """
        head = pose.head_to_camera(vertices.astype(np.float64))
        points, sites = head[self.sites.used], self.sites
        normals = corner_sum(triangle_normals(points, sites.triangles), sites.triangles, len(points))
        normals = normals[sites.positions]
        lengths = np.maximum(np.sqrt(row_dot(normals, normals)), 1e-12)
        normals = normals / lengths[:, None]
        used = points[sites.positions]
        brightness, gradients = picture.read(used)
        weight = ramp(ray_cosines(used, normals), GRAZING_COSINE, FULL_COSINE)
        weight = weight * self._unhidden(picture, head, used)
        return Observation(points, normals, lengths, brightness, gradients, weight)

    def _unhidden(self, picture: FacePicture, head: np.ndarray, used: np.ndarray) -> np.ndarray:
        """(N,) 0..1: which of the vertices used nothing of the head (V, 3) hides, inside the picture."""
        factor = DEPTH_SIZE / PICTURE_SIZE
        pixels, at = picture.pixels(head) * factor, picture.pixels(used)
        facing = self.triangles[front_facing(pixels, self.triangles)]
        depths, _ = depth_map(pixels, head[:, 2], facing, DEPTH_SIZE)
        around, _ = surrounding_pixels(at * factor, depths.shape)
        inside = ((at > 1) & (at < PICTURE_SIZE - 2)).all(1)
        return unoccluded(depths, around, used[:, 2], DEPTH_TOLERANCE_M) * inside

    def _equations(
        self, picture: FacePicture, weak_pose: WeakPerspectivePose, vertices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The normal equations of the shading around a head: (6 + C, 6 + C) matrix and (6 + C,) right side
        of the correction; None if too little is seen.
        """
        pose = weak_pose.in_camera(picture.camera)
        observation = self.observe(picture, pose, vertices)
        shading = Shading.fit(observation)
        if shading is None:
            return None
        jacobian = self._jacobian(picture, weak_pose, pose, vertices, observation, shading)
        residual = shading.residual
        size = typical_size(residual, observation)
        # Light and albedo are unknown, too, and marginalized (Schur complement).
        light = shading.harmonics / shading.shading[:, None]
        unknown = np.column_stack([light, size * self.components.T])
        prior = np.repeat([FREE_LIGHT, 1.0], [light.shape[1], len(self.components)])
        known = np.column_stack([jacobian, residual])
        left = residual
        for _ in range(2):
            robust = 1 / (1 + (left / (OUTLIER * size)) ** 2) ** 2
            weight = observation.weight * robust / (self.deviation * size) ** 2
            cross = (unknown * weight[:, None]).T @ known
            solved = np.linalg.solve((unknown * weight[:, None]).T @ unknown + np.diag(prior), cross)
            left = residual - unknown @ solved[:, -1]
        gram = (known * weight[:, None]).T @ known - cross.T @ solved
        return gram[:-1, :-1], -gram[:-1, -1]

    def _jacobian(
        self,
        picture: FacePicture,
        weak_pose: WeakPerspectivePose,
        pose: HeadPose,
        vertices: np.ndarray,
        observation: Observation,
        shading: Shading,
    ) -> np.ndarray:
        """(N, 6 + C) float64: how the residual changes with the correction.

        A vertex's normal is the sum of its triangles' cross products, whose derivatives are cross products
        again; so the residual is linear in the displacements of the vertices around it.
        """
        from scipy.sparse import csr_matrix

        triangles, positions = self.sites.triangles, self.sites.positions
        slope = sh_gradient(observation.normals, shading.coefficients) / shading.shading[:, None]
        slope = slope - observation.normals * row_dot(slope, observation.normals)[:, None]
        by_vertex = np.zeros(observation.points.shape)
        by_vertex[positions] = -slope / observation.lengths[:, None]
        one, two, three = (observation.points[triangles[:, k]] for k in range(3))
        pulls = [observation.gradients / shading.brightness[:, None]]
        for corner, kept in enumerate(self._pattern.kept):
            pull = by_vertex[triangles[kept, corner]]
            second = row_cross((three - one)[kept], pull)
            third = row_cross(pull, (two - one)[kept])
            pulls += [-second - third, second, third]
        # In the head frame, where the shape's components move the vertices.
        values = (np.concatenate(pulls) @ pose.rotation).astype(np.float32)[self._pattern.order]
        matrix = csr_matrix(
            (values.ravel(), self._pattern.columns, self._pattern.starts),
            shape=(len(positions), 3 * len(observation.points)),
        )
        turns = self._pose_moves(picture, weak_pose, pose, vertices, observation.points)
        return np.asarray(matrix @ np.column_stack([turns, self._moves]), np.float64)

    def _pose_moves(
        self,
        picture: FacePicture,
        weak_pose: WeakPerspectivePose,
        pose: HeadPose,
        vertices: np.ndarray,
        points: np.ndarray,
    ) -> np.ndarray:
        """(3 * M, 6) float32: how corrections of the pose move the vertices, meters in the head frame."""
        difference = 1e-4
        head = vertices[self.sites.used].astype(np.float64)
        moves = []
        for k in range(POSE):
            change = np.zeros(POSE)
            change[k] = difference
            turned = weak_pose.corrected(rotation_matrix(change[:3]), change[3:5], float(change[5]))
            moved = (turned.in_camera(picture.camera).head_to_camera(head) - points) @ pose.rotation
            moves.append(moved.ravel() / difference * self.scale[k])
        return np.stack(moves, 1).astype(np.float32)
