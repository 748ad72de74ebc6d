"""Bytes of a picture file -> upright 8-bit sRGB."""

import contextlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import PhotoError, PhotoFormatError, PhotoTooLargeError
from .color_profile import P3_PRIMARIES, apply_profile, p3_to_srgb
from .depth import to_8_bits
from .exif import EXIF_IFD, UPRIGHT, focal_length_mm35, orientation, read_exif, upright
from .formats import HEIF, JXL, OPTIONAL_PACKAGES, RAW, UNREADABLE, is_installed, sniff
from .limits import check_pixels, pixels_of_webp, too_many_pixels
from .metadata import without_metadata
from .netpbm import PlainTooLargeError, read_netpbm, read_netpbm_header
from .tiff import DNG_VERSION, UnsupportedTiffError, read_deep_tiff, read_layout

if TYPE_CHECKING:
    from PIL import Image

#: What files begin with whose formats Pillow loads first, JPEG and PNG.
COMMON_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
#: Formats that are opened (Pillow's names). PostScript and the like stay out: they are programs, not
#: pictures.
FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF", "JPEG2000", "PPM", "TGA", "AVIF", "PSD"),
    *(HEIF, JXL),
)
#: Format -> what an artist calls such a file.
TITLES = {
    "AVIF": "AVIF picture",
    "JPEG": "JPEG",
    "JPEG2000": "JPEG 2000 picture",
    "PNG": "PNG",
    "PSD": "Photoshop document",
    "TIFF": "TIFF",
    "WEBP": "WebP picture",
    HEIF: "HEIC picture",
    JXL: "JPEG XL picture",
}
#: Formats with moving pictures, of which any frame may show the face.
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
#: Larger pictures are made smaller while they are loaded: no face needs more.
WORKING_PIXELS = 50_000_000
#: So are those with a longer side, such as panoramas: OpenCV's warps take no longer ones (SHRT_MAX).
WORKING_SIDE = 32_766
#: What shows through transparent pixels: neither light nor dark hair drowns in it.
BACKDROP = (128, 128, 128)
#: A 16-bit picture whose high bytes reach no further holds values of 12 bits or less.
HIGHEST_BYTE_OF_12_BITS = 15
#: Offset of the bits a sample in a PNG file.
PNG_BIT_DEPTH = 24
#: TIFF's tag of the ICC profile.
ICC_PROFILE = 34675
#: EXIF's orientations from this one on exchange width and height.
FIRST_SIDEWAYS = 5


@dataclass(frozen=True)
class DecodedPicture:
    """What is in a picture file.

    Attributes:
        rgb: (H, W, 3) uint8 sRGB, upright.
        focal_mm35: 35 mm equivalent focal length by the diagonal, mm, if EXIF gives it.
        size: (width, height), upright, before it was made smaller.
        orientation: EXIF's number, 1..8, for how the picture lies in the file.
        is_animated: Whether it has further frames.
    """

    rgb: np.ndarray
    focal_mm35: float | None
    size: tuple[int, int]
    orientation: int = UPRIGHT
    is_animated: bool = False


