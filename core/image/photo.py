"""Photos as the reconstruction wants them: upright 8-bit sRGB, with the focal length that the camera
noted.
"""

import hashlib
import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import (
    PhotoError,
    PhotoFormatError,
    PhotoNotFoundError,
    PhotoPermissionError,
    PhotoTooLargeError,
)
from ..geometry.frames import FILM_DIAGONAL_MM

if TYPE_CHECKING:
    from PIL import Image

#: Formats that are opened (Pillow's names). PostScript and the like stay out: they are programs, not
#: pictures.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "AVIF")
#: Larger pictures are made smaller while they are loaded: no face needs more.
WORKING_PIXELS = 50_000_000
MAX_FILE_BYTES = 500_000_000
#: What shows through transparent pixels: neither light nor dark hair drowns in it.
BACKDROP = (128, 128, 128)
#: 35 mm equivalent focal lengths, mm, that a camera can have; anything else in EXIF is a mistake.
FOCAL_RANGE_MM = (8.0, 2000.0)

# EXIF tags.
ORIENTATION = 0x0112
EXIF_IFD, FOCAL_LENGTH, FOCAL_LENGTH_35MM = 0x8769, 0x920A, 0xA405
PIXEL_WIDTH, PIXEL_HEIGHT = 0xA002, 0xA003
PLANE_X_RESOLUTION, PLANE_RESOLUTION_UNIT = 0xA20E, 0xA210
MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


@dataclass(frozen=True)
class Photo:
    """A loaded photo.

    rgb: (H, W, 3) uint8 sRGB, upright. focal_mm35: 35 mm equivalent focal length by the diagonal, if known.
    name: file name. sha256: of the file's bytes. original_size: (width, height) before it was made smaller.
    orientation: EXIF's number, 1..8, for how the picture in the file had to be turned; 1: it was upright.
    """

    rgb: np.ndarray
    focal_mm35: float | None
    name: str
    sha256: str
    original_size: tuple[int, int]
    orientation: int = 1

    @property
    def width(self) -> int:
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        return int(self.rgb.shape[0])

    @classmethod
    def from_array(cls, rgb: np.ndarray, name: str = "picture", focal_mm35: float | None = None) -> "Photo":
        """A photo from an (H, W, 3) uint8 sRGB array."""
        rgb = np.ascontiguousarray(rgb)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise PhotoError(f"A picture has to be an (H, W, 3) array of uint8, not {rgb.dtype} {rgb.shape}")
        size = (rgb.shape[1], rgb.shape[0])
        return cls(rgb, focal_mm35, name, hashlib.sha256(rgb.tobytes()).hexdigest(), size)


