"""The files of an animation-ready head: head.npz, head.glb, albedo.png, albedo_mask.png."""

from concurrent.futures import Executor, Future
from typing import Any

import cv2
import numpy as np

from .. import __version__
from ..image.photo import Photo
from ..reconstructor import Reconstruction
from ..template.topology import HeadTopology
from .head_glb import head_glb_bytes
from .head_npz import FILE_NAME, head_npz_bytes
from .preview_glb import lash_window

DESCRIPTIONS = {
    FILE_NAME: "the animation-ready head for the add-on: neutral, photo, 52 blendshapes, texture coordinates",
    "head.glb": "the animation-ready head as glTF (y up, the face looks along +z): neutral, texture, morph"
    " targets with Apple's 52 names and Photo",
    "albedo.png": "the head's texture, sRGB; its alpha is the lashes'",
    "albedo_mask.png": "where the texture comes from: 255 observed, 192 mirrored, 128 completed, 64 painted",
}
#: Of the texture in head.glb, of 100: 50 dB on portraits; albedo.png is lossless.
JPEG_QUALITY = 95
GENERATOR = f"Photobust {__version__}"


def head_assets(reconstruction: Reconstruction, photo: Photo, pool: Executor) -> "dict[str, Future[bytes]]":
    """The files' contents, in the making.

    Args:
        reconstruction: One that has a head.
        photo: What it was made from.
        pool: Where they are made.

    Returns:
        Name -> content.

    Raises:
        ValueError: If there is no head.
    """
    head, albedo = reconstruction.head, reconstruction.albedo
    if head is None:
        raise ValueError("the reconstruction has no head")
    files = {FILE_NAME: pool.submit(head_npz_bytes, head, provenance(reconstruction, photo))}
    if albedo is not None:
        files["albedo.png"] = pool.submit(texture_bytes, albedo.image)
        files["albedo_mask.png"] = pool.submit(texture_bytes, albedo.mask)

    def glb() -> bytes:
        if albedo is None:
            return head_glb_bytes(head, None, GENERATOR)
        lashes = lash_texture(albedo.image, head.topology)
        return head_glb_bytes(head, jpeg_bytes(albedo.image[..., :3]), GENERATOR, lash_texture=lashes)

    files["head.glb"] = pool.submit(glb)
    return files


def texture_bytes(picture: np.ndarray) -> bytes:
    """Encode a texture as a PNG file.

    Args:
        picture: (H, W) or (H, W, 4) uint8, RGBA in sRGB.
    """
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def jpeg_bytes(rgb: np.ndarray) -> bytes:
    """Encode a texture as a JPEG file: a quarter of the PNG file's size, without differences that show.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,  # lips and eyes have sharp edges of color alone
    ]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def lash_texture(image: np.ndarray, topology: HeadTopology) -> bytes:
    """The lashes' part of a texture as a PNG file of the same size: JPEG has no alpha.

    Args:
        image: (S, S, 4) uint8 sRGB and coverage.
        topology: The head's.
    """
    left, top, right, bottom = lash_window(topology, len(image))
    lashes = np.zeros_like(image)
    lashes[top:bottom, left:right] = image[top:bottom, left:right]
    return texture_bytes(lashes)


def provenance(reconstruction: Reconstruction, photo: Photo) -> dict[str, Any]:
    """What the head was made of and by what, as it is kept in the head itself."""
    yaw, pitch, roll = (round(float(angle), 2) for angle in reconstruction.pose.angles)
    return {
        "generator": GENERATOR,
        "photo": photo.name,
        "photo_sha256": photo.sha256,
        "face_index": reconstruction.face_index,
        "yaw": yaw,
        "pitch": pitch,
        "roll": roll,
        "frame": "metres, z up, the face looks along -y, origin between the eyes' outer corners",
    }


def about_texture(reconstruction: Reconstruction) -> dict[str, Any]:
    """What face.json says of the texture."""
    albedo = reconstruction.albedo
    if albedo is None:
        return {}
    return {
        "size": int(albedo.mask.shape[0]),
        "shares": {name: round(fraction, 4) for name, fraction in albedo.fractions.items()},
        "iris_from_photo": albedo.eyes.from_photo,
        "timings": {step: round(seconds, 4) for step, seconds in albedo.timings.items()},
    }
