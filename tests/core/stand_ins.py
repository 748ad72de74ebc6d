"""Stand-ins for the trained models: out of every photo comes the average head, posed by the landmarks."""

from pathlib import Path

import numpy as np
from scipy.spatial import Delaunay

from core.detection.detector import FaceDetector
from core.lifting.lifter import POSE_OUTPUTS, LandmarkLifter
from core.reconstructor import Reconstructor
from core.template.template import HeadTemplate
from core.volume.guidance import Guidance
from core.volume.predictor import TEMPERATURE

MODELS = Path(__file__).resolve().parents[2] / "models"


class TemplatePredictor:
    """Gives the volume of the template that the guidance carries."""

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        assert crop.shape == (192, 192, 3) and crop.dtype == np.uint8
        assert guidance.maps.shape == (7, 192, 192)
        self.calls += 1
        return (1 / (1 + np.exp(-guidance.template_logits / TEMPERATURE))).astype(np.float32)


def average_lifter() -> LandmarkLifter:
    """A lifter that corrects nothing and knows one head."""
    template = HeadTemplate.load(MODELS)
    canonical = template.landmarks(template.vertices)
    features = canonical.size + 12
    outputs = POSE_OUTPUTS + 1
    weights = {
        "canonical": canonical,
        "mesh": Delaunay(canonical[:, [0, 2]]).simplices,
        "input_mean": np.zeros(features),
        "input_scale": np.ones(features),
        "linear.weight": np.zeros((outputs, features)),
        "linear.bias": np.zeros(outputs),
        "output_scale": np.ones(outputs),
        "output_mean": np.zeros(outputs),
        "basis": np.zeros((1, *template.vertices.shape)),
        "mean": template.vertices,
    }
    return LandmarkLifter(weights, template)


def stand_in_reconstructor() -> Reconstructor:
    return Reconstructor(FaceDetector.from_pretrained(MODELS), average_lifter(), TemplatePredictor(), MODELS)
