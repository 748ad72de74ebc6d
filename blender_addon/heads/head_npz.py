"""Reads the engine's head.npz. numpy, no bpy."""

import json
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import HeadFileError

FILE_NAME, TEXTURE = "head.npz", "albedo.png"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class HeadData:
    """The animation-ready head; head frame, metres, V vertices, F quads, U texture coordinates.

    neutral, photo: (V, 3) float32, at rest and as photographed. units: (52, V, 3) float32 offsets from the
    neutral; unit_names: Apple's. expression: (52,) float32 weights of the units in the photo. confidence,
    deviation: (V,) float32, how well the photo saw the vertex (0..1), and metres from the surface. quads:
    (F, 4) int32; uv: (U, 2) float32, v up; quad_uv: (F, 4) int32. face_material, face_part: (F,) int8 into
    material_names and part_names. landmark, ibug68: (478,) and (68,) int32 vertices. provenance: what the
    head was made of and by what.
    """

    neutral: np.ndarray
    photo: np.ndarray
    units: np.ndarray
    unit_names: tuple[str, ...]
    expression: np.ndarray
    confidence: np.ndarray
    deviation: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    quad_uv: np.ndarray
    face_material: np.ndarray
    material_names: tuple[str, ...]
    face_part: np.ndarray
    part_names: tuple[str, ...]
    landmark: np.ndarray
    ibug68: np.ndarray
    provenance: dict[str, Any]


def read_head(path: str | os.PathLike) -> HeadData:
    """Read a head.npz. Raises HeadFileError."""
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as data:
            version = int(data["format_version"])
            if version != FORMAT_VERSION:
                raise ValueError(f"format {version} instead of {FORMAT_VERSION}")
            head = _parse({name: data[name] for name in data.files})
    except FileNotFoundError as error:
        raise HeadFileError(f"There is no file {path}. Reconstruct the photo again, with a head.") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise HeadFileError(
            f"{path} is no head written by this version's engine, or damaged ({error}). "
            "Reconstruct the photo again."
        ) from error
    count = len(head.neutral)
    if head.photo.shape != (count, 3) or head.units.shape != (len(head.unit_names), count, 3):
        raise HeadFileError(
            f"{path} is damaged: its shapes do not fit together. Reconstruct the photo again."
        )
    return head


def _parse(arrays: dict[str, np.ndarray]) -> HeadData:
    values: dict[str, Any] = {field.name: arrays[field.name] for field in fields(HeadData)}
    for name in ("unit_names", "material_names", "part_names"):
        values[name] = tuple(str(one) for one in values[name])
    values["units"] = values["units"].astype(np.float32)
    values["provenance"] = json.loads(str(values["provenance"]))
    return HeadData(**values)
