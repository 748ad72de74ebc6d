"""Reads the results of a reconstruction from their folders. No bpy."""

from collections.abc import Mapping, Sequence
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
    """One face's results, read from its folder; `head`, texture `albedo` and `hair` if they were ordered.

    `photos`: those of a person that one head was made of, as `record.views` has them; `photo` is the main
    one. Empty for the head of one photo.
    """

    photo: Path
    folder: Path
    surface: SurfaceMesh
    record: FaceDocument
    head: HeadData | None = None
    albedo: Path | None = None
    hair: HairData | None = None
    photos: tuple[Path, ...] = ()

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


def load_heads(photo: Path, answer: Mapping[str, Any], photos: Sequence[Path] = ()) -> list[LoadedHead]:
    """Read what the engine wrote for each face.

    Args:
        photo: The photo that was reconstructed.
        answer: The engine's answer to "reconstruct": under "faces", each with its "folder" and "files".
        photos: All photos, if they were several of one person.

    Returns:
        The heads, in the answer's order: the largest face first.

    Raises:
        HeadFileError: A head's file, or its hair's, is missing, damaged or of another version.
        SurfaceFileError: The same for a surface or a face.json, or the engine does not know several photos.
    """
    heads = []
    for folder, files in _folders(answer):
        record = FaceDocument.read(Path(files["face.json"]))
        main = record.main_view
        if photos and (main is None or len(record.views) != len(photos)):
            raise SurfaceFileError(
                "The engine says nothing of several photos: it may be of another version. Set it up again."
            )
        own = photos[main] if photos and main is not None else photo
        head = read_head(files[HEAD_FILE]) if HEAD_FILE in files else None
        albedo = Path(files[TEXTURE]) if TEXTURE in files else None
        hair = read_hair_of(folder) if head else None
        surface = read_ply(files["surface.ply"])
        heads.append(LoadedHead(own, folder, surface, record, head, albedo, hair, tuple(photos)))
    return heads
