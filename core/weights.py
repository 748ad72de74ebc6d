"""The files of models/: where they are, and which ones exactly. Imports nothing heavy."""

import hashlib
from functools import lru_cache
from pathlib import Path


def models_folder() -> Path:
    """The project's models: in the installed package, else beside `core` (in a checkout, in the add-on)."""
    package = Path(__file__).resolve().parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


@lru_cache(maxsize=32)
def file_sha256(path: Path) -> str:
    """SHA-256 of a file that does not change while the program runs."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprints(folder: Path) -> dict[str, str]:
    """Name -> first twelve digits of the SHA-256 of each trained file in a folder: its version."""
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.onnx"), *folder.glob("*.json")])
    return {path.name: file_sha256(path)[:12] for path in weights}
