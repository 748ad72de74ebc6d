"""Portraits with labels: made once from the folder of portraits, kept in one file in the cache."""

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ...detection.detector import FaceDetector
from ...errors import PhotobustError
from ...geometry.frames import Camera, HeadPose
from ...image.photo import load_photo
from ...lifting.lifter import LandmarkLifter
from ...reconstructor.inputs import camera_of
from ...segmentation.segmenter import camera_direction
from ..files import write_arrays
from ..paths import DataPaths
from ..synthesis.portrait_library import HOLD_OUT
from ..synthesis.texture_library import Split
from .corrections import BEARDED, COVERED, correct
from .person import load_person_network
from .scenes import SCENE_SIZE, LabeledPicture, LabeledPortrait, rolled_pose, scene_matrix, wide_camera
from .teacher import (
    Evidence,
    HairTeacher,
    TemplateRegions,
    gather_evidence,
    label_portrait,
    wide_frame,
)

logger = logging.getLogger(__name__)


def portrait_row(
    name: str, evidence: Evidence, camera: Camera, pose: HeadPose, vertices: np.ndarray
) -> dict[str, np.ndarray]:
    """What is kept of a portrait.

    Args:
        name: stem of its file.
        evidence: of the teachers.
        camera: of the photo.
        pose: of the head.
        vertices: (V, 3) the head prior, head frame, meters.

    Returns:
        By name: picture (640, 640, 3) uint8, labels (640, 640) uint8, hair (640, 640) uint8, 255 = certain;
        direction (3,), vertices (V, 3), rotation (3, 3), translation (3,), camera (3,) focal length and
        principal point, these before the camera of the labeled picture of 400 px.
    """
    labels = correct(name, label_portrait(evidence, name in BEARDED, name in COVERED), evidence)
    matrix = scene_matrix(wide_frame(camera, pose).matrix)
    turned, view = rolled_pose(pose, matrix), wide_camera(camera, matrix)
    return {
        "pictures": evidence.picture,
        "labels": labels,
        "hair": np.round(evidence.hair * 255).astype(np.uint8),
        "directions": camera_direction(pose),
        "vertices": np.asarray(vertices, np.float32),
        "rotations": turned.rotation,
        "translations": turned.translation,
        "cameras": np.array([view.focal_px, view.cx, view.cy]),
    }


def prepare_portraits(paths: DataPaths, count: int | None = None) -> Iterator[str]:
    """Label all portraits and write `paths.segmentation_portraits`.

    Args:
        paths: of the data.
        count: of portraits (default: all).

    Yields:
        Lines of progress.

    Raises:
        PhotobustError: no portrait shows a face.
    """
    detector = FaceDetector.from_pretrained(paths.models)
    lifter = LandmarkLifter.from_pretrained(paths.models)
    teachers = HairTeacher(paths.hair_teacher), load_person_network(paths.person_network)
    regions = TemplateRegions.load(paths.models)
    rows: list[dict[str, np.ndarray]] = []
    names, held_out = [], []
    for index, path in enumerate(sorted(paths.portraits.glob("*.jpg"))[:count]):
        photo = load_photo(path)
        faces = detector.detect(photo.rgb, max_faces=1)
        if not faces:
            logger.warning("No face found in %s: left out.", path.name)
            continue
        camera = camera_of(photo, None)
        prior = lifter.lift(faces[0], camera, photo.rgb)
        evidence = gather_evidence(
            photo.rgb, camera, prior.pose, faces[0].points, prior.vertices, teachers, regions
        )
        rows.append(portrait_row(path.stem, evidence, camera, prior.pose, prior.vertices))
        names.append(path.stem)
        held_out.append(index % HOLD_OUT == 0)
        if len(rows) % 20 == 0:
            yield f"{len(rows)} portraits labeled"
    if not rows:
        raise PhotobustError(f"{paths.portraits} has no portrait that shows a face.")
    save_portraits(paths.segmentation_portraits, names, held_out, rows)
    yield f"{paths.segmentation_portraits}: {len(rows)} portraits"


def save_portraits(
    path: Path, names: list[str], held_out: list[bool], rows: list[dict[str, np.ndarray]]
) -> None:
    """Write the file in one go.

    Args:
        path: of the file.
        names: stems of the portraits' files.
        held_out: which of them are kept for evaluation.
        rows: of `portrait_row`: by name (640, 640, 3) uint8 pictures and so on.
    """
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    write_arrays(path, {"names": np.array(names), "held_out": np.array(held_out), **arrays})


def load_portraits(path: Path, split: Split) -> list[LabeledPortrait]:
    """The portraits of a split, at the size of labeled pictures.

    Args:
        path: of the file.
        split: "train" or "eval".

    Raises:
        PhotobustError: the file is missing.
    """
    if not path.is_file():
        raise PhotobustError(f"{path} is missing: run `scripts/training/segmentation.py prepare` first.")
    size = (SCENE_SIZE, SCENE_SIZE)
    portraits = []
    with np.load(path) as data:
        arrays = {key: data[key] for key in data.files}
    for k in np.flatnonzero(arrays["held_out"] == (split == "eval")):
        shown = LabeledPicture(
            cv2.resize(arrays["pictures"][k], size, interpolation=cv2.INTER_AREA),
            cv2.resize(arrays["labels"][k], size, interpolation=cv2.INTER_NEAREST),
            arrays["directions"][k],
        )
        pose = HeadPose(arrays["rotations"][k], arrays["translations"][k])
        focal, cx, cy = (float(value) for value in arrays["cameras"][k])
        camera = Camera(focal, cx, cy)
        portraits.append(LabeledPortrait(shown, arrays["vertices"][k], pose, camera))
    return portraits
