"""What EXIF says of a photo: how it lies in its file, and the focal length. Damaged data say nothing."""

from typing import TYPE_CHECKING

import numpy as np

from ..geometry.frames import FILM_DIAGONAL_MM

if TYPE_CHECKING:
    from PIL import Image

#: 35 mm equivalent focal lengths, mm, that a camera can have; anything else in EXIF is a mistake.
FOCAL_RANGE_MM = (8.0, 2000.0)
#: How far the photo's aspect ratio may differ, as a logarithm, from the one that the camera noted.
ASPECT_TOLERANCE = 0.03

# EXIF tags (CIPA DC-008).
ORIENTATION = 0x0112
EXIF_IFD = 0x8769
FOCAL_LENGTH = 0x920A
FOCAL_LENGTH_35MM = 0xA405
PIXEL_WIDTH = 0xA002
PIXEL_HEIGHT = 0xA003
PLANE_X_RESOLUTION = 0xA20E
PLANE_RESOLUTION_UNIT = 0xA210
#: EXIF's unit of the focal plane's resolution -> its length in mm.
MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
INCH = 2
UPRIGHT = 1


def read_exif(image: "Image.Image") -> "Image.Exif | None":
    """The EXIF data of an open picture, None if they are damaged."""
    try:
        exif = image.getexif()
        exif.get_ifd(EXIF_IFD)
    except Exception:  # noqa: BLE001 (Pillow's parser raises all kinds of errors on damaged data)
        return None
    return exif


def orientation(exif: "Image.Exif | None") -> int:
    """EXIF's number, 1..8, for how the picture in the file has to be turned; 1 if there is none."""
    value = exif.get(ORIENTATION, UPRIGHT) if exif else UPRIGHT
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def upright(pixels: np.ndarray, number: int) -> np.ndarray:
    """Turn a picture by EXIF's orientation (CIPA DC-008, 4.6.4).

    Args:
        pixels: (H, W, ...) as they lie in the file.
        number: EXIF's orientation, 1 to 8.

    Returns:
        (H, W, ...) or (W, H, ...), a view.
    """
    if number >= 5:
        pixels = pixels.swapaxes(0, 1)
    if number in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if number in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def focal_length_mm35(exif: "Image.Exif | None", size: tuple[int, int]) -> float | None:
    """35 mm equivalent focal length by the diagonal.

    Args:
        exif: The photo's EXIF data.
        size: (width, height) of the picture in the file, pixels; which is which does not matter.

    Returns:
        mm, or None if EXIF gives no credible one.
    """
    if exif is None:
        return None
    tags = exif.get_ifd(EXIF_IFD)

    def number(tag: int) -> float:
        try:
            value = float(tags.get(tag) or 0)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return 0.0
        return value if np.isfinite(value) else 0.0

    noted = (number(PIXEL_WIDTH), number(PIXEL_HEIGHT))
    if min(noted) > 0:
        ratio = max(noted) / min(noted) / (max(size) / min(size))
        if abs(np.log(ratio)) > ASPECT_TOLERANCE:
            return None  # cut to another shape after it was taken: the focal length no longer fits
    focal = number(FOCAL_LENGTH_35MM)
    density = number(PLANE_X_RESOLUTION)
    if focal <= 0 and density > 0 and noted[0] > 0:
        pixel = MM_PER_UNIT.get(int(number(PLANE_RESOLUTION_UNIT)) or INCH, MM_PER_UNIT[INCH]) / density
        sensor = pixel * float(np.hypot(*noted))
        focal = number(FOCAL_LENGTH) * FILM_DIAGONAL_MM / sensor if sensor > 0 else 0.0
    return focal if FOCAL_RANGE_MM[0] <= focal <= FOCAL_RANGE_MM[1] else None
