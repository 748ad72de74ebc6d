"""One person's head from several photos: which photos show the same person, and what they say together.

Each photo's lifted head is an estimate of identity plus expression: the mean of what is probable beside this
photo, with a known covariance (`residual` in `models/face_shape_model.npz`, measured on synthetic pictures).
So estimates are not averaged: all are measurements of one identity, and of an expression each, under one
prior; and in each photo the landmarks of the solved head, at a pose of its own, have to lie where the lifter
had them, which it knows far better than their depth (`view_solver`). What the lifter gets wrong in all photos
alike, parallax corrects: the skin that the main photo and each other one show is matched (`photo_matching`).
Who is somebody else is seen by the `face_descriptor` and by the hair (`hair_contrast`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..detection.landmarks import FaceLandmarks
from ..geometry.frames import Camera, crop_frame_around
from ..runtime.weights import model_arrays
from ..segmentation.segments import Segmentation
from .face_descriptor import MOST_COVERED, FaceDescriptor, color_pattern, covered_fraction
from .hair_contrast import hair_differs
from .lifter import HeadPrior, LandmarkLifter
from .photo_matching import MatchedPhoto, PhotoMatcher
from .shape_model import FILE_NAME, FaceShapeModel, PointBasis
from .view_solver import (
    POSE,
    LinearObservation,
    PointObservations,
    Solution,
    SurfaceMatches,
    View,
    ViewSolver,
    whitening_of,
)

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
#: How often photos are matched and solved again: with better heads they are more alike.
MATCHING_ROUNDS = 2
#: Where photos are matched, lifted landmarks and poses count less, as their errors are common to the photos:
#: how many of the landmarks say the same, and the factor of the poses' deviations.
MATCHED_REPETITIONS = 30.0
MATCHED_POSE_FACTOR = 3.0
#: Score beside the descriptor's limit of photos whose hair differs: outweighs a few that seem to agree.
OTHER_HAIR_SCORE = -30.0
#: Least and greatest variance of what a lifted head leaves unknown along a direction, in the prior's: those
#: left unknown altogether say nothing, and none is known as well as pictures of other cameras pretend.
RESIDUAL_RANGE = (0.05, 0.97)
#: Faces of this many pixels and more say equally much.
FULL_FACE_PX = 200.0
#: Least weight of a photo with a smaller face.
LEAST_WEIGHT = 0.3
#: Power of the cosine of the turn in the weight, and its least value. Of 0, 1, 2 and 4, 0 came nearest to the
#: truth on synthetic people (0.64, 0.64, 0.65, 0.67 mm), 4 on a scan (1.00, 0.99, 0.97, 0.94 mm).
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
        hair_contrast: How much lighter hair is than skin, see `hair_contrast`; None if it is not known.
        pattern: Of the face's colors, see `face_descriptor.color_pattern`; None if it is not known.
        rgb: (H, W, 3) uint8, the photo; None to solve it without matches.
        segmentation: What the photo shows; None if nobody knows.
    """

    name: str
    face: FaceLandmarks
    camera: Camera
    prior: HeadPrior
    hair_contrast: float | None = None
    pattern: np.ndarray | None = None
    rgb: np.ndarray | None = None
    segmentation: Segmentation | None = None

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
            about["camera"] = self.camera.document(*self.size)
            about["pose"] = self.prior.pose.document()
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
        self,
        lifter: LandmarkLifter,
        model: FaceShapeModel,
        residual: np.ndarray,
        descriptor: FaceDescriptor,
    ) -> None:
        """Take the prior, how the lifter errs, and what tells people apart.

        Args:
            lifter: What lifted the photos.
            model: Of heads.
            residual: (C, C) covariance of the truth around what is lifted, principal directions.
            descriptor: Compares faces.
        """
        self.lifter, self.model = lifter, model
        self.descriptor = descriptor
        self.solver = ViewSolver(model)
        triangles = lifter.template.solid_triangles
        self.matcher = PhotoMatcher(model, triangles[(triangles < len(model.mean)).all(1)])
        covariance = model.components_covariance
        variances, directions = np.linalg.eigh(covariance)
        order = np.argsort(variances)[::-1]
        #: (C, C) from the lifter's components to principal directions, in standard deviations.
        self.to_principal = directions[:, order] / np.sqrt(variances[order])
        unknown, axes = np.linalg.eigh(residual)
        #: (C, C) the residual's axes, columns, principal directions.
        self.axes = axes
        #: (C,) variance of the truth around what is lifted along these.
        self.unknown = np.clip(unknown, *RESIDUAL_RANGE)

    @classmethod
    def load(cls, lifter: LandmarkLifter, models_dir: Path) -> "PersonSolver":
        """Read the shape model of a lifter, and the descriptor, from the folder of the models."""
        with model_arrays(Path(models_dir) / FILE_NAME) as arrays:
            model = FaceShapeModel.of(lifter, arrays)
            residual = np.asarray(arrays["residual"], np.float64)
        return cls(lifter, model, residual, FaceDescriptor.load(models_dir))

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
        solution = self.solver.solve([self._view(photo, PROJECTION_REPETITIONS, 1.0) for photo in photos])
        for _ in range(MATCHING_ROUNDS):
            matches = self._matches(photos, solution)
            if not matches:
                break
            views = [self._view(photo, MATCHED_REPETITIONS, MATCHED_POSE_FACTOR) for photo in photos]
            expressions = [view.expression for view in solution.views]
            solution = self.solver.solve(views, solution.identity, expressions, matches=matches)
        solved = []
        for photo, view in zip(photos, solution.views, strict=True):
            vertices = self.model.vertices(solution.identity, view.expression)
            frame = crop_frame_around(photo.camera, view.pose)
            landmarks = self.lifter.template.landmarks(vertices)
            prior = HeadPrior(frame, view.pose, vertices, landmarks)
            solved.append(PersonView(prior, view.expression, photo.weight))
        return PersonShape(solution.identity, tuple(solved))

    def _view(self, photo: PersonPhoto, repetitions: float, pose_factor: float) -> View:
        """A photo as the solver takes it; see `MATCHED_REPETITIONS`, `MATCHED_POSE_FACTOR`."""
        points = replace(self._projected(photo), repetitions=repetitions)
        spread = POSE_SPREAD * pose_factor
        return View(
            photo.camera, photo.prior.pose, (points,), (self._measurement(photo),), pose_spread=spread
        )

    def _matches(self, photos: Sequence[PersonPhoto], solution: Solution) -> list[SurfaceMatches]:
        """What the main photo and each other one show, both ways."""
        pictures = {
            k: MatchedPhoto(
                photo.rgb,
                photo.camera,
                view.pose,
                self.model.vertices(solution.identity, view.expression),
                photo.segmentation,
            )
            for k, (photo, view) in enumerate(zip(photos, solution.views, strict=True))
            if photo.rgb is not None
        }
        if len(pictures) < 2:
            return []
        main = max(pictures, key=lambda k: photos[k].fitness)
        pairs = [pair for k in pictures if k != main for pair in ((main, k), (k, main))]
        found = [self.matcher.match(pictures, first, other) for first, other in pairs]
        return [match for match in found if match]

    def _measurement(self, photo: PersonPhoto) -> LinearObservation:
        """What a photo says of identity and expression.

        The lifted head is a posterior mean, and `residual` its covariance. What the photo adds to the prior,
        a standard normal distribution in principal directions, is the ratio of the two.
        """
        precision = np.sqrt((1 / self.unknown - 1) * photo.weight)
        both = np.concatenate([self.model.identity, self.model.expression]) @ self.to_principal @ self.axes
        matrix = np.zeros((len(precision), len(both) + POSE))
        matrix[:, : len(both)] = precision[:, None] * both.T
        target = (self.measured(photo.prior) @ self.axes) / (1 - self.unknown)
        return LinearObservation(matrix, precision * target)

    def _projected(self, photo: PersonPhoto) -> PointObservations:
        """Where a photo shows the landmarks, as the lifter has it."""
        prior = photo.prior
        points = prior.pose.head_to_camera(prior.landmarks.astype(np.float64))
        sigma = PROJECTION_ERROR_M * photo.camera.focal_px / points[:, 2]
        return PointObservations(
            self._landmarks,
            photo.camera.project(points),
            whitening_of(sigma / np.sqrt(photo.weight), len(points)),
        )

    @cached_property
    def _landmarks(self) -> PointBasis:
        """The template's landmarks."""
        template = self.lifter.template
        return self.model.points(template.landmark_triangles, template.landmark_bary)

    def pattern(
        self, rgb: np.ndarray, camera: Camera, prior: HeadPrior, segmentation: Segmentation | None
    ) -> np.ndarray | None:
        """The pattern of a face's colors, see `face_descriptor.color_pattern`.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            camera: Of the photo.
            prior: The head.
            segmentation: What the photo shows.

        Returns:
            (F,) float32; None if too much of the face is covered, or nobody knows.
        """
        points = self.descriptor.points
        if segmentation is None or covered_fraction(segmentation, camera, prior, points) > MOST_COVERED:
            return None
        return color_pattern(rgb, camera, prior, self.lifter.template, points)

    def score(self, one: PersonPhoto, other: PersonPhoto) -> float:
        """How far two photos are from showing two people.

        Returns:
            The descriptor's score beside its limit, negative if they seem to show two people; by the shape
            alone if one of their patterns is not known.
        """
        return self._score(one, other, self._description(one), self._description(other))

    def _description(self, photo: PersonPhoto) -> np.ndarray:
        """(D,) of the face; with a pattern that says nothing if its own is not known."""
        pattern = self.descriptor.pattern.mean if photo.pattern is None else photo.pattern
        return self.descriptor.describe(self.measured(photo.prior), pattern)

    def _score(self, one: PersonPhoto, other: PersonPhoto, first: np.ndarray, second: np.ndarray) -> float:
        """`score` of two photos whose descriptions (D,) are known."""
        if hair_differs(one.hair_contrast, other.hair_contrast):
            return OTHER_HAIR_SCORE
        descriptor = self.descriptor
        by_shape = one.pattern is None or other.pattern is None
        limit = descriptor.shape_limit if by_shape else descriptor.limit
        return float(descriptor.score(first, second, by_shape)) - limit

    def unlike(self, photos: Sequence[PersonPhoto]) -> list[int]:
        """Which photos show somebody else than the rest.

        The photo that fits the rest least is left out, as long as its mean score tells of another person.

        Args:
            photos: All photos.

        Returns:
            Their indices, in order; of two photos that differ, the one with less weight.
        """
        left = list(range(len(photos)))
        described = [(photo, self._description(photo)) for photo in photos]
        scores = np.array(
            [[self._score(a, b, own, others) for b, others in described] for a, own in described]
        )
        out: list[int] = []
        while len(left) > 1:
            means = [np.mean([scores[i, j] for j in left if j != i]) for i in left]
            worst = min(range(len(left)), key=lambda k: (round(float(means[k]), 6), photos[left[k]].weight))
            if means[worst] >= 0:
                break
            out.append(left.pop(worst))
        return sorted(out)
