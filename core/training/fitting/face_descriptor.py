"""Fits `core.lifting.face_descriptor` to pictures of many people, several of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...detection.detector import FaceDetector
from ...geometry.frames import HEAD_CENTER
from ...lifting.face_descriptor import Discriminant, FaceDescriptor, color_pattern
from ...lifting.lifter import LandmarkLifter
from ...lifting.person import PersonSolver
from ..face_models.face_weights import face_weights
from ..synthesis.cameras import sample_assumed_focal
from ..synthesis.person_variations import Variation

#: Points on one side of the face whose colors count.
POINTS = 220
#: Bounds of the face that they are in, head frame, meters: depth, and height from and to.
FRONT_M = 0.03
HEIGHT_M = (-0.1, 0.075)
#: Least weight of its vertices, beside the greatest.
LEAST_FACE_WEIGHT = 0.8
#: Principal components of the features, and discriminant directions that are kept.
COMPONENTS = {"shape": 90, "pattern": 60}
DIRECTIONS = {"shape": 40, "pattern": 30}
#: Fraction of the within-class covariance that is replaced by a multiple of the unit matrix.
SHRINKAGE = 0.1
#: Least variance of people along a direction, beside that of pictures.
LEAST_BETWEEN = 1e-3
#: Fraction of the pairs of one person that may be taken for two.
FALSE_ALARMS = 0.02
#: Greatest distance, pixels, of the middle of the landmarks from that of the face.
GREATEST_ERROR_PX = 60.0
#: From the head's center to the middle of its face, head frame, meters.
FACE_OFFSET_M = np.array([0.0, -0.08, 0.0])
FOLDS = 4


@dataclass(frozen=True)
class Pictures:
    """What is known of pictures.

    Attributes:
        person: (N,) int, whom each shows.
        shape: (N, C) float32, lifted heads along the principal directions.
        pattern: (N, F) float32, of `color_pattern`.
    """

    person: np.ndarray
    shape: np.ndarray
    pattern: np.ndarray

    def of(self, chosen: np.ndarray) -> "Pictures":
        """Those of them that are chosen.

        Args:
            chosen: (N,) bool.
        """
        return Pictures(self.person[chosen], self.shape[chosen], self.pattern[chosen])


def color_points(solver: PersonSolver) -> np.ndarray:
    """(POINTS, 2) int: vertices all over the face, far from each other, and their counterparts."""
    mean, mirror = solver.model.mean, solver.lifter.mirror
    if mirror is None:
        raise ValueError("the lifter has no symmetry")
    weight = face_weights(mean)
    face = (weight > LEAST_FACE_WEIGHT * weight.max()) & (mean[:, 1] < FRONT_M) & (mean[:, 0] >= 0)
    face &= (mean[:, 2] > HEIGHT_M[0]) & (mean[:, 2] < HEIGHT_M[1])
    candidates = np.intersect1d(np.flatnonzero(face), np.unique(solver.lifter.template.solid_triangles))
    chosen = [candidates[0]]
    distance = np.full(len(candidates), np.inf)
    while len(chosen) < POINTS:
        distance = np.minimum(distance, np.linalg.norm(mean[candidates] - mean[chosen[-1]], axis=1))
        chosen.append(candidates[distance.argmax()])
    return np.stack([chosen, mirror.vertices[chosen]], 1)


def features_of(
    pictures: Iterable[Variation],
    solver: PersonSolver,
    detector: FaceDetector,
    points: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shape (C,) and pattern (F,) of the pictures in which the face is found.

    Args:
        pictures: Of one person.
        solver: Measures shapes.
        detector: Finds faces.
        points: (POINTS, 2) int, of `color_points`.
        rng: Random numbers for the focal lengths, which are often not known.
    """
    lifter: LandmarkLifter = solver.lifter
    for picture in pictures:
        found = detector.detect(picture.rgb, max_faces=1, thorough=False)
        if not found:
            continue
        face = detector.averaged(picture.rgb, found[0]) or found[0]
        middle = picture.camera.project(picture.pose.head_to_camera(HEAD_CENTER + FACE_OFFSET_M))
        if np.linalg.norm(face.points[:, :2].mean(0) - middle) > GREATEST_ERROR_PX:
            continue
        camera = replace(picture.camera, focal_px=sample_assumed_focal(rng, picture.camera.focal_px))
        prior = lifter.lift(face, camera, picture.rgb)
        pattern = color_pattern(picture.rgb, camera, prior, lifter.template, points)
        yield solver.measured(prior), pattern


