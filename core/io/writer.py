"""Writes a reconstruction to a folder: surface.ply, surface.glb, landmarks.json, photo.png, face.json."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import OutputError
from ..geometry.frames import CROP_SIZE
from ..image.crop import cut_crop
from ..image.photo import Photo
from ..reconstructor import Reconstruction
from ..runtime.weights import file_sha256
from . import hair_files
from . import head_files as assets
from . import preview_glb as preview
from .head_ply import head_document, head_ply_bytes
from .image_bytes import texture_bytes
from .ply import ply_bytes
from .surface_glb import glb_bytes

#: What is written last: a folder that has it is complete.
MANIFEST = "face.json"
#: Raised whenever face.json changes so that a reader has to know.
SCHEMA_VERSION = 1
#: Side, pixels, of photo.png, the picture of the face that is laid beside the head.
PICTURE_SIZE = 512
#: The results belong to those who have the rights to the photo: the project claims none.
RESULT_LICENSE = "no rights claimed by Photobust; those of the photo apply"
MODELS = {
    "face_landmarker.task": ("Apache-2.0", "MediaPipe's face detector and landmarks"),
    "face_landmarker_full_range.task": (
        "Apache-2.0",
        "MediaPipe's face detector for small faces, and landmarks",
    ),
    "face_features.onnx": ("Apache-2.0", "MediaPipe's face network, for ONNX Runtime"),
    "face_features.safetensors": ("Apache-2.0", "MediaPipe's face network"),
    "albedo_model.npz": ("CC0-1.0", "Photobust's statistical model of skin's albedo"),
    "face_descriptor.npz": ("CC0-1.0", "Photobust's discriminants of faces"),
    "face_shading.npz": ("CC0-1.0", "Photobust's model of a face's shading"),
    "face_shape_model.npz": ("CC0-1.0", "Photobust's identities and expressions"),
    "head_template.npz": ("CC0-1.0", "MakeHuman's head"),
    "head_lods.npz": ("CC0-1.0", "the levels of detail of MakeHuman's head"),
    "head_rig.npz": ("CC0-1.0", "MakeHuman's rig"),
    "head_sliders.npz": ("CC0-1.0", "MakeHuman's targets for the head"),
    "quality_calibration.json": ("CC0-1.0", "Photobust's calibration of the expected error"),
    "hair_network.onnx": ("CC0-1.0", "Photobust's hair network, for ONNX Runtime"),
    "hair_network.safetensors": ("CC0-1.0", "Photobust's hair network"),
    "hair_strand_atlas.npz": ("CC0-1.0", "Photobust's locks of hair"),
    "landmark_symmetry.npz": ("CC0-1.0", "which landmarks mirror each other"),
    "landmark_lifter.safetensors": ("CC0-1.0", "Photobust's landmark lifter"),
    "profile_lifter.safetensors": ("CC0-1.0", "Photobust's landmark lifter for faces from the side"),
    "dense_lifter.safetensors": ("CC0-1.0", "Photobust's regressions on dense landmarks"),
    "dense_network.onnx": ("Apache-2.0", "Photobust's network for dense landmarks, for ONNX Runtime"),
    "dense_network.safetensors": ("Apache-2.0", "Photobust's network for dense landmarks"),
    "profile_network.onnx": ("Apache-2.0", "Photobust's network for faces from the side, for ONNX Runtime"),
    "profile_network.safetensors": ("Apache-2.0", "Photobust's network for faces from the side"),
    "segmentation_network.onnx": ("Apache-2.0", "Photobust's segmentation network, for ONNX Runtime"),
    "segmentation_network.safetensors": ("Apache-2.0", "Photobust's segmentation network"),
    "volume_network.onnx": ("CC0-1.0", "Photobust's volume network, for ONNX Runtime"),
    "volume_network.safetensors": ("CC0-1.0", "Photobust's volume network"),
}
DESCRIPTIONS = {
    "surface.ply": "closed surface in the head frame (meters, z up, the face looks along -y), sRGB colors,"
    " confidence 0..1",
    "surface.glb": "the same surface as glTF (y up, the face looks along +z), colors, attribute _CONFIDENCE",
    "head.ply": "the animation-ready head as photographed, in quads, head frame, confidence 0..1",
    "landmarks.json": "MediaPipe's 478 landmarks on surface.ply, null where it has none",
    "photo.png": "the face in the photo, upright",
    **assets.DESCRIPTIONS,
    **hair_files.DESCRIPTIONS,
    **preview.DESCRIPTIONS,
}


def png_bytes(rgb: np.ndarray) -> bytes:
    """Encode a picture as a PNG file.

    Args:
        rgb: (H, W, 3) uint8, sRGB.

    Raises:
        ValueError: It cannot be encoded.
    """
    return texture_bytes(rgb, noisy=True)


def points_json(points: np.ndarray) -> list[list[float] | None]:
    """Points as JSON holds them; micrometers are exact enough.

    Args:
        points: (N, 3) float, meters.

    Returns:
        A list of three numbers a point, None for those that are not finite.
    """
    rounded = np.round(points.astype(float), 6).tolist()
    finite = np.isfinite(points.astype(float)).all(1)
    return [point if known else None for point, known in zip(rounded, finite, strict=True)]


def readable_json(value: Any, depth: int = 2) -> str:
    """JSON with the outer levels spread over lines and long arrays kept on one.

    Args:
        value: What JSON can hold, without NaN and infinities.
        depth: How many levels are spread.

    Returns:
        The text.
    """
    if depth == 0 or not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    inner = ",\n".join(f"{json.dumps(key)}: {readable_json(item, depth - 1)}" for key, item in value.items())
    return "{\n" + "\n".join(f" {line}" for line in inner.split("\n")) + "\n}"


def manifest(reconstruction: Reconstruction, photo: Photo, files: dict[str, bytes]) -> dict[str, Any]:
    """What face.json says.

    Args:
        reconstruction: One face's.
        photo: What it was made from.
        files: Name -> content of the other files.

    Returns:
        The document, as JSON can hold it.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "generator": {"name": "Photobust", "version": __version__},
        "input": _about_input(photo),
        "detection": _about_detection(reconstruction),
        "camera": reconstruction.camera.document(photo.width, photo.height),
        "pose": reconstruction.pose.document(),
        "crop": {
            "size": CROP_SIZE,
            "matrix_photo_to_crop": reconstruction.frame.matrix.tolist(),
            "distance_m": reconstruction.frame.distance,
        },
        "landmarks": {
            "frame": "head: metres, z up, the face looks along -y, origin between the eyes' outer corners",
            "mediapipe478": points_json(reconstruction.landmark_points),
            "ibug68": points_json(reconstruction.landmark68),
        },
        "surface": {
            "vertices": len(reconstruction.surface.vertices),
            "faces": len(reconstruction.surface.faces),
        },
        **_about_head(reconstruction),
        "quality": reconstruction.quality.document(),
        **({"views": [view.document() for view in views]} if (views := reconstruction.views) else {}),
        "timings": {step: round(seconds, 4) for step, seconds in reconstruction.timings.items()},
        "files": {name: _about_file(name, data) for name, data in files.items()},
        "models": _about_models(reconstruction.models_dir, reconstruction.backend),
    }


