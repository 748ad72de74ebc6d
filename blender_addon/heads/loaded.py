"""Reads the results of a reconstruction from their folders. No bpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .face_document import FaceDocument
from .head_npz import FILE_NAME as HEAD_FILE
from .head_npz import TEXTURE, HeadData, read_head
from .ply import SurfaceMesh, read_ply


@dataclass(frozen=True)
class LoadedHead:
    """One face's results, read from its folder; `head` and `albedo`, its texture, if they were ordered."""

    photo: Path
    folder: Path
    surface: SurfaceMesh
    record: FaceDocument
    head: HeadData | None = None
    albedo: Path | None = None

    @property
    def name(self) -> str:
        """After the photo, numbered if it has several faces."""
        return self.folder.name


def load_heads(photo: Path, answer: Mapping[str, Any]) -> list[LoadedHead]:
    """Read what the engine wrote for each face.

    Args:
        photo: The photo that was reconstructed.
        answer: The engine's answer to "reconstruct": under "faces", each with its "folder" and "files".

    Returns:
        The heads, in the answer's order: the largest face first.

    Raises:
        HeadFileError: A head's file is missing, damaged or of another version.
        SurfaceFileError: The same for a surface or a face.json.
    """
    heads = []
    for face in answer["faces"]:
        folder, files = Path(face["folder"]), face["files"]
        record = FaceDocument.read(Path(files["face.json"]))
        head = read_head(files[HEAD_FILE]) if HEAD_FILE in files else None
        albedo = Path(files[TEXTURE]) if TEXTURE in files else None
        heads.append(LoadedHead(photo, folder, read_ply(files["surface.ply"]), record, head, albedo))
    return heads
