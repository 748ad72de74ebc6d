"""The files of an animation-ready head: head.npz, head.glb, albedo.png, albedo_mask.png."""

from concurrent.futures import Executor, Future
from dataclasses import dataclass
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
from .image_bytes import JPEG_QUALITY, jpeg_files, texture_bytes
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
#: Bytes of head.glb without hair, with a texture of so many texels across, or fewer; larger ones have as much
#: more as they have texels.
GLB_BYTES = 4_000_000
GLB_TEXTURE_SIZE = 2048
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
        pictures = HeadPictures(albedo.image, albedo.maps)
        return head_glb_bytes(head, pictures, GENERATOR, lash_texture=lashes, hair=hair)

    files["head.glb"] = pool.submit(glb)
    if hair is not None:
        files |= hair_assets(hair, origin, GENERATOR, pool)
    return files


@dataclass(frozen=True)
class HeadPictures:
    """The texture and its maps as head.glb has them: JPEG files, maps at half the resolution.

    Attributes:
        image: (S, S, 4) uint8 sRGB and coverage.
        maps: Of the head, S texels square; None for none.
    """

    image: np.ndarray
    maps: SurfaceMaps | None

    @property
    def with_maps(self) -> bool:
        """Whether there are maps."""
        return self.maps is not None

    def encode(self, others: int) -> tuple[bytes, GlbMaps | None]:
        """Encode them so small that head.glb keeps to GLB_BYTES.

        Args:
            others: Bytes of all else in it but hair.

        Returns:
            The texture; normals, and occlusion, roughness and metal.
        """
        size = self.image.shape[0]
        limit = (GLB_BYTES - others) * max(1, (size / GLB_TEXTURE_SIZE) ** 2)
        pictures = [(self.image[..., :3], JPEG_QUALITY)]
        if self.maps is not None:
            rough = self.maps.roughness
            packed = np.dstack([self.maps.occlusion, rough, np.zeros_like(rough)])
            for picture in (self.maps.normal, packed):
                half = cv2.resize(picture, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
                pictures.append((half, MAP_JPEG_QUALITY))
        files = jpeg_files(pictures, int(limit))
        return files[0], None if self.maps is None else GlbMaps(*files[1:])


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