def decode(data: bytes, name: str, moment: float = 0.0) -> DecodedPicture:
    """Decode a picture file in this process.

    Args:
        data: The whole file.
        name: Its name, for messages.
        moment: Which frame of an animation, from 0 for the first to 1 for the last.

    Raises:
        PhotoFormatError: It is damaged or no picture.
        PhotoTooLargeError: It has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures from 89 megapixels on and refuses them from 179 on: the latter is
            # enough.
            warnings.simplefilter("ignore")
            return _decode_forgivingly(data, name, moment)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoTooLargeError(f"{name} does not fit into memory: make it smaller") from error
    except Exception as error:  # decoders raise all kinds of errors on damaged files
        raise PhotoFormatError(describe_damage(data, name, error)) from error


def _decode_forgivingly(data: bytes, name: str, moment: float) -> DecodedPicture:
    """Decode a file, without its metadata if these are what is damaged."""
    try:
        return _decode(data, name, moment)
    except (PhotoError, MemoryError):
        raise
    except Exception as error:
        if is_cut_off(error):
            raise
        for keep_exif in (True, False):
            bare = without_metadata(data, keep_exif)
            if bare is not None:
                with contextlib.suppress(OSError, SyntaxError, ValueError, ArithmeticError, LookupError):
                    return _decode(bare, name, moment)
        raise


def _decode(data: bytes, name: str, moment: float) -> DecodedPicture:
    format_ = sniff(data)
    if format_ is None:
        return _decode_with_pillow(data, name, moment)
    if format_ == "PPM":
        return _decode_netpbm(data, name)
    if format_ == "WEBP":
        check_pixels(pixels_of_webp(data), format_, name)
    if format_ == "TIFF":
        read = _deep_tiff(data, name)
        if read is not None:
            return _decode_deep_tiff(data, read)
    elif format_ in OPTIONAL_PACKAGES:
        _register(format_, name)
    return _decode_with_pillow(data, name, moment)


def _register(format_: str, name: str) -> None:
    """Teach Pillow a format that a package of its own reads."""
    if not is_installed(format_):
        what = TITLES[format_]
        package = OPTIONAL_PACKAGES[format_].replace("_", "-")
        raise PhotoFormatError(
            f"{name} is a {what}, which cannot be read here: export it as JPEG, or set up the engine again"
            f" (the package {package} is missing)"
        )
    if format_ == HEIF:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    else:
        import pillow_jxl  # noqa: F401


def _decode_netpbm(data: bytes, name: str) -> DecodedPicture:
    width, height = read_netpbm_header(data)[:2]
    check_pixels(width * height, "PPM", name)
    try:
        pixels = read_netpbm(data)
    except PlainTooLargeError as error:
        raise PhotoTooLargeError(
            f"{name} is written as plain text, which takes too long to read: save it as PNG"
        ) from error
    from PIL import Image

    rgb = np.asarray(_reduced(Image.fromarray(pixels)).convert("RGB"))
    return DecodedPicture(np.ascontiguousarray(rgb), None, (width, height))


def _deep_tiff(data: bytes, name: str) -> "Callable[[], np.ndarray] | None":
    """What reads a TIFF that Pillow reads wrongly or not at all; None for all others."""
    try:
        layout = read_layout(data)
    except UnsupportedTiffError:
        return None  # Pillow may be more forgiving, or says what is wrong
    suffix = "." + name.rpartition(".")[2].lower()
    if DNG_VERSION in layout.tags or UNREADABLE.get(suffix) == RAW:
        raise PhotoFormatError(
            f"{name} is a camera raw photo, which cannot be read here: develop it and"
            " export it as JPEG or TIFF"
        )
    check_pixels(layout.width * layout.height, "TIFF", name)
    return (lambda: read_deep_tiff(data, layout)) if layout.is_deep else None


def _decode_deep_tiff(data: bytes, read: "Callable[[], np.ndarray]") -> DecodedPicture:
    """The picture of a TIFF that Pillow does not read."""
    from PIL import Image

    exif: Image.Exif | None
    exif = tags = Image.Exif()
    try:
        tags.load(data)  # EXIF data are laid out as a TIFF
        tags.get_ifd(EXIF_IFD)
    except Exception:  # noqa: BLE001 (Pillow's parser raises all kinds of errors on damaged data)
        exif = None
    profile = tags.get(ICC_PROFILE)
    pixels = read()
    size = (pixels.shape[1], pixels.shape[0])
    turn = orientation(exif)
    rgb = _to_srgb(_reduced(Image.fromarray(pixels)), profile if isinstance(profile, bytes) else None)
    return DecodedPicture(
        np.ascontiguousarray(upright(np.asarray(rgb), turn)),
        focal_length_mm35(exif, size),
        size if turn < FIRST_SIDEWAYS else size[::-1],
        turn,
    )


def _decode_with_pillow(data: bytes, name: str, moment: float) -> DecodedPicture:
    with _open(data, name) as image:
        kind, size = image.format, image.size
        check_pixels(size[0] * size[1], kind, name)
        animated = kind in ANIMATED and bool(getattr(image, "is_animated", False))
        if moment > 0 and animated:
            image.seek(round(moment * (getattr(image, "n_frames", 1) - 1)))
        if kind in ("JPEG", "MPO") and size[0] * size[1] > WORKING_PIXELS:
            # JPEG can be decoded at a half, a quarter or an eighth of its size.
            scale = np.sqrt(WORKING_PIXELS / (size[0] * size[1]))
            image.draft("RGB", (int(size[0] * scale), int(size[1] * scale)))
        exif = read_exif(image)
        # Read before loading, after which Pillow has turned a TIFF upright and dropped the tag.
        stored = UPRIGHT if _is_turned_by_decoder(image) else orientation(exif)
        focal = focal_length_mm35(exif, size)
        profile, primaries = image.info.get("icc_profile"), _primaries(image)
        image.load()
        turn = UPRIGHT if kind == "TIFF" else stored
        picture = _brightened(data, image) or image
        rgb = np.asarray(_to_srgb(_reduced(picture), profile))
    if not profile and primaries == P3_PRIMARIES:
        rgb = p3_to_srgb(rgb)
    if turn >= FIRST_SIDEWAYS:
        size = (size[1], size[0])
    return DecodedPicture(np.ascontiguousarray(upright(rgb, turn)), focal, size, stored, animated)


def _open(data: bytes, name: str) -> "Image.Image":
    """The open picture, not loaded yet."""
    from PIL import Image

    if data.startswith(COMMON_MAGIC):
        Image.preinit()  # the other formats take a twentieth of a second to load
    else:
        Image.init()
    try:
        return Image.open(io.BytesIO(data), formats=[format_ for format_ in FORMATS if format_ in Image.OPEN])
    except Image.DecompressionBombError as error:
        raise PhotoTooLargeError(too_many_pixels(name)) from error


def _is_turned_by_decoder(image: "Image.Image") -> bool:
    """Whether the decoder has heeded the orientation already. JPEG XL's does, but not for a packed JPEG."""
    return image.format == HEIF or (image.format == JXL and not getattr(image, "jpeg", False))


