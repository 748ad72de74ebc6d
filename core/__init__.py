"""Photobust's engine: a photo in, colored 3D heads out.

    from photobust import Reconstructor, load_photo, write_reconstruction

    reconstructor = Reconstructor.from_pretrained()
    photo = load_photo("portrait.jpg")
    for reconstruction in reconstructor.reconstruct(photo):
        write_reconstruction(reconstruction, photo, "out/portrait")

Importing it is cheap: torch and MediaPipe are loaded when they are first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import PhotobustError
    from .image.photo import Photo, load_photo
    from .io.writer import write_reconstruction
    from .reconstructor import Reconstruction, Reconstructor
    from .surface.settings import SurfaceSettings
    from .texture.settings import TextureSettings
    from .wrapping.settings import WrapSettings

__version__ = "0.3.0"

_HOMES = {
    "Photo": ".image.photo",
    "PhotobustError": ".errors",
    "Reconstruction": ".reconstructor",
    "Reconstructor": ".reconstructor",
    "SurfaceSettings": ".surface.settings",
    "TextureSettings": ".texture.settings",
    "WrapSettings": ".wrapping.settings",
    "load_photo": ".image.photo",
    "write_reconstruction": ".io.writer",
}

__all__ = [
    "Photo",
    "PhotobustError",
    "Reconstruction",
    "Reconstructor",
    "SurfaceSettings",
    "TextureSettings",
    "WrapSettings",
    "load_photo",
    "write_reconstruction",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
