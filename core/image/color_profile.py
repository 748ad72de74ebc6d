"""Embedded color profiles: any picture becomes sRGB."""

import io
from typing import TYPE_CHECKING

import numpy as np

from .color import linear_of_bytes, linear_to_bytes

if TYPE_CHECKING:
    from PIL import Image, ImageCms

#: A profile that moves no color of the test picture by more than this, 8-bit levels, is sRGB itself: its
#: pixels stay as they are.
SRGB_TOLERANCE = 3
#: Levels a channel of the test picture.
PROBE_LEVELS = 9
#: Color primaries of H.273 that phones use beside sRGB's: Display P3 with D65.
P3_PRIMARIES = 12
#: Linear Display P3 -> linear sRGB, both D65 (from the primaries of SMPTE EG 432-1 and IEC 61966-2-1).
P3_TO_SRGB = np.array(
    [
        [1.2249401763, -0.2249401763, 0.0],
        [-0.0420569547, 1.0420569547, 0.0],
        [-0.0196375546, -0.0786360456, 1.0982736001],
    ]
)
#: Rows converted at a time, to keep floating-point copies small.
ROWS_PER_BLOCK = 256


def apply_profile(image: "Image.Image", profile: bytes) -> "Image.Image":
    """The picture with its embedded ICC profile replaced by sRGB; as it is if the profile is unusable.

    Args:
        image: Mode RGB, L or CMYK.
        profile: The bytes of an ICC profile.

    Returns:
        An image of mode RGB, or the image that was given.
    """
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        # A wrong profile is common and no reason to refuse the photo.
        return image
    if image.mode == "RGB":
        probe = Image.fromarray(_probe())
        converted = _convert(probe, source)
        if converted is None:
            return image
        change = np.abs(np.asarray(converted, np.int16) - np.asarray(probe, np.int16))
        if change.max() <= SRGB_TOLERANCE:
            return image
    converted = _convert(image, source)
    if converted is None and image.mode == "L":
        # A gray picture may carry the profile of the color picture that it was made from.
        return apply_profile(image.convert("RGB"), profile)
    return converted if converted is not None else image


def _probe() -> np.ndarray:
    """(N, N², 3) uint8 picture of evenly spread colors."""
    levels = np.linspace(0, 255, PROBE_LEVELS).round().astype(np.uint8)
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(PROBE_LEVELS, -1, 3)


def _convert(image: "Image.Image", source: "ImageCms.ImageCmsProfile") -> "Image.Image | None":
    """The picture in sRGB; None if the profile is not made for its mode."""
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def p3_to_srgb(rgb: np.ndarray) -> np.ndarray:
    """Turn Display P3 into sRGB; colors outside of sRGB are clipped.

    Args:
        rgb: (H, W, 3) uint8, Display P3.

    Returns:
        (H, W, 3) uint8, sRGB.
    """
    linear = linear_of_bytes()
    result = np.empty_like(rgb)
    for start in range(0, len(rgb), ROWS_PER_BLOCK):
        block = linear[rgb[start : start + ROWS_PER_BLOCK]] @ P3_TO_SRGB.T
        result[start : start + ROWS_PER_BLOCK] = linear_to_bytes(block)
    return result