def fit_discriminant(features: np.ndarray, person: np.ndarray, components: int, count: int) -> Discriminant:
    """Linear discriminant analysis on principal components.

    Args:
        features: (N, F).
        person: (N,) int, whom each picture shows.
        components: Principal components.
        count: Directions to keep.
    """
    mean = features.mean(0).astype(np.float64)
    scale = features.std(0) + 1e-3 * features.std()
    standard = (features - mean) / scale
    values, vectors = np.linalg.eigh(standard.T @ standard)
    to_components = vectors[:, np.argsort(values)[::-1][:components]] / scale[:, None]
    x = (features - mean) @ to_components
    x_scale = x.std(0) + 1e-3 * x.std()
    x = x / x_scale
    people = np.unique(person)
    means = np.stack([x[person == name].mean(0) for name in people])
    within = x - means[np.searchsorted(people, person)]
    covariance = within.T @ within / (len(x) - len(people))
    isotropic = np.eye(len(covariance)) * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * isotropic)
    whiten = vectors / np.sqrt(values)
    _, directions = np.linalg.eigh(whiten.T @ np.cov(means.T) @ whiten)
    matrix = (to_components / x_scale) @ whiten @ directions[:, ::-1][:, :count]
    # The scale of each direction is such that pictures of one person have variance 1 along it.
    projected = (features - mean) @ matrix
    means = np.stack([projected[person == name].mean(0) for name in people])
    within = projected - means[np.searchsorted(people, person)]
    spread = np.sqrt((within**2).sum(0) / (len(x) - len(people)))
    pictures = len(x) / len(people)
    between = np.maximum((means / spread).var(0) - 1 / pictures, LEAST_BETWEEN)
    return Discriminant(mean, matrix / spread, between)


def fit_descriptor(
    pictures: Pictures, points: np.ndarray, limit: float = 0.0, shape_limit: float = 0.0
) -> FaceDescriptor:
    """The descriptor of pictures.

    Args:
        pictures: Of many people.
        points: (POINTS, 2) int, of `color_points`.
        limit: Of its scores, found elsewhere.
        shape_limit: Of those by the shape alone, likewise.
    """
    shape, pattern = (
        fit_discriminant(getattr(pictures, name), pictures.person, COMPONENTS[name], DIRECTIONS[name])
        for name in ("shape", "pattern")
    )
    return FaceDescriptor(points, shape, pattern, limit, shape_limit)


def pair_scores(
    descriptor: FaceDescriptor, pictures: Pictures, by_shape: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all pairs of pictures of one person, and of all pairs of two."""
    described = descriptor.describe(pictures.shape, pictures.pattern)
    first, second = np.triu_indices(len(described), 1)
    scores = descriptor.score(described[first], described[second], by_shape)
    same = pictures.person[first] == pictures.person[second]
    return scores[same], scores[~same]


def held_out_scores(
    pictures: Pictures, points: np.ndarray, groups: np.ndarray, by_shape: bool = False
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Scores of people who were left out of the fit, in turn.

    Args:
        pictures: Of many people.
        points: Of `color_points`.
        groups: (N,) int, kind of each picture: only pictures of one kind are compared.
        by_shape: Whether only the shape counts.

    Returns:
        By kind: scores of pairs of one person, scores of pairs of two.
    """
    people = np.random.default_rng(1).permutation(np.unique(pictures.person))
    collected: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for fold in np.array_split(people, FOLDS):
        left_out = np.isin(pictures.person, fold)
        descriptor = fit_descriptor(pictures.of(~left_out), points)
        for group in np.unique(groups):
            pairs = pair_scores(descriptor, pictures.of(left_out & (groups == group)), by_shape)
            collected.setdefault(int(group), []).append(pairs)
    return {
        group: tuple(np.concatenate(parts) for parts in zip(*pairs, strict=True))  # type: ignore[misc]
        for group, pairs in collected.items()
    }


def limit_of(scores: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The score that `FALSE_ALARMS` of the pairs of one person are below, in the kind where that is least.

    Args:
        scores: For each kind (N,) scores of pairs of one person, and (M,) of pairs of two.
    """
    return min(float(np.quantile(same, FALSE_ALARMS)) for same, _ in scores)


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """The rate at which as many pairs of one person are taken for two as pairs of two for one.

    Args:
        same: (N,) scores of pairs of one person.
        different: (M,) scores of pairs of two.
    """
    limits = np.sort(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), limits) / len(same)
    accepted = 1 - np.searchsorted(np.sort(different), limits) / len(different)
    nearest = np.abs(missed - accepted).argmin()
    return float(missed[nearest] + accepted[nearest]) / 2


def descriptor_arrays(descriptor: FaceDescriptor) -> dict[str, np.ndarray]:
    """The arrays of models/face_descriptor.npz."""
    arrays = {"points": descriptor.points.astype(np.int32), "limit": np.array(descriptor.limit, np.float32)}
    arrays["shape_limit"] = np.array(descriptor.shape_limit, np.float32)
    for name, part in (("shape", descriptor.shape), ("pattern", descriptor.pattern)):
        arrays |= {
            f"{name}_mean": part.mean.astype(np.float32),
            f"{name}_matrix": part.matrix.astype(np.float32),
            f"{name}_between": part.between.astype(np.float32),
        }
    return arrays
