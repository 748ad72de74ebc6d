"""Encodes textures as PNG and JPEG files."""

import cv2
import numpy as np

#: Of the texture in head.glb, of 100: 48 dB on portraits; albedo.png is lossless.
JPEG_QUALITY = 92


def texture_bytes(picture: np.ndarray) -> bytes:
    """Encode a texture as a PNG file.

    Args:
        picture: (H, W), (H, W, 3) or (H, W, 4) uint8, RGB or RGBA in sRGB.
    """
    if picture.ndim == 3:
        order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        picture = cv2.cvtColor(picture, order)
    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
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
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()
