"""Finds faces that are seen from the side, which MediaPipe's networks lose beyond some 75 degrees.

One small network gives landmarks and whether there is a face in a window of the photo. A face is searched for
in overlapping windows of several sizes; candidates are redetected a few times, each time in a window that
fits them and in its mirror image, and count if both agree at the end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..geometry.frames import AffineFrame, compose_affine, upright_map
from ..geometry.reflection import load_landmark_symmetry
from ..image.crop import cut_crop, network_input
from ..runtime.backend import PROFILE_NAME, PROFILE_ONNX_NAME, choose_backend
from .landmarks import FaceLandmarks, distance, is_plausible, overlap
from .mediapipe_topology import CHIN, FOREHEAD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from .profile_frame import (
    PROFILE_CENTER,
    PROFILE_SIZE,
    mirrored_frame,
    points_in_photo,
    profile_frame,
)

#: Name of these detections' view.
PROFILE_ATTEMPT = "profile"
#: Windows in which a face is searched for: their sides as fractions of the photo's shorter side, beside the
#: longer side itself, ...
WINDOW_SIDES = (1.0, 0.62, 0.4)
#: ... but not less than this fraction of the longer side, ...
LEAST_WINDOW = 0.25
#: ... and the step from one to the next, in sides.
WINDOW_STEP = 0.4
#: Beside faces that were found, heads are about as large: side of the windows, in that of the median face's
#: frame (it shows heads of 0.5 to 1.4 times the size of that face), ...
WINDOW_BESIDE = 1.1
#: ... the step from one to the next, in sides, ...
STEP_BESIDE = 0.55
#: ... how much of its side lies in the photo at least, ...
LEAST_INSIDE = 0.85
#: ... how far its middle is from a face's at least, in sides, ...
LEAST_OFFSET = 0.65
#: ... and the most windows, some 0.4 s: groups of small faces are not searched.
MOST_WINDOWS_BESIDE = 120
#: Overlap of two boxes from which on they are one head's, fraction of the smaller one.
SAME_HEAD_OVERLAP = 0.2
#: How many of the windows, the most probable first, are redetected.
CANDIDATES = 4
#: How often a candidate is redetected, in a window that fits it.
REFINEMENTS = 3
#: Logit from which on a window may show a face, ...
SUSPECTED = 0.0
#: ... and beside other faces, once it has been looked at in a window that fits (heads: 2.7 and more), ...
SUSPECTED_BESIDE = 2.0
#: ... and from which on a face is one, both ways.
CONFIRMED = 4.25
#: Mean distance of the landmarks from those of the mirror image, in sizes of the face, up to which they
#: confirm each other.
PROFILE_AGREEMENT = 0.04
#: Least yaw of a face seen from the side, degrees.
LEAST_PROFILE_YAW = 50.0
#: Greatest yaw of one, degrees: the network was trained up to it.
GREATEST_PROFILE_YAW = 105.0


class ProfileModel(Protocol):
    """What runs the network."""

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """Look at a picture.

        Args:
            picture: (128, 128, 3) uint8, RGB.

        Returns:
            (478, 3) float32 landmarks, pixels of the picture, and the logit of there being a face.
        """
        ...


class TorchProfileModel:
    """Torch, the reference backend."""

    def __init__(self, path: Path) -> None:
        """Read the weights; raises ModelError if they are missing or do not fit."""
        from .profile_network import load_profile_network

        self._network = load_profile_network(path)

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """See `ProfileModel.run`."""
        import torch

        with torch.inference_mode():
            points, logit = self._network(torch.from_numpy(network_input(picture)))
        return points[0].numpy(), float(logit[0])


class OnnxProfileModel:
    """ONNX Runtime, the backend that artists have."""

    def __init__(self, path: Path) -> None:
        """Read the network; raises ModelError if it is missing or damaged."""
        from ..runtime.onnx_session import OnnxSession

        # Too small a network for more than one thread.
        self._session = OnnxSession(path, threads=1)

    def run(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """See `ProfileModel.run`."""
        points, logit = self._session.run_all(picture=network_input(picture))
        return points[0], float(logit[0])


def load_profile_model(models_dir: Path, backend: str | None = None) -> ProfileModel:
    """The network of a folder of models with the backend that `choose_backend` chooses.

    Raises:
        ModelError: It is missing or damaged.
    """
    chosen, path = _backend_file(models_dir, backend)
    return TorchProfileModel(path) if chosen == "torch" else OnnxProfileModel(path)


def _backend_file(models_dir: Path, backend: str | None) -> tuple[str, Path]:
    """The backend that `choose_backend` chooses, and its file of the network."""
    chosen = choose_backend(models_dir, backend)
    return chosen, Path(models_dir) / (PROFILE_NAME if chosen == "torch" else PROFILE_ONNX_NAME)


@dataclass(frozen=True)
class ProfileDetection:
    """A face as it was detected in a window and in its mirror image.

    Attributes:
        points: (478, 3) float64, photo frame, px, the mean of both.
        logit: The lower one of both.
        redetection_error: Mean distance between the two, in sizes of the face.
    """

    points: np.ndarray
    logit: float
    redetection_error: float

    @property
    def confirmed(self) -> bool:
        """Whether it is a face, and seen from the side."""
        return (
            self.logit > CONFIRMED
            and self.redetection_error < PROFILE_AGREEMENT
            and LEAST_PROFILE_YAW < abs(landmark_yaw(self.points)) < GREATEST_PROFILE_YAW
        )


class ProfileFinder:
    """Finds the most probable face seen from the side."""

    def __init__(self, model: ProfileModel, models_dir: Path) -> None:
        """Take the network, and the symmetry of the landmarks from a folder of models."""
        self._model = model
        self._mirror = load_landmark_symmetry(models_dir)

    @classmethod
    def from_pretrained(cls, models_dir: Path, backend: str | None = None) -> "ProfileFinder":
        """The finder with the network of a folder of models.

        Raises:
            ModelError: A file is missing or damaged.
        """
        return cls(load_profile_model(models_dir, backend), models_dir)

    @staticmethod
    def has_model(models_dir: Path, backend: str | None = None) -> bool:
        """Whether a folder of models has the network for the backend that `choose_backend` chooses."""
        return _backend_file(models_dir, backend)[1].is_file()

    def find(self, rgb: np.ndarray, degrees: float = 0.0) -> FaceLandmarks | None:
        """Search a photo.

        Args:
            rgb: (H, W, 3) uint8.
            degrees: How far heads are turned clockwise in the photo, about.

        Returns:
            The most probable face that is confirmed, photo frame, or None.
        """
        windows = search_windows(rgb.shape, degrees)
        pictures = ((frame, cut_crop(rgb, frame, PROFILE_SIZE, PROFILE_SIZE)) for frame in windows)
        found = self._confirmed(rgb, pictures)
        return found[0] if found else None

    def beside(self, rgb: np.ndarray, faces: Sequence[FaceLandmarks]) -> list[FaceLandmarks]:
        """Search a photo for heads from the side beside faces that were found.

        Args:
            rgb: (H, W, 3) uint8.
            faces: Photo frame, one at least.

        Returns:
            Those that are confirmed, photo frame, the most probable first; none overlaps another.
        """
        windows = windows_beside(rgb.shape, faces)
        if not is_searched(windows):
            return []
        # All windows are of one size: the photo is made smaller once for them.
        shrink = max(1, int(1.0 / windows[0].scale))
        distinct: list[FaceLandmarks] = []
        for face in self._confirmed(rgb, _cut_small(rgb, windows, shrink), faces, SUSPECTED_BESIDE):
            if not _is_known(face, (*faces, *distinct)):
                distinct.append(face)
        return distinct

    def _confirmed(
        self,
        rgb: np.ndarray,
        windows: Iterable[tuple[AffineFrame, np.ndarray]],
        known: Sequence[FaceLandmarks] = (),
        suspected: float = SUSPECTED,
    ) -> list[FaceLandmarks]:
        """Confirmed faces of the most probable windows, the most probable first, but for those that are
        known already.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            windows: With their pictures (128, 128, 3) uint8.
            known: Faces, photo frame.
            suspected: Logit from which on a window that fits may show a face.
        """
        candidates = []
        for frame, picture in windows:
            points, logit = self._model.run(picture)
            if logit > SUSPECTED:
                candidates.append((logit, points_in_photo(points.astype(np.float64), frame)))
        candidates.sort(key=lambda one: -one[0])
        unknown = (
            points
            for _, points in candidates
            if not _is_known(FaceLandmarks(points.astype(np.float32)), known)
        )
        found: list[tuple[float, FaceLandmarks]] = []
        for points in islice(unknown, CANDIDATES):
            detection = self.refined(rgb, points, suspected)
            if detection is not None and detection.confirmed:
                face = as_face(detection)
                if is_plausible(face, rgb.shape):
                    found.append((detection.logit, face))
        return [face for _, face in sorted(found, key=lambda one: -one[0])]

    def at(self, rgb: np.ndarray, face: FaceLandmarks) -> FaceLandmarks | None:
        """Redetect a face that another detector found.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            face: Photo frame.

        Returns:
            The face there, if it is confirmed, or None.
        """
        detection = self.refined(rgb, face.points.astype(np.float64))
        return as_face(detection) if detection is not None and detection.confirmed else None

    def redetections(self, rgb: np.ndarray, face: FaceLandmarks) -> list[tuple[float, FaceLandmarks]]:
        """Redetect a face that was found here.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            face: Photo frame.

        Returns:
            As it is and mirrored: the distance in sizes of the face, and the landmarks.
        """
        points = face.points.astype(np.float64)
        views = [self._points(rgb, profile_frame(points), mirrored)[0] for mirrored in (False, True)]
        faces = [FaceLandmarks(view.astype(np.float32), face.score, PROFILE_ATTEMPT) for view in views]
        return [(distance(face, other), other) for other in faces]

    def refined(
        self, rgb: np.ndarray, points: np.ndarray, suspected: float = SUSPECTED
    ) -> ProfileDetection | None:
        """Redetect a face, each time in a window that fits the landmarks of the time before.

        Args:
            rgb: (H, W, 3) uint8, the photo.
            points: (478, 3) float64, photo frame, px.
            suspected: Logit below which a window shows no face.

        Returns:
            The detection at the end; None if that is no face.
        """
        detection = None
        for _ in range(REFINEMENTS):
            frame = profile_frame(points)
            straight, logit = self._points(rgb, frame, mirrored=False)
            if logit < suspected:
                return None
            flipped, other = self._points(rgb, frame, mirrored=True)
            points = (straight + flipped) / 2
            if other < suspected or not np.isfinite(points).all():
                return None
            size = float(np.ptp(points[:, :2], axis=0).max())
            error = float(np.linalg.norm(straight[:, :2] - flipped[:, :2], axis=1).mean()) / max(size, 1e-9)
            detection = ProfileDetection(points, min(logit, other), error)
        return detection

    def _points(self, rgb: np.ndarray, frame: AffineFrame, mirrored: bool) -> tuple[np.ndarray, float]:
        """Landmarks (478, 3) float64 in the photo frame, and the logit, of a window or its mirror image."""
        picture = cut_crop(rgb, frame, PROFILE_SIZE, PROFILE_SIZE)
        if not mirrored:
            points, logit = self._model.run(picture)
            return points_in_photo(points.astype(np.float64), frame), logit
        points, logit = self._model.run(np.ascontiguousarray(picture[:, ::-1]))
        return points_in_photo(points.astype(np.float64)[self._mirror], mirrored_frame(frame)), logit


def _is_known(face: FaceLandmarks, known: Sequence[FaceLandmarks]) -> bool:
    """Whether a face lies where one was found already."""
    return any(overlap(face, other) > SAME_HEAD_OVERLAP for other in known)


def as_face(detection: ProfileDetection) -> FaceLandmarks:
    """The landmarks of a detection, with a score like that of others: 1 if both agree entirely."""
    score = max(0.0, 1.0 - detection.redetection_error / PROFILE_AGREEMENT / 2)
    return FaceLandmarks(detection.points.astype(np.float32), score, PROFILE_ATTEMPT)


def landmark_yaw(points: np.ndarray) -> float:
    """How far the line from eye to eye is turned, degrees, positive for a face that looks to the picture's
    right.

    Args:
        points: (478, 3) landmarks, px, z at their scale.
    """
    across = points[LEFT_EYE_OUTER] - points[RIGHT_EYE_OUTER]
    up = points[FOREHEAD, :2] - points[CHIN, :2]
    rightward = (up[0] * across[1] - up[1] * across[0]) / max(float(np.linalg.norm(up)), 1e-9)
    return float(np.degrees(np.arctan2(across[2], rightward)))


def search_windows(shape: tuple[int, ...], degrees: float = 0.0) -> Iterator[AffineFrame]:
    """Overlapping squares of several sizes that cover a photo.

    Args:
        shape: (height, width, ...) of the photo, pixels.
        degrees: How far the squares are turned clockwise.

    Yields:
        Photo -> window of PROFILE_SIZE.
    """
    height, width = shape[:2]
    longest, shortest = float(max(height, width)), float(min(height, width))
    sides = {longest, *(max(fraction * shortest, LEAST_WINDOW * longest) for fraction in WINDOW_SIDES)}
    for side in sorted(sides, reverse=True):
        for y in _centers(height, side):
            for x in _centers(width, side):
                yield window_at(np.array([x, y]), side, degrees)


def windows_beside(shape: tuple[int, ...], faces: Sequence[FaceLandmarks]) -> list[AffineFrame]:
    """Overlapping squares for heads that are about as large as faces that were found, beside these.

    Args:
        shape: (height, width, ...) of the photo, pixels.
        faces: Photo frame, one at least.

    Returns:
        Photo -> window of PROFILE_SIZE.
    """
    height, width = shape[:2]
    sides = [PROFILE_SIZE / profile_frame(face.points.astype(np.float64)).scale for face in faces]
    side = WINDOW_BESIDE * float(np.median(sides))
    # Windows may stick out of the photo.
    margin = (1 - LEAST_INSIDE) * side
    across, down = (_centers(length + 2 * margin, side, STEP_BESIDE) - margin for length in (width, height))
    centers = np.array([(x, y) for y in down for x in across])
    middles = np.array([face.points[:, :2].mean(0) for face in faces])
    offsets = np.linalg.norm(centers[:, None] - middles, axis=2).min(1)
    return [window_at(center, side) for center in centers[offsets > LEAST_OFFSET * side]]


def is_searched(windows: Sequence[AffineFrame]) -> bool:
    """Whether there is anything to search beside faces, and not too much."""
    return 0 < len(windows) <= MOST_WINDOWS_BESIDE


def _cut_small(
    rgb: np.ndarray, windows: Sequence[AffineFrame], shrink: int
) -> Iterator[tuple[AffineFrame, np.ndarray]]:
    """Windows, and their pictures (128, 128, 3) uint8 cut out of a photo that is made smaller first."""
    size = (max(1, rgb.shape[1] // shrink), max(1, rgb.shape[0] // shrink))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if shrink > 1 else rgb
    scale = np.array([rgb.shape[1], rgb.shape[0]]) / size
    # Pixel centers are at whole numbers in both.
    to_photo = np.column_stack([np.diag(scale), (scale - 1) / 2])
    for frame in windows:
        there = AffineFrame(compose_affine(frame.matrix, to_photo))
        yield frame, cut_crop(small, there, PROFILE_SIZE, PROFILE_SIZE)


def window_at(center: np.ndarray, side: float, degrees: float = 0.0) -> AffineFrame:
    """A square of a photo.

    Args:
        center: (2,) its middle, photo frame, px.
        side: Of the square, photo pixels.
        degrees: How far it is turned clockwise.

    Returns:
        Photo -> window of PROFILE_SIZE.
    """
    up = np.array([np.sin(np.radians(degrees)), -np.cos(np.radians(degrees))])
    linear = upright_map(up, PROFILE_SIZE / side)
    return AffineFrame(np.column_stack([linear, PROFILE_CENTER - linear @ center]))


def _centers(length: float, side: float, step: float = WINDOW_STEP) -> np.ndarray:
    """Where the windows' centers are along an edge, pixels.

    Args:
        length: Of the edge, pixels.
        side: Of the windows, pixels.
        step: From one to the next, in sides.
    """
    free = length - side
    if free <= 0:
        return np.array([(length - 1) / 2])
    count = int(np.ceil(free / (step * side))) + 1
    return np.linspace(side / 2, length - side / 2, count) - 0.5
