"""Reads the results of a reconstruction from their folders. No bpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SurfaceFileError
from .face_document import FaceDocument
from .hair_npz import HairData, read_hair_of
from .head_npz import FILE_NAME as HEAD_FILE
from .head_npz import TEXTURE, HeadData, read_head
from .ply import SurfaceMesh, read_ply


@dataclass(frozen=True)
class LoadedHead:
    """One face's results, read from its folder; `head`, texture `albedo` and `hair` if they were ordered."""

    photo: Path
    folder: Path
    surface: SurfaceMesh
    record: FaceDocument
    head: HeadData | None = None
    albedo: Path | None = None
    hair: HairData | None = None

    @property
    def name(self) -> str:
        """After the photo, numbered if it has several faces."""
        return self.folder.name


def _folders(answer: Mapping[str, Any]) -> list[tuple[Path, dict[str, str]]]:
    """(folder, files) of each face in an answer. Raises SurfaceFileError if it is none."""
    faces = answer.get("faces")
    found = []
    for face in faces if isinstance(faces, list) else [None]:
        folder, files = (face.get("folder"), face.get("files")) if isinstance(face, dict) else (None, None)
        if (
            not isinstance(folder, str)
            or not isinstance(files, dict)
            or not {"face.json", "surface.ply"} <= files.keys()
        ):
            raise SurfaceFileError(
                "The engine's answer is incomplete: it may be of another version. Set it up again."
            )
        if not all(isinstance(path, str) for path in files.values()):
            raise SurfaceFileError("The engine's answer names no files: it may be of another version.")
        found.append((Path(folder), files))
    return found


def load_heads(photo: Path, answer: Mapping[str, Any]) -> list[LoadedHead]:
    """Read what the engine wrote for each face.

    Args:
        photo: The photo that was reconstructed.
        answer: The engine's answer to "reconstruct": under "faces", each with its "folder" and "files".

    Returns:
        The heads, in the answer's order: the largest face first.

    Raises:
        HeadFileError: A head's file, or its hair's, is missing, damaged or of another version.
        SurfaceFileError: The same for a surface or a face.json.
    """
    heads = []
    for folder, files in _folders(answer):
        record = FaceDocument.read(Path(files["face.json"]))
        head = read_head(files[HEAD_FILE]) if HEAD_FILE in files else None
        albedo = Path(files[TEXTURE]) if TEXTURE in files else None
        hair = read_hair_of(folder) if head else None
        heads.append(LoadedHead(photo, folder, read_ply(files["surface.ply"]), record, head, albedo, hair))
    return heads
