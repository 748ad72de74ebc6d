"""Encodes textures as PNG and JPEG files."""

from bisect import bisect_left
from collections.abc import Sequence

import cv2
import numpy as np

from .png import png_bytes

#: Of the texture in head.glb, of 100: 48 dB on portraits; albedo.png is lossless.
JPEG_QUALITY = 92
#: Where each file counts: the strand atlas in 0.16 s and 867 KB; by level 9 in 1.2 s and 832 KB.
SMALL_PNG_OPTIONS = (cv2.IMWRITE_PNG_COMPRESSION, 6)

#: Quality, of JPEG's 100, that pictures which must be small lose at most.
MAX_QUALITY_LOSS = 24
#: Rows of a JPEG's blocks, pixels, and how many of them there are for each that a size is estimated from.
BLOCK_ROWS = 8
SAMPLED_BLOCK = 8
#: What an estimate may be wrong by, and a little more (docs/head.md).
ESTIMATE_MARGIN = 1.01


def texture_bytes(picture: np.ndarray, small: bool = False, noisy: bool = False) -> bytes:
    """Encode a texture, or a part of a photo, as a PNG file.

    Args:
        picture: (H, W), (H, W, 3) or (H, W, 4) uint8, RGB or RGBA in sRGB.
        small: Take the time for as small a file as possible.
        noisy: It is photographed nearly everywhere.
    """
    if not small:
        return png_bytes(picture, noisy)
    if picture.ndim == 3:
        order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = cv2.cvtColor(picture, order)
    done, data = cv2.imencode(".png", picture, SMALL_PNG_OPTIONS)
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def jpeg_bytes(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """Encode a texture as a JPEG file: a quarter of the PNG file's size, without differences that show.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        quality: JPEG's, of 100.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,  # lips and eyes have sharp edges of color alone
        cv2.IMWRITE_JPEG_OPTIMIZE,  # the same picture in 3 % less
        1,
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def jpeg_files(pictures: Sequence[tuple[np.ndarray, int]], limit: int) -> list[bytes]:
    """Encode textures as JPEG files that are not larger than a limit, together.

    Noisy skin takes up to three times the bytes of smooth skin at one quality, and shows less of what JPEG
    leaves out. How large the files get is estimated from an eighth of the pictures' rows.

    Args:
        pictures: (H, W, 3) uint8, and the quality that each has if there is space enough, of 100.
        limit: Bytes of all files.

    Returns:
        The files. All have lost as much quality, and none more than MAX_QUALITY_LOSS, whatever the limit.
    """
    samples = [(_sampled_rows(picture), quality, len(picture)) for picture, quality in pictures]

    def fits(loss: int) -> bool:
        sizes = [len(jpeg_bytes(rows, quality - loss)) * full / len(rows) for rows, quality, full in samples]
        return sum(sizes) * ESTIMATE_MARGIN <= limit

    loss = bisect_left(range(MAX_QUALITY_LOSS), True, key=fits) if not fits(0) else 0
    return [jpeg_bytes(picture, quality - loss) for picture, quality in pictures]


def _sampled_rows(picture: np.ndarray) -> np.ndarray:
    """Every SAMPLED_BLOCK-th row of blocks of a picture (H, W, 3); all of one that is low."""
    height = len(picture) // BLOCK_ROWS * BLOCK_ROWS
    blocks = picture[:height].reshape(-1, BLOCK_ROWS, *picture.shape[1:])
    if len(blocks) < SAMPLED_BLOCK:
        return picture
    return np.ascontiguousarray(blocks[SAMPLED_BLOCK // 2 :: SAMPLED_BLOCK]).reshape(-1, *picture.shape[1:])
