"""One person's head from several photos: which photos show the same person, and what they say together.

Each photo's lifted head is an estimate of identity plus expression. Along each principal direction it
follows the truth by a known fraction, with a known noise (`response` and `noise` in
`models/face_shape_model.npz`, measured on synthetic pictures). So estimates are not averaged: all are
measurements of one identity, and of an expression each, under one prior; and in each photo the landmarks of
the solved head, at a pose of its own, have to lie where the lifter had them, which it knows far better than
their depth (`view_solver`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..detection.landmarks import FaceLandmarks
from ..geometry.frames import Camera, crop_frame_around
from ..runtime.weights import model_arrays
from .appearance import hair_differs
from .lifter import HeadPrior, LandmarkLifter
from .shape_model import FILE_NAME, FaceShapeModel, PointBasis
from .view_solver import POSE, LinearObservation, PointObservations, View, ViewSolver, whitening_of

#: What is said of a photo of a person: solved with the others, showing somebody else, of no use.
USED = "used"
UNLIKE = "someone else"
UNUSABLE = "unusable"
#: Standard deviation, meters at the head, of where the lifter puts landmarks in the photo, and how many of
#: them say the same. Of 5, 10, 20 and 100, 10 came nearest to the truth on rendered heads.
PROJECTION_ERROR_M = 0.002
PROJECTION_REPETITIONS = 10.0
#: Standard deviations of the lifter's poses: turn, radians, offset, meters, logarithm of the scale.
POSE_SPREAD = np.array([0.05, 0.05, 0.05, 0.003, 0.003, 0.03])
#: Logarithm of the likelihood ratio of one person to two below which photos show two. Of rendered pairs of
#: one person 1 in 200 is below, of pairs of different people 6 in 10, of pairs of different portraits only 1
#: in 10: where photos are alike in pose, lens and light, faces seem alike, too. So photos above it are not
#: known to show one person. No higher limit says so either: pairs of one scan's views have 5 to 8, portraits
#: of different people up to 15. The face network's global features tell copies of one picture from others
#: (cosines over 0.89, under 0.79), but not views of one head (-0.3 to 0.9) from those of two (-0.6 to 0.9).
UNLIKE_LOG_RATIO = -1.0
#: The ratio of photos whose hair differs: outweighs the shapes of a few photos that seem to agree.
OTHER_HAIR_LOG_RATIO = -30.0
#: Faces of this many pixels and more say equally much.
FULL_FACE_PX = 200.0
#: Least weight of a photo with a smaller face.
LEAST_WEIGHT = 0.3
#: Power of the cosine of the turn in the weight, and its least value. Of 0, 1, 2 and 4, 0 comes nearest to
#: the truth on synthetic people (0.64, 0.64, 0.65, 0.67 mm), 4 on a scan (1.00, 0.99, 0.97, 0.94 mm).
TURN_POWER = 2
LEAST_COSINE = 0.2


@dataclass(frozen=True)
class PersonPhoto:
    """A photo of the person, lifted by itself.

    Attributes:
        name: What to call it.
        face: As detected.
        camera: Of the photo.
        prior: What the lifter made of it.
        hair_contrast: How much lighter hair is than skin, see `appearance`; None if it is not known.
    """

    name: str
    face: FaceLandmarks
    camera: Camera
    prior: HeadPrior
    hair_contrast: float | None = None

    @property
    def weight(self) -> float:
        """How much it says beside others, 0..1: less of small and of turned faces, and of those on whose
        landmarks detections disagree.
        """
        size = min(self.face.size / FULL_FACE_PX, 1.0)
        own = max(LEAST_WEIGHT, size * min(1.0, 0.5 + self.face.score))
        return own * max(float(np.cos(np.radians(self.turn))), LEAST_COSINE) ** TURN_POWER

    @property
    def fitness(self) -> float:
        """How fit it is to be the main photo, 0..1: frontal, and large."""
        return self.weight

    @property
    def turn(self) -> float:
        """Angle, degrees, between the face's direction and the camera."""
        yaw, pitch, _ = np.radians(self.prior.pose.angles)
        return float(np.degrees(np.arccos(np.clip(np.cos(yaw) * np.cos(pitch), -1, 1))))


