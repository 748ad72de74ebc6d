"""Makes the texture library from a folder of portraits: detect, fit, lift, and keep what was behind the
people.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...detection.mediapipe_topology import BEARD_OUTLINE, BROW_OUTLINES, LID_OUTLINES, LIPS
from ...errors import PhotobustError
from ..face_models.atlas import ATLAS_SIZE, atlas_uv
from ..face_models.ict_facekit import FaceModel
from ..files import write_arrays
from ..rasterize import rasterize_perspective
from .face_model_fitting import PortraitFit, fit_portrait
from .texture_extraction import AtlasRaster, extract_texture, push_pull

#: Fits whose inner landmarks err by more than this fraction of the distance between the outer eye corners are
#: left out.
MAX_ERROR = 0.028
#: Every how many portraits one is kept for evaluation.
HOLD_OUT = 10
BACKGROUND_SIZE = 128
_WORK_SIZE = 256

#: rgb (H, W, 3) uint8 -> landmarks (478, 3) px, or None where there is no face.
Detect = Callable[[np.ndarray], np.ndarray | None]

logger = logging.getLogger(__name__)


def person_mask(model: FaceModel, fit: PortraitFit, rgb: np.ndarray) -> np.ndarray:
    """Where a portrait shows the person: GrabCut that starts from the fitted head.

    Args:
        model: the face model.
        fit: of the face model to the portrait.
        rgb: (H, W, 3) uint8, the portrait.

    Returns:
        (H, W) float32, 1 on the person.
    """
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (_WORK_SIZE, _WORK_SIZE), interpolation=cv2.INTER_AREA)
    points = fit.project(model.head(fit.identity, fit.expression).vertices, width, height)
    points[:, 0] *= _WORK_SIZE / width
    points[:, 1] *= _WORK_SIZE / height
    index, _, _ = rasterize_perspective(points, model.triangles, _WORK_SIZE, _WORK_SIZE)
    head = (index >= 0).astype(np.uint8)
    size = float(np.sqrt(head.sum()))
    around = cv2.dilate(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(0.7 * size) | 1,) * 2))
    inner = cv2.erode(head, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (int(0.2 * size) | 1,) * 2))
    labels = np.full(head.shape, cv2.GC_BGD, np.uint8)
    labels[around > 0] = cv2.GC_PR_BGD
    bottom = np.flatnonzero(head.any(1)).max() if head.any() else _WORK_SIZE - 1
    labels[int(min(bottom, 0.97 * _WORK_SIZE)) :] = cv2.GC_PR_FGD
    labels[head > 0] = cv2.GC_PR_FGD
    labels[inner > 0] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    try:
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, labels, (0, 0, 1, 1), *models, 4, cv2.GC_INIT_WITH_MASK)
    except cv2.error as error:  # no background sample at all: the head fills the picture
        logger.warning("The background cannot be separated from the person: %s", error)
        return np.ones((height, width), np.float32)
    sharp = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    mask = cv2.resize(cv2.GaussianBlur(sharp, (0, 0), 1.0), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(mask, np.float32)


def behind_person(rgb: np.ndarray, person: np.ndarray) -> np.ndarray:
    """The portrait with the person filled in from around, as out of focus.

    Args:
        rgb: (H, W, 3) uint8, the portrait.
        person: (H, W) float32, 1 on the person.

    Returns:
        (BACKGROUND_SIZE, BACKGROUND_SIZE, 3) uint8.
    """
    size = (BACKGROUND_SIZE, BACKGROUND_SIZE)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    background = (
        cv2.dilate(cv2.resize(person, size, interpolation=cv2.INTER_AREA), np.ones((13, 13), np.uint8)) < 0.05
    )
    if background.mean() < 0.05:
        return np.clip(cv2.GaussianBlur(small, (0, 0), 12), 0, 255).astype(np.uint8)
    return np.clip(push_pull(small, background.astype(np.float32)), 0, 255).astype(np.uint8)


def region_masks(model: FaceModel, landmark_vertices: np.ndarray) -> dict[str, np.ndarray]:
    """Soft masks of the face's regions in the atlas.

    Args:
        model: the face model.
        landmark_vertices: (478,) int, the model's vertex at each landmark.

    Returns:
        (S, S) float32 0..1 by name: lips, brows, lids, beard.
    """
    uv = atlas_uv(model)[landmark_vertices] * ATLAS_SIZE
    groups = {"lips": (LIPS[:20],), "brows": BROW_OUTLINES, "lids": LID_OUTLINES, "beard": (BEARD_OUTLINE,)}
    masks: dict[str, np.ndarray] = {}
    for name, rings in groups.items():
        mask = np.zeros((ATLAS_SIZE, ATLAS_SIZE), np.uint8)
        for ring in rings:
            cv2.fillPoly(mask, [np.round(uv[list(ring)]).astype(np.int32)], (255,))
        sigma = {"lips": 1.5, "brows": 2.0, "lids": 3.0, "beard": 8.0}[name]
        masks[name] = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)
    masks["beard"] = masks["beard"] * (1 - masks["lips"])
    return masks


@dataclass(frozen=True)
class Portrait:
    """A fitted portrait: rgb (H, W, 3) uint8; person (H, W) float32, 1 on the person; held_out: kept for
    evaluation.
    """

    name: str
    index: int
    rgb: np.ndarray
    fit: PortraitFit
    person: np.ndarray

    @property
    def held_out(self) -> bool:
        """Whether it is kept for evaluation."""
        return self.index % HOLD_OUT == 0


def fit_portraits(
    paths: list[Path], model: FaceModel, landmark_vertices: np.ndarray, detect: Detect
) -> list[Portrait]:
    """Detect and fit; portraits without a face or with a bad fit are left out.

    Args:
        paths: of the portraits.
        model: the face model.
        landmark_vertices: (478,) int, the model's vertex at each landmark.
        detect: the face detector.

    Returns:
        The fitted portraits.

    Raises:
        PhotobustError: a portrait cannot be read, or none could be fitted.
    """
    portraits = []
    for index, path in enumerate(paths):
        picture = cv2.imread(str(path))
        if picture is None:
            raise PhotobustError(
                f"{path} cannot be read as a picture. Remove it from the folder of portraits."
            )
        rgb = np.ascontiguousarray(picture[..., ::-1])
        points = detect(rgb)
        if points is None:
            logger.warning("No face found in %s: left out.", path.name)
            continue
        height, width = rgb.shape[:2]
        fit = fit_portrait(model, landmark_vertices, points, width, height)
        if fit.error > MAX_ERROR:
            logger.warning("The fit to %s errs by %.1f %%: left out.", path.name, 100 * fit.error)
            continue
        portraits.append(Portrait(path.stem, index, rgb, fit, person_mask(model, fit, rgb)))
    if not portraits:
        raise PhotobustError("No portrait gave a texture: check the folder of portraits.")
    return portraits


def build_library(
    portraits: list[Portrait], model: FaceModel, landmark_vertices: np.ndarray
) -> dict[str, np.ndarray]:
    """Arrays of the texture library's file.

    Args:
        portraits: the fitted portraits.
        model: the face model.
        landmark_vertices: (478,) int, the model's vertex at each landmark.

    Returns:
        textures (N, 512, 512, 3) uint8 sRGB; seen (N, 512, 512) uint8, how far the portrait shows a texel;
        backgrounds (N, BACKGROUND_SIZE, BACKGROUND_SIZE, 3) uint8; held_out (N,) bool; names (N,); masks
        (512, 512) float16.
    """
    atlas = AtlasRaster.of(model, landmark_vertices)
    rows: dict[str, list[object]] = {}
    for portrait in portraits:
        rng = np.random.default_rng(portrait.index)
        texture, visibility = extract_texture(model, atlas, portrait.fit, portrait.rgb, portrait.person, rng)
        row = {
            "textures": texture,
            "seen": visibility,
            "backgrounds": behind_person(portrait.rgb, portrait.person),
            "held_out": portrait.held_out,
            "names": portrait.name,
        }
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in rows.items()}
    masks = region_masks(model, landmark_vertices)
    masks |= {"face": atlas.face, "scalp": atlas.scalp, "ears": atlas.ears}
    return arrays | {f"{name}_mask": mask.astype(np.float16) for name, mask in masks.items()}


def save_library(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Write the library's file in one go.

    Args:
        arrays: of `build_library`.
        path: of the .npz file.
    """
    write_arrays(path, arrays, compressed=False)
