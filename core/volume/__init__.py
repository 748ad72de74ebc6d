"""The volume network: from the crop and its guidance to the occupancy of the head."""

from pathlib import Path

from ..runtime.backend import choose_backend
from .predictor import VolumePredictor

__all__ = ["VolumePredictor", "load_predictor"]


def load_predictor(
    models_dir: Path, backend: str | None = None, threads: int | None = None
) -> VolumePredictor:
    """The predictor of a folder of models.

    Args:
        models_dir: The folder.
        backend: "onnx", "torch" or "auto", see `core.runtime.backend.choose_backend`.
        threads: Of ONNX Runtime (default: the available cores). Torch's are set for the whole process.

    Raises:
        ModelError: The backend cannot run, or a file is missing or damaged.
    """
    if choose_backend(models_dir, backend) == "torch":
        from .torch_predictor import TorchPredictor

        return TorchPredictor.from_pretrained(models_dir)
    from .onnx_predictor import OnnxPredictor

    return OnnxPredictor.from_pretrained(models_dir, threads)