@dataclass(frozen=True)
class PhotoView:
    """What became of one photo of a person, for face.json.

    Attributes:
        name: The file's.
        sha256: Of the file.
        size: Width and height, pixels; zero of a photo that could not be read.
        verdict: USED, UNLIKE or UNUSABLE.
        reason: Why it was not used, a sentence; else empty.
        main: Whether surface, eyes and hair are from this photo.
        identity_confirmed: Whether this is the main photo, or somebody has confirmed that it shows the same
            person. No texture is taken of other photos.
        camera: Of the photo, if a face was found.
        prior: The head with this photo's pose and expression, likewise.
        expression: (J,) coefficients of the shape model, likewise.
        weight: 0..1, how much the photo counted.
        orientation: EXIF's number, 1..8, for how the photo lies in its file.
    """

    name: str
    sha256: str
    size: tuple[int, int]
    verdict: str
    reason: str = ""
    main: bool = False
    identity_confirmed: bool = False
    camera: Camera | None = None
    prior: HeadPrior | None = None
    expression: np.ndarray | None = None
    weight: float = 0.0
    orientation: int = 1

    def document(self) -> dict[str, Any]:
        """The view as JSON can hold it."""
        about: dict[str, Any] = {
            "name": self.name,
            "sha256": self.sha256,
            "width": self.size[0],
            "height": self.size[1],
            "orientation": self.orientation,
            "verdict": self.verdict,
            "main": self.main,
            "identity_confirmed": self.identity_confirmed,
            "weight": round(self.weight, 3),
        }
        if self.reason:
            about["reason"] = self.reason
        if self.camera is not None and self.prior is not None:
            pose = self.prior.pose
            yaw, pitch, roll = (round(angle, 2) for angle in pose.angles)
            about["camera"] = {
                "focal_length_mm35": round(self.camera.focal_mm(*self.size), 2),
                "focal_length_source": self.camera.source,
                "focal_length_px": round(self.camera.focal_px, 2),
                "principal_point_px": [self.camera.cx, self.camera.cy],
            }
            about["pose"] = {
                "yaw": yaw,
                "pitch": pitch,
                "roll": roll,
                "rotation_head_to_camera": pose.rotation.tolist(),
                "translation_m": pose.translation.tolist(),
            }
        if self.expression is not None:
            about["expression"] = [round(float(value), 3) for value in self.expression]
        return about


def without_texture(views: Sequence[PhotoView]) -> list[str]:
    """Names of the photos that are used, but not for the texture."""
    return [view.name for view in views if view.verdict == USED and not view.identity_confirmed]


@dataclass(frozen=True)
class PersonView:
    """What a photo shows of the person, solved with the others.

    Attributes:
        prior: The common identity with the photo's own expression and pose.
        expression: (J,) coefficients of the shape model.
        weight: 0..1, how much the photo counted.
    """

    prior: HeadPrior
    expression: np.ndarray
    weight: float


@dataclass(frozen=True)
class PersonShape:
    """One person.

    Attributes:
        identity: (K,) coefficients of the shape model.
        views: In the order of the photos.
    """

    identity: np.ndarray
    views: tuple[PersonView, ...]