def _primaries(image: "Image.Image") -> int | None:
    """H.273's number of a HEIC picture's color primaries, where it names them without a profile."""
    profile = image.info.get("nclx_profile")
    return profile.get("color_primaries") if isinstance(profile, dict) else None


def _brightened(data: bytes, image: "Image.Image") -> "Image.Image | None":
    """The picture of a PNG or TIFF that keeps 12 bits or less in 16; None for all others.

    Pillow reads the upper eight bits of 16-bit colors only.
    """
    from PIL import Image

    if image.mode != "RGB" or image.format not in ("PNG", "TIFF"):
        return None
    highest = np.asarray(image.getextrema()).max()
    if not 0 < highest <= HIGHEST_BYTE_OF_12_BITS:
        return None
    if image.format == "TIFF":
        try:
            layout = read_layout(data)
            if layout.bits != 16:
                return None
            pixels = read_deep_tiff(data, layout)
        except UnsupportedTiffError:
            return None
        return Image.fromarray(upright(pixels, layout.orientation))
    if data[PNG_BIT_DEPTH] != 16:
        return None
    import cv2

    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.ndim != 3 or bgr.dtype != np.uint16:
        return None
    return Image.fromarray(np.ascontiguousarray(to_8_bits(bgr[..., 2::-1])))


def _reduced(image: "Image.Image") -> "Image.Image":
    """The picture with at most WORKING_PIXELS, and WORKING_SIDE a side."""
    by_pixels = np.sqrt(image.width * image.height / WORKING_PIXELS)
    factor = int(np.ceil(max(by_pixels, max(image.size) / WORKING_SIDE)))
    if factor <= 1:
        return image
    if image.mode in ("P", "1") or image.mode.startswith("I;16"):
        # These cannot be averaged.
        return image.resize((max(1, image.width // factor), max(1, image.height // factor)), resample=0)
    smaller = image.reduce(factor)
    smaller.info = dict(image.info)
    return smaller


def _to_srgb(image: "Image.Image", profile: bytes | None) -> "Image.Image":
    """8-bit sRGB of a picture of any mode."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(to_8_bits(np.asarray(image)))
    elif image.mode in ("LA", "La", "PA", "RGBa", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        backdrop = Image.new("RGBA", rgba.size, (*BACKDROP, 255))
        image = Image.alpha_composite(backdrop, rgba).convert("RGB")
    elif image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    if profile:
        image = apply_profile(image, profile)
    return image.convert("RGB")


def is_cut_off(error: Exception) -> bool:
    """Whether a decoder complains of a file that ends too early."""
    return "truncated" in str(error).lower() or isinstance(error, EOFError)


def describe_damage(data: bytes, name: str, error: Exception) -> str:
    """A sentence on a file that cannot be decoded.

    Args:
        data: The file.
        name: What to call it.
        error: What its decoder raised.
    """
    from PIL import UnidentifiedImageError

    suffix = "." + name.rpartition(".")[2].lower()
    if isinstance(error, UnidentifiedImageError) and sniff(data) is None:
        if suffix in UNREADABLE:
            return f"{name} is not a picture that can be read but a {UNREADABLE[suffix]}: export it as JPEG"
        return f"{name} is not a picture of a known format: give a JPEG, PNG, WebP, HEIC, TIFF, BMP or GIF"
    if isinstance(error, UnidentifiedImageError):
        title = TITLES.get(sniff(data) or "", "picture")
        return f"{name} begins like a {title}, but is damaged: copy it again, or export it as JPEG"
    if is_cut_off(error):
        return f"{name} ends too early, it was cut off while it was copied: copy or download it again"
    return f"{name} is damaged ({error}): open it in an image editor and save it again"