def _about_input(photo: Photo) -> dict[str, Any]:
    return {
        "name": photo.name,
        "sha256": photo.sha256,
        "width": photo.width,
        "height": photo.height,
        "original_size": list(photo.original_size),
        "orientation": photo.orientation,
    }


def _about_detection(reconstruction: Reconstruction) -> dict[str, Any]:
    landmarks = reconstruction.landmarks
    return {
        "face_index": reconstruction.face_index,
        "attempt": landmarks.attempt,
        "box": [round(value, 1) for value in landmarks.box],
        **({"faces_omitted": omitted} if (omitted := reconstruction.faces_omitted) else {}),
        "landmarks_photo_px": np.round(landmarks.points.astype(float), 2).tolist(),
    }


def _about_head(reconstruction: Reconstruction) -> dict[str, Any]:
    """The head and what belongs to it, as far as there is any of it."""
    about: dict[str, Any] = {}
    if reconstruction.head:
        about["head"] = head_document(reconstruction.head)
    if reconstruction.adjusted:
        about["adjustments"] = assets.about_adjustments(reconstruction.adjusted)
    if reconstruction.albedo:
        about["texture"] = assets.about_texture(reconstruction)
    if hair := hair_files.about_hair(reconstruction.hair, reconstruction.hair_product):
        about["hair"] = hair
    return about


def _about_file(name: str, data: bytes) -> dict[str, Any]:
    return {
        "description": DESCRIPTIONS[name],
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": RESULT_LICENSE,
    }