class PersonSolver:
    """Puts the photos of a person together."""

    def __init__(
        self, lifter: LandmarkLifter, model: FaceShapeModel, response: np.ndarray, noise: np.ndarray
    ) -> None:
        """Take the prior and how the lifter follows the truth.

        Args:
            lifter: What lifted the photos.
            model: Of heads.
            response: (C,) fraction of the truth in the lifter's estimate along each principal direction.
            noise: (C,) its standard deviation there, in the prior's.
        """
        self.lifter, self.model = lifter, model
        self.response, self.noise = response, noise
        self.solver = ViewSolver(model)
        covariance = model.components_covariance
        variances, directions = np.linalg.eigh(covariance)
        order = np.argsort(variances)[::-1]
        #: (C, C) from the lifter's components to principal directions, in standard deviations.
        self.to_principal = directions[:, order] / np.sqrt(variances[order])

    @classmethod
    def load(cls, lifter: LandmarkLifter, models_dir: Path) -> "PersonSolver":
        """Read the shape model of a lifter from the folder of the models."""
        with model_arrays(Path(models_dir) / FILE_NAME) as arrays:
            model = FaceShapeModel.of(lifter, arrays)
            response, noise = (np.asarray(arrays[name], np.float64) for name in ("response", "noise"))
        return cls(lifter, model, response, noise)

    def measured(self, prior: HeadPrior) -> np.ndarray:
        """(C,) what the lifter says along the principal directions."""
        return self.model.coefficients(prior.vertices) @ self.to_principal

    def solve(self, photos: Sequence[PersonPhoto]) -> PersonShape:
        """Solve the photos together.

        Args:
            photos: Of one person, at least one.

        Returns:
            The person.
        """
        views = [
            View(
                photo.camera,
                photo.prior.pose,
                (self._projected(photo),),
                (self._measurement(photo),),
                pose_spread=POSE_SPREAD,
            )
            for photo in photos
        ]
        solution = self.solver.solve(views)
        solved = []
        for photo, view in zip(photos, solution.views, strict=True):
            vertices = self.model.vertices(solution.identity, view.expression)
            frame = crop_frame_around(photo.camera, view.pose)
            landmarks = self.lifter.template.landmarks(vertices)
            prior = HeadPrior(frame, view.pose, vertices, landmarks)
            solved.append(PersonView(prior, view.expression, photo.weight))
        return PersonShape(solution.identity, tuple(solved))

    def _measurement(self, photo: PersonPhoto) -> LinearObservation:
        """What a photo says of identity and expression."""
        sigma = self.noise / np.sqrt(photo.weight)
        both = np.concatenate([self.model.identity, self.model.expression]) @ self.to_principal
        matrix = np.zeros((len(sigma), len(both) + POSE))
        matrix[:, : len(both)] = (self.response / sigma)[:, None] * both.T
        return LinearObservation(matrix, self.measured(photo.prior) / sigma)

    def _projected(self, photo: PersonPhoto) -> PointObservations:
        """Where a photo shows the landmarks, as the lifter has it."""
        prior = photo.prior
        points = prior.pose.head_to_camera(prior.landmarks.astype(np.float64))
        sigma = PROJECTION_ERROR_M * photo.camera.focal_px / points[:, 2]
        return PointObservations(
            self._landmarks,
            photo.camera.project(points),
            whitening_of(sigma / np.sqrt(photo.weight), len(points)),
            repetitions=PROJECTION_REPETITIONS,
        )

    @cached_property
    def _landmarks(self) -> PointBasis:
        """The template's landmarks."""
        template = self.lifter.template
        return self.model.points(template.landmark_triangles, template.landmark_bary)

    def log_ratio(self, one: HeadPrior, other: HeadPrior) -> float:
        """Logarithm of how much more probable two estimates are of one person than of two."""
        both = np.concatenate([self.measured(one), self.measured(other)])
        quadratic = both @ self._joint @ both
        return float(-(quadratic) / 2 - self._joint_constant)

    @cached_property
    def _joint_parts(self) -> tuple[np.ndarray, float]:
        """Difference of the inverse covariances of two estimates of one person and of two; its constant."""
        response = np.diag(self.response)
        own = response @ response + np.diag(self.noise**2)
        identity = self.model.identity @ self.to_principal
        common = response @ (identity.T @ identity) @ response
        together = np.block([[own, common], [common, own]])
        zero = np.zeros_like(own)
        inverse = np.linalg.inv(own)
        apart = np.block([[inverse, zero], [zero, inverse]])
        constant = np.linalg.slogdet(together)[1] / 2 - np.linalg.slogdet(own)[1]
        return np.linalg.inv(together) - apart, float(constant)

    @property
    def _joint(self) -> np.ndarray:
        return self._joint_parts[0]

    @property
    def _joint_constant(self) -> float:
        return self._joint_parts[1]

    def _pair_log_ratio(self, one: PersonPhoto, other: PersonPhoto) -> float:
        """`log_ratio` by the shape, unless the hair shows two people."""
        if hair_differs(one.hair_contrast, other.hair_contrast):
            return OTHER_HAIR_LOG_RATIO
        return self.log_ratio(one.prior, other.prior)

    def unlike(self, photos: Sequence[PersonPhoto]) -> list[int]:
        """Which photos show somebody else than the rest.

        The photo that fits the rest least is left out, as long as its ratio tells of another person.

        Args:
            photos: All photos.

        Returns:
            Their indices, in order; of two photos that differ, the one with less weight.
        """
        left = list(range(len(photos)))
        ratios = np.array([[self._pair_log_ratio(a, b) for b in photos] for a in photos])
        out: list[int] = []
        while len(left) > 1:
            means = [np.mean([ratios[i, j] for j in left if j != i]) for i in left]
            worst = min(range(len(left)), key=lambda k: (round(float(means[k]), 6), photos[left[k]].weight))
            if means[worst] >= UNLIKE_LOG_RATIO:
                break
            out.append(left.pop(worst))
        return sorted(out)
