"""batch.json: what was asked for and what came of it, over all runs that wrote to a folder. No bpy.

Between two savings each photo is one line of batch.journal, so that a kill loses nothing that was finished
and a batch of thousands does not rewrite the whole record for each of them.

A record may come from anybody: types are checked as it is read, and heads whose names lead out of the output
folder, by themselves or through a link, count as not made.
"""

import errno
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..blender.atomic_file import sync_descriptor, sync_folder, write_all, write_file
from ..blender.regular_file import read_regular
from ..errors import BatchError, UnsafePathError
from . import checked_json
from .person_views import ViewRecord, view_records
from .storage import contained_folder, is_plain_name

#: 2: steps with fingerprints. Files of 1 are read too; their heads count as made by unknown options.
SCHEMA = 2
FILE_NAME = "batch.json"
JOURNAL_NAME = "batch.journal"
#: Where the file has the Blender worker's versions: its name in files of 0.1.
BLENDER_WORKER_KEY = "studio"
#: `error_kind` of a photo whose heads a killed run was committing.
INTERRUPTED = "Interrupted"
#: Larger records are refused, bytes: a photo takes 2 to 10 kB.
MAX_BYTES = 512 << 20
#: Records and journals of more values are refused: a photo has 100 to 400, a value takes up to 70 bytes.
MAX_VALUES = 20_000_000
#: A kill cuts one line of the journal; one that has more such lines was not written by a batch.
MAX_DAMAGED_LINES = 1000


@dataclass(frozen=True)
class StepRecord:
    """One step of one head.

    Attributes:
        fingerprint: Of all that the step depends on; see `plan`.
        files: Below the head's folder, with "/".
        facts: What the step reported, as JSON.
        seconds: How long it took.
        error: Why there are no files, None if there are.
        error_kind: The reason's name.
    """

    fingerprint: str
    files: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True)
class HeadRecord:
    """One reconstructed face.

    Attributes:
        folder: Its folder's name below the output folder.
        files: All files in it, with "/".
        vertices: Of the surface.
        faces: Of the surface.
        steps: By name, "surface" and "head" for what the engine made.
        quality: What face.json has, without the measures: "verdict", "reasons", "expected_error_mm",
            "error_spread_mm", and "corrections" if something is to be said of them; empty if the engine
            estimates none.
        manifest_sha256: Of its face.json; None if it is not known.
    """

    folder: str
    files: list[str]
    vertices: int
    faces: int
    steps: dict[str, StepRecord] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    manifest_sha256: str | None = None

    @property
    def verdict(self) -> str | None:
        """How far to trust the head, "good", "check" or "poor"; None if it is not known."""
        return self.quality.get("verdict")


@dataclass(frozen=True)
class PhotoRecord:
    """What came of one photo.

    Attributes:
        path: Absolute.
        shown: As the user wrote it.
        sha256: Of the file, None if it could not be read.
        error: None if all went well.
        error_kind: The reason's name.
        heads: What is in place, also from earlier runs.
        timings: Seconds by step.
        seconds: All together.
        size: Of the file when `sha256` was computed, bytes.
        mtime_ns: Its time of change then.
        attempts: How often the photo was tried.
        tried: Fingerprint of what was asked for when it failed.
        faces_omitted: Further faces that were found, but more than asked for.
        views: What became of each photo, if this is a folder of one person's.
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
    faces_omitted: int = 0
    views: list[ViewRecord] = field(default_factory=list)


@dataclass
class BatchRecord:
    """The record of an output folder, over all the runs that wrote to it.

    Attributes:
        engine: Versions, as the engine reports them.
        blender_worker: Versions, as the Blender worker reports them; "studio" in the file.
        inputs: Photos and folders as they were named, absolute.
        options: Those of the last run that concern its results, by name.
        started: ISO 8601, UTC.
        finished: ISO 8601, UTC.
        timings: Seconds by step.
        photos: By path.
        inputs_seal: That this user has named the inputs here, see `record_seal`.
    """

    engine: dict[str, Any] = field(default_factory=dict)
    blender_worker: dict[str, Any] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    photos: dict[str, PhotoRecord] = field(default_factory=dict)
    inputs_seal: str = ""

    @classmethod
    def load(cls, out: Path) -> "BatchRecord":
        """The record in `out`; an empty one if there is none that can be read.

        Raises:
            BatchError: It is larger than a batch's: it would take the memory of all else.
        """
        text = _read(out / FILE_NAME)
        try:
            record = _record(checked_json.parse(text), out)
        except ValueError:
            record = cls()
        record._replay(_read(out / JOURNAL_NAME), out)
        return record

    def save(self, out: Path) -> Path:
        """Write the record into `out`, complete or not at all; then the journal is no longer needed.

        Returns:
            The file's path.

        Raises:
            OSError: It cannot be written.
        """
        data = {"schema": SCHEMA, **asdict(self), "photos": [asdict(p) for p in self.photos.values()]}
        data[BLENDER_WORKER_KEY] = data.pop("blender_worker")
        path = out / FILE_NAME
        # ASCII: a file name may hold bytes that are no text, which UTF-8 would refuse.
        write_file(path, (json.dumps(data, indent=1) + "\n").encode("ascii"))
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
        """Append a line to the journal, and have it on the disk. Raises OSError."""
        path = out / JOURNAL_NAME
        flags = (
            os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        descriptor = os.open(path, flags, 0o666)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            line = json.dumps(entry).encode("ascii") + b"\n"
            if end:
                # A line that a kill cut short must not swallow this one.
                os.lseek(descriptor, end - 1, os.SEEK_SET)
                line = line if os.read(descriptor, 1) == b"\n" else b"\n" + line
            write_all(descriptor, line)
            sync_descriptor(descriptor)
        finally:
            os.close(descriptor)
        if not end:
            sync_folder(out)

    def _replay(self, journal: bytes, out: Path) -> None:
        damaged = 0
        for line in io.BytesIO(journal):
            if damaged > MAX_DAMAGED_LINES:
                return
            try:
                entry = checked_json.parse(line)
                ((kind, data),) = entry.items()
                photo = _photo(data, out)
            except ValueError:
                damaged += 1  # cut short by a kill
                continue
            if kind in ("photo", "begin"):
                self.photos[photo.path] = photo if kind == "photo" else self._begun(photo)

    def _begun(self, begun: PhotoRecord) -> PhotoRecord:
        """A photo whose heads were being committed: the steps concerned count as not made."""
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
            error="an earlier run was ended while it moved this photo's results into place.",
            error_kind=INTERRUPTED,
            tried=None,
        )


def _read(path: Path) -> bytes:
    """A file's content, nothing where there is none that can be read. Raises BatchError: it is too large."""
    try:
        data = read_regular(path, MAX_BYTES)
    except OSError as error:
        if error.errno != errno.EFBIG:
            return b""
        data = None
    if data is None or checked_json.most_values(data) > MAX_VALUES:
        raise BatchError(
            f"{path} is larger than the record of a batch: move it out of the folder, and the photos are "
            "reconstructed again. More than 20,000 photos are better split into several batches."
        )
    return data