def _about_models(folder: Path | None, backend: str | None) -> dict[str, Any]:
    """The models of a folder that a result was made with, or with some of them."""
    return {
        name: {"description": description, "licence": license_name, "sha256": file_sha256(folder / name)}
        for name, (license_name, description) in MODELS.items()
        if folder and (folder / name).is_file() and has_run(folder / name, backend)
    }


def has_run(path: Path, backend: str | None) -> bool:
    """Whether a file of the models is not merely there for another backend."""
    if backend == "onnx":
        return path.suffix != ".safetensors" or not path.with_suffix(".onnx").is_file()
    return backend is None or path.suffix != ".onnx"


def write_reconstruction(
    reconstruction: Reconstruction, photo: Photo, folder: str | Path, preview_model: bool = False
) -> dict[str, Path]:
    """Write all files of a reconstruction; face.json comes last: a folder that has it is complete.

    So face.json of an earlier reconstruction goes before the first of its files is replaced. A head takes the
    place of an earlier one with all its files: hair that only that one had is removed. Where the new files do
    not fit onto the disk, all of the earlier ones stay.

    Args:
        reconstruction: What is written.
        photo: The photo it was made from.
        folder: Where; made if need be.
        preview_model: Also write view.js, the small model that a batch's page shows.

    Returns:
        Name -> path of the files.

    Raises:
        OutputError: If something cannot be written.
        ValueError: If a picture cannot be encoded.
    """
    folder = Path(folder)
    points = {"points": points_json(reconstruction.landmark_points)}
    surface, picture = reconstruction.surface, cut_crop(photo.rgb, reconstruction.frame, PICTURE_SIZE)
    with ThreadPoolExecutor(2) as pool:
        ready = {
            "surface.ply": pool.submit(
                ply_bytes, surface.vertices, surface.faces, surface.confidence, surface.colors
            ),
            "surface.glb": pool.submit(glb_bytes, surface, f"Photobust {__version__}"),
            "landmarks.json": pool.submit(lambda: json.dumps(points, allow_nan=False).encode()),
            "photo.png": pool.submit(png_bytes, picture),
        }
        if reconstruction.head:
            ready["head.ply"] = pool.submit(head_ply_bytes, reconstruction.head)
            ready |= assets.head_assets(reconstruction, photo, pool)
        if preview_model:
            ready[preview.FILE_NAME] = pool.submit(_preview_model, reconstruction)
    files = {name: future.result() for name, future in ready.items()}
    files[MANIFEST] = readable_json(manifest(reconstruction, photo, files)).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace_files(folder, files)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"The results cannot be written to {folder} ({reason}): choose another folder, or make room in it"
        ) from error
    return {name: folder / name for name in files}


def _preview_model(reconstruction: Reconstruction) -> bytes:
    if reconstruction.head is None:
        return preview.surface_preview(reconstruction.surface, assets.GENERATOR)
    head, albedo, hair = reconstruction.head, reconstruction.albedo, reconstruction.hair
    return preview.head_preview(head, albedo, assets.GENERATOR, hair)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under another name and move it to its own when it is complete.

    Args:
        path: The file.
        data: Its content.

    Raises:
        OSError: If it cannot be written; nothing is left of it then.
    """
    temporary = _temporary(path)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _replace_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write a folder's files, by name, under other names, and move them to their own when all are complete.

    MANIFEST, the last of them, is not there while they are moved. Where there are results, what only an
    earlier head had is removed. Raises OSError if they cannot be written.
    """
    temporaries = {folder / name: _temporary(folder / name) for name in files}
    try:
        for temporary, data in zip(temporaries.values(), files.values(), strict=True):
            temporary.write_bytes(data)
        # A writer that was stopped leaves no MANIFEST.
        is_result = any((folder / name).is_file() for name in (MANIFEST, assets.FILE_NAME))
        (folder / MANIFEST).unlink(missing_ok=True)
        if is_result and assets.FILE_NAME in files:  # whoever reads a head takes the hair that is there
            for name in DESCRIPTIONS.keys() - files.keys():
                (folder / name).unlink(missing_ok=True)
        for path, temporary in temporaries.items():
            temporary.replace(path)
    except BaseException:
        for temporary in temporaries.values():
            temporary.unlink(missing_ok=True)
        raise


def _temporary(path: Path) -> Path:
    """The other name of a file that is not complete yet."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
