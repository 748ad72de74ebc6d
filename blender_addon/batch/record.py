"""batch.json: what was asked for and what came of it. No bpy."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1
FILE_NAME = "batch.json"


@dataclass(frozen=True)
class Head:
    """One reconstructed face: its folder's name below the output folder and the files in it."""

    folder: str
    files: list[str]
    vertices: int
    faces: int


@dataclass(frozen=True)
class Outcome:
    """What came of one photo. `timings` are seconds by step; `error` is None if all went well."""

    path: str
    shown: str
    sha256: str | None = None
    error: str | None = None
    error_kind: str | None = None
    heads: list[Head] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Record:
    """The record of an output folder, over all the runs that wrote to it."""

    engine: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    photos: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def load(cls, out: Path) -> "Record":
        """The record in `out`, an empty one if there is none that can be read."""
        try:
            data = json.loads((out / FILE_NAME).read_text("utf-8"))
            if data["schema"] != SCHEMA:
                return cls()
            photos = [Outcome(**{**p, "heads": [Head(**h) for h in p["heads"]]}) for p in data["photos"]]
        except (OSError, ValueError, KeyError, TypeError):
            return cls()
        return cls(photos={photo.path: photo for photo in photos})

    def save(self, out: Path) -> Path:
        """Write the record into `out`, complete or not at all."""
        data = {"schema": SCHEMA, **asdict(self), "photos": [asdict(p) for p in self.photos.values()]}
        path = out / FILE_NAME
        partial = out / (FILE_NAME + ".part")
        # ASCII: a file name may hold bytes that are no text, which UTF-8 would refuse.
        partial.write_text(json.dumps(data, indent=1) + "\n", "ascii")
        os.replace(partial, path)
        return path

    def owners(self) -> dict[str, Path]:
        """Folder name -> photo that it was made of."""
        return {head.folder: Path(photo.path) for photo in self.photos.values() for head in photo.heads}
