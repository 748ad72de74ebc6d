"""How often faces from the side are found, how well, and how often they are found where there are none."""

from dataclasses import dataclass

import numpy as np

from ...detection.detector import FaceDetector
from ..paths import DataPaths
from ..synthesis.appearance import Appearance
from ..synthesis.backgrounds import background, foliage
from ..synthesis.degradations import degrade_picture
from ..synthesis.sample import PICTURE_SIZE, Sample
from .pictures import MAX_LANDMARK_ERROR, ProfilePictures

#: Yaw of the heads that are measured, degrees.
MEASURED_YAW = (60.0, 90.0)
SEED = 5


@dataclass(frozen=True)
class HeldOutPictures:
    """faces: heads from the side with their true landmarks. empty: (H, W, 3) uint8 pictures without a face:
    backgrounds and leaves, as many, and backs of heads.
    """

    faces: list[Sample]
    empty: list[np.ndarray]


@dataclass(frozen=True)
class ProfileFigures:
    """found: fraction of the faces. wrong: fraction of the pictures in which something else was found. error:
    median distance of the landmarks from the true ones, fraction of the face's size. false_finds: fraction of
    the pictures without a face in which one was found.
    """

    found: float
    wrong: float
    error: float
    false_finds: float


def held_out_pictures(paths: DataPaths, count: int) -> HeldOutPictures:
    """Random pictures of held-out people and places.

    Args:
        paths: of the data.
        count: of pictures of each kind.
    """
    rng, pictures = np.random.default_rng(SEED), ProfilePictures(paths, "eval")
    faces = [pictures.side_view(rng, *MEASURED_YAW) for _ in range(count)]
    appearance = Appearance.load(paths.textures, paths.panoramas)
    empty = [pictures.back_view(rng).picture for _ in range(count)]
    for number in range(count):
        behind = (
            foliage(rng, PICTURE_SIZE)
            if number % 2
            else background(rng, PICTURE_SIZE, "eval", appearance.lights, appearance.textures)
        )
        empty.append(degrade_picture(behind, rng))
    return HeldOutPictures(faces, empty)


def measure_detector(detector: FaceDetector, pictures: HeldOutPictures) -> ProfileFigures:
    """Search all pictures."""
    errors = []
    for sample in pictures.faces:
        size = np.ptp(sample.landmarks[:, :2], axis=0).max()
        faces = detector.detect(sample.picture, max_faces=1)
        distances = [np.linalg.norm(f.points[:, :2] - sample.landmarks[:, :2], axis=1).mean() for f in faces]
        errors.append(min(distances) / size if distances else np.nan)
    found = np.array(errors) < MAX_LANDMARK_ERROR
    false = [bool(detector.detect(picture, max_faces=1)) for picture in pictures.empty]
    return ProfileFigures(
        float(found.mean()),
        float((np.array(errors) >= MAX_LANDMARK_ERROR).mean()),
        float(np.median(np.array(errors)[found])) if found.any() else float("nan"),
        float(np.mean(false)),
    )
