"""The networks in ONNX Runtime: the same results as the reference backend's, without torch."""

from pathlib import Path

import numpy as np

from ..runtime.backend import ONNX_NAME
from ..runtime.onnx_session import OnnxSession
from .guidance import Guidance
from .predictor import network_input


class OnnxPredictor:
    """The backend that artists have. `models/volume_network.onnx` is made by
    `scripts/training/export_onnx.py`.
    """

    def __init__(self, session: OnnxSession) -> None:
        self.session = session

    @classmethod
    def from_pretrained(cls, models_dir: Path, threads: int | None = None) -> "OnnxPredictor":
        """Read the network from the folder of the models."""
        return cls(OnnxSession(Path(models_dir) / ONNX_NAME, threads))

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`."""
        return self.session.run(
            inputs=network_input(crop, guidance)[None], template_logits=guidance.template_logits[None]
        )[0]
