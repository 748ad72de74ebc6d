"""Heads without the network: the average head, posed by the landmarks of a real photo."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from core.detection.detector import FaceLandmarks
from core.geometry.frames import Camera
from core.lifting.lifter import HeadPrior
from core.template.topology import HeadTopology
from core.wrapping.head import Head
from core.wrapping.skeleton import load_rig_model
from tests.core.stand_ins import average_lifter

MODELS = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True)
class Sample:
    rgb: np.ndarray
    face: FaceLandmarks
    lifted: HeadPrior
    head: Head


def plain_head(topology: HeadTopology, vertices: np.ndarray | None = None) -> Head:
    """A head with a little of a smile in its photo."""
    neutral = (topology.vertices if vertices is None else vertices).astype(np.float32)
    weights = np.zeros(len(topology.blendshape_names), np.float32)
    weights[topology.blendshape_index("mouthSmileLeft")] = weights[
        topology.blendshape_index("mouthSmileRight")
    ] = 0.5
    photo = neutral + np.tensordot(weights, topology.blendshapes, 1).astype(np.float32)
    ones = np.ones(len(neutral), np.float32)
    return Head(topology, photo, neutral, topology.blendshapes, weights, ones, 0 * ones, {})


def rigged_head(topology: HeadTopology) -> Head:
    """The same with bones."""
    return plain_head(topology).rigged(load_rig_model(MODELS))


def sample_of(rgb: np.ndarray, face: FaceLandmarks, topology: HeadTopology) -> Sample:
    """The average head where a face was detected."""
    camera = Camera.from_focal_mm(50, rgb.shape[1], rgb.shape[0])
    lifted = average_lifter().lift(face, camera, rgb)
    vertices = lifted.vertices[topology.origin].astype(np.float32)
    head = plain_head(topology, vertices)
    zero = np.zeros_like(head.expression)
    return Sample(
        rgb,
        face,
        lifted,
        Head(topology, vertices, vertices, head.blendshapes, zero, head.confidence, head.deviation, {}),
    )


def with_hat(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A photo with a felt hat painted on: a crown, and a brim across the forehead.

    Args:
        rgb: (H, W, 3) uint8.
        landmarks: (478, 2 or more) photo pixels.
    """
    forehead, chin, right, left = (landmarks[index, :2] for index in (10, 152, 234, 454))
    up, across = (forehead - chin) / np.linalg.norm(forehead - chin), (left - right) / 2
    width, height = float(np.linalg.norm(across)), float(np.linalg.norm(forehead - chin))
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    hat = rgb.copy()
    rng = np.random.default_rng(0)
    for center, size, color in (
        (forehead + 0.42 * height * up, (1.25 * width, 0.62 * height), (52, 66, 92)),
        (forehead + 0.02 * height * up, (1.75 * width, 0.13 * height), (38, 48, 70)),
    ):
        place, axes = np.round(center).astype(int).tolist(), np.round(size).astype(int).tolist()
        felt = np.clip(rng.normal(color, 5, rgb.shape), 0, 255).astype(np.uint8)
        mask = cv2.ellipse(np.zeros(rgb.shape[:2], np.uint8), place, axes, angle, 0, 360, (1,), -1) > 0
        hat[mask] = cv2.GaussianBlur(felt, (0, 0), 1)[mask]
    return hat


def oil_painting(rgb: np.ndarray) -> np.ndarray:
    """A photo (H, W, 3) uint8 as if painted in oil: even strokes, a little canvas, a warm varnish."""
    strokes = cv2.pyrMeanShiftFiltering(cv2.medianBlur(rgb, 5), 6, 22)
    canvas = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 14, rgb.shape[:2]), (0, 0), 1)[..., None]
    return np.clip(strokes * np.array([1.02, 0.97, 0.84]) + canvas, 0, 255).astype(np.uint8)
