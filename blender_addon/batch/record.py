"""batch.json: what was asked for and what came of it, over all runs that wrote to a folder. No bpy.

Between two savings each photo is one line of batch.journal, so that a kill loses nothing that was finished
and a batch of thousands does not rewrite the whole record for each of them.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

#: 2: steps with fingerprints. Files of 1 are read too; their heads count as made by unknown options.
SCHEMA = 2
FILE_NAME = "batch.json"
JOURNAL_NAME = "batch.journal"
#: Where the file has the Blender worker's versions: its name in files of 0.1.
BLENDER_WORKER_KEY = "studio"
#: `error_kind` of a photo that a killed run was filing away.
INTERRUPTED = "Interrupted"


@dataclass(frozen=True)
class StepRecord:
    """One step of one head. fingerprint: of all that the step depends on (see `plan`). files: below the
    head's folder, with "/". facts: as the step told them. error: why there are no files, None if there are;
    error_kind: the reason's name.
    """

    fingerprint: str
    files: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True)
class HeadRecord:
    """One reconstructed face: its folder's name below the output folder and the files in it.

    steps: by name, "surface" and "head" for what the engine made. quality: what face.json says, without the
    measures: "verdict", "reasons", "expected_error_mm", "error_spread_mm"; empty if the engine judges none.
    """

    folder: str
    files: list[str]
    vertices: int
    faces: int
    steps: dict[str, StepRecord] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str | None:
        """How far to trust the head, "good", "check" or "poor"; None if it is not known."""
        return self.quality.get("verdict")


@dataclass(frozen=True)
class PhotoRecord:
    """What came of one photo. `timings` are seconds by step; `error` is None if all went well.

    size, mtime_ns: of the photo's file when `sha256` was taken. attempts: how often the photo was tried.
    tried: fingerprint of what was asked for when it failed. heads: what is in place, also from earlier runs.
    """

    path: str
    shown: str
    sha256: str | None = None
    error: str | None = None
    error_kind: str | None = None
    heads: list[HeadRecord] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    size: int = -1
    mtime_ns: int = -1
    attempts: int = 1
    tried: str | None = None


@dataclass
class BatchRecord:
    """The record of an output folder, over all the runs that wrote to it.

    Attributes:
        engine: Versions, as the engine reports them.
        blender_worker: Versions, as the Blender worker reports them; "studio" in the file.
        inputs: Photos and folders as they were named, absolute.
        options: Those of the last run, by name.
        started: ISO 8601, UTC.
        finished: ISO 8601, UTC.
        timings: Seconds by step.
        photos: By path.
    """

    engine: dict[str, Any] = field(default_factory=dict)
    blender_worker: dict[str, Any] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    photos: dict[str, PhotoRecord] = field(default_factory=dict)

    @classmethod
    def load(cls, out: Path) -> "BatchRecord":
        """The record in `out`, an empty one if there is none that can be read."""
        record = cls()
        try:
            data = json.loads((out / FILE_NAME).read_text("utf-8"))
            if data.pop("schema") in (1, SCHEMA):
                data["blender_worker"] = data.pop(BLENDER_WORKER_KEY, {})
                photos = [_outcome(photo) for photo in data.pop("photos")]
                record = cls(**data, photos={photo.path: photo for photo in photos})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            record = cls()
        record._replay(out)
        return record

    def save(self, out: Path) -> Path:
        """Write the record into `out`, complete or not at all; the journal has then done its duty."""
        data = {"schema": SCHEMA, **asdict(self), "photos": [asdict(p) for p in self.photos.values()]}
        data[BLENDER_WORKER_KEY] = data.pop("blender_worker")
        path = out / FILE_NAME
        partial = out / (FILE_NAME + ".part")
        # ASCII: a file name may hold bytes that are no text, which UTF-8 would refuse.
        partial.write_text(json.dumps(data, indent=1) + "\n", "ascii")
        os.replace(partial, path)
        (out / JOURNAL_NAME).unlink(missing_ok=True)
        return path

    def begin(self, out: Path, photo: PhotoRecord, heads: Sequence[HeadRecord]) -> None:
        """Note, before anything is moved, that these heads' files and steps are about to be replaced."""
        started = replace(photo, heads=list(heads))
        self._note(out, {"begin": asdict(started)})
        self.photos[photo.path] = self._begun(started)

    def finish(self, out: Path, photo: PhotoRecord) -> None:
        """Note what came of a photo."""
        self.photos[photo.path] = photo
        self._note(out, {"photo": asdict(photo)})

    def owners(self) -> dict[str, Path]:
        """Folder name -> photo that it was made of."""
        return {head.folder: Path(photo.path) for photo in self.photos.values() for head in photo.heads}

    def _note(self, out: Path, entry: dict[str, Any]) -> None:
        # A line that a kill cuts short must not swallow the next one.
        with open(out / JOURNAL_NAME, "a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(entry).encode("ascii") + b"\n")

    def _replay(self, out: Path) -> None:
        try:
            lines = (out / JOURNAL_NAME).read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                ((kind, data),) = json.loads(line).items()
                photo = _outcome(data)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # cut short by the kill
            self.photos[photo.path] = photo if kind == "photo" else self._begun(photo)

    def _begun(self, begun: PhotoRecord) -> PhotoRecord:
        """A photo whose heads were being filed away: the steps concerned count as not made."""
        before = self.photos.get(begun.path)
        heads = {head.folder: head for head in before.heads} if before else {}
        for head in begun.heads:
            old = heads.get(head.folder)
            steps = {k: v for k, v in old.steps.items() if k not in head.steps} if old else {}
            files = sorted({*head.files, *(old.files if old else ())})
            heads[head.folder] = replace(head, files=files, steps=steps)
        return replace(
            before or begun,
            heads=list(heads.values()),
            error="an earlier run was ended while it filed this photo away.",
            error_kind=INTERRUPTED,
            tried=None,
        )


def _outcome(data: dict[str, Any]) -> PhotoRecord:
    return PhotoRecord(**{**data, "heads": [_head(head) for head in data["heads"]]})


def _head(data: dict[str, Any]) -> HeadRecord:
    steps = {name: StepRecord(**step) for name, step in data.get("steps", {}).items()}
    return HeadRecord(**{**data, "steps": steps})