def load_photo(path: str | Path) -> Photo:
    """Read a photo file. Raises a PhotoError that says what is wrong with it and what to do."""
    path = Path(path)
    data = _read(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures from 89 megapixels on and refuses them from 179 on: the latter is
            # enough.
            warnings.simplefilter("ignore")
            return _decode(data, _displayable(path.name))
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoTooLargeError(f"{path.name} does not fit into memory: make it smaller") from error
    except Exception as error:  # decoders raise all kinds of errors on damaged files
        raise PhotoFormatError(_damage(data, path.name, error)) from error


def _displayable(name: str) -> str:
    """A file name as Unicode text: bytes that are not UTF-8 become U+FFFD, since face.json is UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _read(path: Path) -> bytes:
    """The file's bytes, or an error that tells what stands in the way."""
    try:
        if path.is_dir():
            raise PhotoNotFoundError(f"{path} is a folder: give a photo, or use the batch script")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise PhotoTooLargeError(
                f"{path.name} has {size / 1e6:.0f} MB; photos up to {MAX_FILE_BYTES / 1e6:.0f} MB are read:"
                " save it as a JPEG"
            )
        data = path.read_bytes()
    except PermissionError as error:
        raise PhotoPermissionError(f"{path} may not be read: ask for read permission on it") from error
    except FileNotFoundError as error:
        raise PhotoNotFoundError(f"There is no file {path}: check its name") from error
    except (OSError, ValueError) as error:
        raise PhotoNotFoundError(f"{path} cannot be opened: {error}") from error
    if not data:
        raise PhotoFormatError(f"{path.name} is empty (0 bytes): copy or download it again")
    return data


def _decode(data: bytes, name: str) -> Photo:
    from PIL import Image, ImageOps

    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise PhotoTooLargeError(
            f"{name} has more pixels than a photo should (or is made to fill the memory): make it smaller"
        ) from error
    with image:
        size = image.size
        if size[0] * size[1] > WORKING_PIXELS:
            # JPEG can be decoded at a half, a quarter or an eighth of its size.
            scale = np.sqrt(WORKING_PIXELS / (size[0] * size[1]))
            image.draft("RGB", (int(size[0] * scale), int(size[1] * scale)))
        exif = image.getexif()
        focal = _focal_length(exif, size)
        profile = image.info.get("icc_profile")
        image.load()
        picture = ImageOps.exif_transpose(_reduced(image))
        orientation = exif.get(ORIENTATION, 1)
        if orientation not in range(1, 9):
            orientation = 1
        if orientation >= 5:
            size = (size[1], size[0])
        rgb = np.asarray(_to_srgb(picture, profile))
    return Photo(np.ascontiguousarray(rgb), focal, name, hashlib.sha256(data).hexdigest(), size, orientation)


def _reduced(image: "Image.Image") -> "Image.Image":
    """The picture with at most WORKING_PIXELS."""
    factor = int(np.ceil(np.sqrt(image.width * image.height / WORKING_PIXELS)))
    if factor <= 1:
        return image
    if image.mode in ("P", "1") or image.mode.startswith("I;16"):
        # These cannot be averaged.
        return image.resize((image.width // factor, image.height // factor), resample=0)
    exif = image.getexif()
    smaller = image.reduce(factor)
    smaller.info = {**image.info, "exif": exif.tobytes()}
    return smaller


def _to_srgb(image: "Image.Image", profile: bytes | None) -> "Image.Image":
    """8-bit sRGB of a picture of any mode."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(np.asarray(image, dtype=np.float64))
    if image.mode in ("LA", "La", "PA", "RGBa", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        backdrop = Image.new("RGBA", rgba.size, (*BACKDROP, 255))
        image = Image.alpha_composite(backdrop, rgba).convert("RGB")
    elif image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    if profile:
        image = _apply_profile(image, profile)
    return image.convert("RGB")


def _from_deep_grey(values: np.ndarray) -> "Image.Image":
    """Grey picture of 16 bits, 32 bits or floating point: white is 1, 255 or 65535, whichever the values
    fit into.
    """
    from PIL import Image

    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    white = next((w for w in (1.0, 255.0, 65535.0) if highest <= w), highest)
    return Image.fromarray((np.clip(values / white, 0, 1) * 255).round().astype(np.uint8)).convert("RGB")


def _apply_profile(image: "Image.Image", profile: bytes) -> "Image.Image":
    """The picture with its embedded colour profile replaced by sRGB; as it is if the profile is unusable."""
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A wrong profile is common and no reason to refuse the photo.
        return image
    return converted if converted is not None else image


def _focal_length(exif: "Image.Exif", size: tuple[int, int]) -> float | None:
    """35 mm equivalent focal length, mm, by the diagonal, if EXIF gives a credible one."""
    tags = exif.get_ifd(EXIF_IFD)

    def number(tag: int) -> float:
        try:
            return float(tags.get(tag) or 0)
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0

    noted = (number(PIXEL_WIDTH), number(PIXEL_HEIGHT))
    if min(noted) > 0 and abs(np.log(max(noted) / min(noted) / (max(size) / min(size)))) > 0.03:
        return None  # cut to another shape after it was taken: the focal length no longer fits
    focal = number(FOCAL_LENGTH_35MM)
    density = number(PLANE_X_RESOLUTION)
    if focal <= 0 and density > 0 and noted[0] > 0:
        pixel = MM_PER_UNIT.get(int(number(PLANE_RESOLUTION_UNIT)) or 2, 25.4) / density
        sensor = pixel * float(np.hypot(*noted))
        focal = number(FOCAL_LENGTH) * FILM_DIAGONAL_MM / sensor if sensor > 0 else 0.0
    return focal if FOCAL_RANGE_MM[0] <= focal <= FOCAL_RANGE_MM[1] else None


def _damage(data: bytes, name: str, error: Exception) -> str:
    """A sentence on a file that cannot be decoded."""
    from PIL import UnidentifiedImageError

    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        return f"{name} is a HEIC picture, which cannot be read here: export it as JPEG"
    if isinstance(error, UnidentifiedImageError):
        return f"{name} is not a picture of a known format: give a JPEG, PNG, WebP, TIFF, BMP or GIF"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return f"{name} ends too early, it was cut off while it was copied: copy or download it again"
    return f"{name} is damaged ({error}): open it in an image editor and save it again"
