"""Heads without the network: the average head, posed by the landmarks of a real photo."""

from dataclasses import dataclass
from pathlib import Path

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
