"""The whole way from a photo to heads."""

from .reconstructor import Reconstructor
from .results import Reconstruction

__all__ = ["Reconstruction", "Reconstructor"]
