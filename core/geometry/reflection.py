"""What a mirror makes of faces: of landmarks, cameras, poses and heads."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import ModelError
from ..template.template import FILE_NAME
from .frames import Camera, HeadPose
from .pose import WeakPerspectivePose

SIGN = np.array([-1.0, 1.0, 1.0])
FLIP = np.diag(SIGN)


@dataclass(frozen=True)
class Mirror:
    """vertices: (V,) each template vertex's counterpart on the other side; landmarks: (478,) the same."""

    vertices: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "Mirror":
        """Read the symmetry of the template and of MediaPipe's landmarks from the folder of the models."""
        with np.load(Path(models_dir) / FILE_NAME) as template:
            return cls(template["mirror"], load_landmark_symmetry(models_dir))

    def head(self, vertices: np.ndarray) -> np.ndarray:
        """(V, 3) the template's vertices of the mirrored head, head frame."""
        return vertices[self.vertices] * SIGN.astype(vertices.dtype)

    def points(self, points: np.ndarray, width: int) -> np.ndarray:
        """(478, 3) landmarks of a photo `width` pixels wide -> those of the mirrored photo."""
        return points[self.landmarks] * SIGN + [width - 1, 0, 0]


def load_landmark_symmetry(models_dir: Path) -> np.ndarray:
    """(478,) index of each landmark's counterpart on the other side of the face."""
    path = Path(models_dir) / "landmark_symmetry.npz"
    try:
        with np.load(path) as table:
            return table["mirror"].astype(np.intp)
    except (OSError, KeyError, ValueError) as error:
        hint = "make it with scripts/build/landmark_symmetry.py"
        raise ModelError(f"{path} is missing or damaged ({error}): {hint}") from error


def mirrored_picture(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) the picture in a mirror: a view, since copying all of a large photo takes longer than looking
    at the face in it.
    """
    return rgb[:, ::-1]


def mirrored_camera(camera: Camera, width: int) -> Camera:
    """The camera of the mirrored photo, `width` pixels wide."""
    return replace(camera, cx=width - 1 - camera.cx)


def mirrored_pose(pose: HeadPose) -> HeadPose:
    """The pose of the mirrored head in the mirrored photo."""
    return HeadPose(FLIP @ pose.rotation @ FLIP, pose.translation * SIGN)


def mirrored_seen(seen: WeakPerspectivePose, width: int) -> WeakPerspectivePose:
    """The pose that the mirrored photo, `width` pixels wide, shows."""
    centre = np.array([width - 1 - seen.centre[0], seen.centre[1]])
    return WeakPerspectivePose(FLIP @ seen.rotation @ FLIP, centre, seen.scale)