def _record(data: dict[str, Any], out: Path) -> BatchRecord:
    """The record that a file has; photos that make no sense are left out. Raises ValueError."""
    if data.get("schema") not in (1, SCHEMA):
        raise ValueError("another version wrote it")
    photos: dict[str, PhotoRecord] = {}
    for entry in checked_json.array(data.get("photos")):
        try:
            photo = _photo(entry, out)
        except ValueError:
            continue
        photos[photo.path] = photo
    inputs = checked_json.array(data.get("inputs", []))
    return BatchRecord(
        engine=checked_json.mapping(data.get("engine", {})),
        blender_worker=checked_json.mapping(data.get(BLENDER_WORKER_KEY, {})),
        inputs=[checked_json.text(path) for path in inputs],
        options=checked_json.mapping(data.get("options", {})),
        started=checked_json.text(data.get("started", "")),
        finished=checked_json.text(data.get("finished", "")),
        timings=checked_json.timings(data.get("timings", {})),
        photos=photos,
        inputs_seal=checked_json.text(data.get("inputs_seal", "")),
    )


def _photo(entry: object, out: Path) -> PhotoRecord:
    """A photo's record; heads outside of `out` are left out. Raises ValueError."""
    data = checked_json.mapping(entry)
    heads = [_head(head) for head in checked_json.array(data.get("heads"))]
    return PhotoRecord(
        path=checked_json.text(data.get("path")),
        shown=checked_json.text(data.get("shown")),
        sha256=checked_json.optional_text(data.get("sha256")),
        error=checked_json.optional_text(data.get("error")),
        error_kind=checked_json.optional_text(data.get("error_kind")),
        heads=[head for head in heads if _is_inside(out, head)],
        timings=checked_json.timings(data.get("timings", {})),
        seconds=checked_json.number(data.get("seconds", 0.0)),
        size=checked_json.whole_number(data.get("size", -1)),
        mtime_ns=checked_json.whole_number(data.get("mtime_ns", -1)),
        attempts=checked_json.whole_number(data.get("attempts", 1)),
        tried=checked_json.optional_text(data.get("tried")),
        faces_omitted=checked_json.whole_number(data.get("faces_omitted", 0)),
        views=view_records(data.get("views", [])),
    )


def _head(entry: object) -> HeadRecord:
    data = checked_json.mapping(entry)
    steps = checked_json.mapping(data.get("steps", {}))
    if not is_plain_name(data.get("folder")):
        raise ValueError("a head's folder is no plain name")
    quality = checked_json.mapping(data.get("quality", {}))
    for part, kind in (("verdict", str), ("reasons", list), ("corrections", list)):
        if not isinstance(quality.get(part), kind):
            quality.pop(part, None)
    return HeadRecord(
        folder=checked_json.text(data.get("folder")),
        files=checked_json.names(data.get("files")),
        vertices=checked_json.whole_number(data.get("vertices")),
        faces=checked_json.whole_number(data.get("faces")),
        steps={name: _step(step) for name, step in steps.items()},
        quality=quality,
        manifest_sha256=checked_json.optional_text(data.get("manifest_sha256")),
    )


def _step(entry: object) -> StepRecord:
    data = checked_json.mapping(entry)
    return StepRecord(
        fingerprint=checked_json.text(data.get("fingerprint")),
        files=checked_json.names(data.get("files", [])),
        facts=checked_json.mapping(data.get("facts", {})),
        seconds=checked_json.number(data.get("seconds", 0.0)),
        error=checked_json.optional_text(data.get("error")),
        error_kind=checked_json.optional_text(data.get("error_kind")),
    )


def _is_inside(out: Path, head: HeadRecord) -> bool:
    try:
        contained_folder(out, head.folder)
    except (UnsafePathError, OSError):
        return False
    return True
