"""The files of an animation-ready head: head.npz, head.glb, albedo.png, albedo_mask.png."""

from concurrent.futures import Executor, Future
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from .. import __version__
from ..geometry.frames import HeadPose
from ..image.photo import Photo
from ..reconstructor import Reconstruction
from ..runtime.weights import models_folder
from ..template.lods import load_levels
from ..template.topology import HeadTopology
from ..texture.surface_maps import SurfaceMaps
from ..wrapping.adjuster import AdjustedHead
from .hair_files import hair_assets
from .head_glb import GlbMaps, head_glb_bytes
from .head_npz import FILE_NAME, head_npz_bytes
from .image_bytes import jpeg_bytes, texture_bytes
from .preview_glb import lash_window

DESCRIPTIONS = {
    FILE_NAME: "the animation-ready head for the add-on: neutral, photo, 52 blendshapes, texture coordinates",
    "head.glb": "the animation-ready head as glTF (y up, the face looks along +z): neutral, texture, morph"
    " targets with Apple's 52 names and Photo",
    "albedo.png": "the head's texture, sRGB; its alpha is the lashes'",
    "normal.png": "normals of the skin's fine relief in tangent space; green is up, as in OpenGL and glTF",
    "roughness.png": "roughness, linear",
    "occlusion.png": "ambient occlusion, linear; white is open",
    "thickness.png": "how thick the head is behind its skin, linear; white is two centimeters and more",
    "albedo_mask.png": "where the texture comes from: 255 observed, 192 mirrored, 128 completed, 64 painted",
}
#: JPEG quality, of 100, of the maps in head.glb.
MAP_JPEG_QUALITY = 82
#: The maps beside the albedo, each a file of its name.
MAP_NAMES = ("normal", "roughness", "occlusion", "thickness")
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
    head, albedo, hair = reconstruction.head, reconstruction.albedo, reconstruction.hair
    if head is None:
        raise ValueError("the reconstruction has no head")
    origin = provenance(reconstruction, photo)
    levels = load_levels(reconstruction.models_dir or models_folder())
    base = reconstruction.adjusted.base if reconstruction.adjusted else None
    files = {FILE_NAME: pool.submit(head_npz_bytes, head, origin, levels, base)}
    if albedo is not None:
        files["albedo.png"] = pool.submit(texture_bytes, albedo.image, noisy=True)
        files["albedo_mask.png"] = pool.submit(texture_bytes, albedo.mask)
        if albedo.maps is not None:
            for name in MAP_NAMES:
                files[f"{name}.png"] = pool.submit(texture_bytes, getattr(albedo.maps, name))

    def glb() -> bytes:
        if albedo is None:
            return head_glb_bytes(head, None, GENERATOR, hair=hair)
        lashes = lash_texture(albedo.image, head.topology)
        maps = glb_maps(albedo.maps) if albedo.maps is not None else None
        texture = jpeg_bytes(albedo.image[..., :3])
        return head_glb_bytes(head, texture, GENERATOR, lash_texture=lashes, hair=hair, maps=maps)

    files["head.glb"] = pool.submit(glb)
    if hair is not None:
        files |= hair_assets(hair, origin, GENERATOR, pool)
    return files


def glb_maps(maps: SurfaceMaps) -> GlbMaps:
    """The maps as head.glb has them, at half their resolution: normals, and occlusion, roughness and metal.

    Args:
        maps: Of the head.
    """
    half = (maps.roughness.shape[1] // 2, maps.roughness.shape[0] // 2)
    packed = np.dstack([maps.occlusion, maps.roughness, np.zeros_like(maps.roughness)])
    normal, packed = (
        cv2.resize(picture, half, interpolation=cv2.INTER_AREA) for picture in (maps.normal, packed)
    )
    return GlbMaps(jpeg_bytes(normal, MAP_JPEG_QUALITY), jpeg_bytes(packed, MAP_JPEG_QUALITY))


def lash_texture(image: np.ndarray, topology: HeadTopology) -> bytes:
    """The lashes' part of a texture as a PNG file of the same size: JPEG has no alpha.

    Args:
        image: (S, S, 4) uint8 sRGB and coverage.
        topology: The head's.
    """
    window = lash_window(topology, len(image))
    left, top, right, bottom = window
    return _window_bytes(len(image), window, image[top:bottom, left:right].tobytes())


@lru_cache(maxsize=1)
def _window_bytes(side: int, window: tuple[int, int, int, int], pixels: bytes) -> bytes:
    """A picture of side² RGBA pixels, transparent but for a window, as a PNG file.

    Lashes are painted alike on all heads: they are encoded for the first.
    """
    left, top, right, bottom = window
    picture = np.zeros((side, side, 4), np.uint8)
    shape = bottom - top, right - left, 4
    picture[top:bottom, left:right] = np.frombuffer(pixels, np.uint8).reshape(shape)
    return texture_bytes(picture, small=True)


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


def about_adjustments(adjusted: AdjustedHead) -> dict[str, Any]:
    """What face.json says of corrections by hand: they can be taken from there and repeated."""
    before = {name: view.pose for name, view in adjusted.base.further.items()}
    moved = {name: pose for name, pose in before.items() if adjusted.further[name].pose is not pose}
    return {
        **adjusted.adjustments.document(),
        "errors_px": {name: round(error, 3) for name, error in adjusted.errors_px.items()},
        "base_pose": _exact(adjusted.base.pose),
        **({"base_poses": {name: _exact(pose) for name, pose in moved.items()}} if moved else {}),
    }


def _exact(pose: HeadPose) -> dict[str, Any]:
    """A pose with all its digits."""
    return {
        "rotation_head_to_camera": pose.rotation.tolist(),
        "translation_m": pose.translation.tolist(),
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
