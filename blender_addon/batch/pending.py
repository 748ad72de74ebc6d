"""What of a photo's heads is still valid, and what has to be made. No bpy."""

import hashlib
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..blender.regular_file import sha256_of
from ..errors import AddonError, SurfaceFileError
from ..heads import manifest
from .local_processor import KeptHead
from .plan import SURFACE, BatchPlan
from .record import HeadRecord, PhotoRecord, StepRecord
from .storage import contained, is_plain_name, is_regular

#: Failures that say nothing of the photo itself: it is tried again in the next run.
PASSING = (
    *("EngineStartError", "OutputError", "OutOfMemory", "OSError", "NoSpaceError", "ModelError"),
    *("Interrupted", "NoSuchPhoto", "UnsafePathError", "PayloadError"),
)
#: Where a step that writes outside the head's folder notes the name of what it wrote.
FILE_FACT = "file"
#: Where its size is noted.
BYTES_FACT = "bytes"
#: Where its SHA-256 is noted.
HASH_FACT = "sha256"


@dataclass(frozen=True)
class PendingWork:
    """What is to be done for a photo: `reconstruct` and `kept` as in `local_processor.PhotoTask`."""

    reconstruct: bool
    kept: tuple[KeptHead, ...] = ()


@dataclass(frozen=True)
class HeadOnDisk:
    """A head's folder as it is now, against what its face.json says.

    Attributes:
        folder: Absolute.
        document: Its face.json; None if that is missing or damaged.
        verify: Whether hashes are compared, beside sizes.
    """

    folder: Path
    document: dict[str, Any] | None
    verify: bool = False
    _checked: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, verify: bool = False, manifest_sha256: str | None = None) -> "HeadOnDisk":
        """The head in `folder`.

        Args:
            folder: Absolute.
            verify: Whether hashes are compared, beside sizes.
            manifest_sha256: Which face.json is valid if they are; None: any is.
        """
        document = None
        path = folder / manifest.FILE_NAME
        if is_regular(path):
            try:
                if not verify or manifest_sha256 in (None, sha256_of(path)):
                    document = manifest.read(folder)
            except (SurfaceFileError, RecursionError, OSError):
                document = None
        if document is not None and not _is_sound(document):
            document = None
        return cls(folder, document, verify)

    def has(self, name: str) -> bool:
        """Whether a file is there as it was made: of the size, and with `verify` the hash, in face.json."""
        if name not in self._checked:
            self._checked[name] = self._has(name)
        return self._checked[name]

    def _has(self, name: str) -> bool:
        if self.document is None:
            return False
        if name == manifest.FILE_NAME:
            return True
        about = self.document.get("files", {}).get(name)
        try:
            path = contained(self.folder, name)
            status = path.lstat()
            if not isinstance(about, dict) or not stat.S_ISREG(status.st_mode):
                return False
            if status.st_size != about.get("bytes") or not status.st_size:
                return False
            return not self.verify or sha256_of(path) == about.get("sha256")
        except (AddonError, OSError):
            return False


def _is_sound(document: Mapping[str, Any]) -> bool:
    """Whether the parts of a face.json that are relied on are of their types."""
    files, steps = document.get("files", {}), document.get("steps", {})
    return (
        isinstance(steps, dict)
        and isinstance(files, dict)
        and all(isinstance(f, dict) for f in files.values())
    )


def pending_work(
    before: PhotoRecord | None,
    plan: BatchPlan,
    fingerprints: Mapping[str, str],
    out: Path,
    *,
    tried: Collection[str] = (),
    retry_failed: bool = False,
    verify: bool = False,
) -> PendingWork | None:
    """What has to be made for a photo.

    Args:
        before: What came of it in earlier runs.
        plan: What is wanted.
        fingerprints: Of the plan's steps for this photo.
        out: The output folder.
        tried: What `PhotoRecord.tried` would be if the photo failed; one that did already is skipped unless
            `retry_failed`.
        retry_failed: Whether failed photos and steps are tried again.
        verify: Whether files are compared by their hashes, beside their sizes.

    Returns:
        None if nothing has to be made.
    """
    if before is None:
        return PendingWork(reconstruct=True)
    failed = before.tried in tried and before.error_kind not in PASSING
    if failed and not retry_failed:
        return None
    if not before.heads:
        return PendingWork(reconstruct=True)
    existing = {
        head.folder: HeadOnDisk.read(out / head.folder, verify, head.manifest_sha256) for head in before.heads
    }
    # A late step's file is in a folder of its own.
    outside = {step.name: Path(str(step.options["library"])) for step in plan.steps if step.late}

    def is_valid(head: HeadRecord, step: str) -> bool:
        made = head.steps.get(step)
        if made is None or made.fingerprint != fingerprints[step]:
            return False
        if made.error is not None:
            return not retry_failed and made.error_kind not in PASSING
        if step in outside and not _is_outside_file_valid(outside[step], made, verify):
            return False
        return all(map(existing[head.folder].has, made.files))

    blender_steps = [step.name for step in plan.steps]
    todo = {
        head.folder: [name for name in blender_steps if not is_valid(head, name)] for head in before.heads
    }
    listed = all(existing[head.folder].document is not None for head in before.heads)
    complete = listed and all(is_valid(head, step) for head in before.heads for step in plan.engine_steps)
    if complete and not any(todo.values()):
        return None
    # Another photo, or another version: nothing fits the new surface.
    surfaces = [head.steps[SURFACE].fingerprint for head in before.heads if SURFACE in head.steps]
    same = surfaces == [fingerprints[SURFACE]] * len(before.heads)
    if not (same and listed):
        return PendingWork(reconstruct=True)
    kept = tuple(_kept(head, todo[head.folder], blender_steps, plan, out) for head in before.heads)
    return PendingWork(reconstruct=not complete, kept=kept)


def _is_outside_file_valid(folder: Path, made: StepRecord, verify: bool) -> bool:
    """Whether the file that a late step wrote into `folder` is there, of the size and hash noted for it."""
    name, size, digest = (made.facts.get(fact) for fact in (FILE_FACT, BYTES_FACT, HASH_FACT))
    if not is_plain_name(name):
        return False
    path = folder / str(name)
    try:
        if not is_regular(path) or size not in (None, path.stat().st_size):
            return False
        return not verify or digest is None or sha256_of(path) == digest
    except OSError:
        return False


def _kept(
    head: HeadRecord, todo: list[str], blender_steps: list[str], plan: BatchPlan, out: Path
) -> KeptHead:
    needs = {need for step in plan.steps if step.name in todo for need in step.needs}
    current = {file for name, step in head.steps.items() if name not in todo for file in step.files}
    return KeptHead(
        str(out / head.folder),
        tuple(todo),
        inputs=tuple(name for need in needs if need in head.steps for name in head.steps[need].files),
        keep={name: head.steps[name].files for name in blender_steps if name not in todo},
        # Not only what the record has of `todo`: of a step whose committing was cut short it has nothing.
        stale=tuple(file for file in head.files if file not in current and file != manifest.FILE_NAME),
    )


def views_hash(
    views: Sequence[Path], before: PhotoRecord | None = None, verify: bool = False
) -> tuple[str | None, int, int]:
    """SHA-256 of one person's photos together, their size in bytes, and a number of their names and times.

    Args:
        views: The photos.
        before: The person's record, as for `photo_hash`.
        verify: Whether they are read whatever the record says.

    Returns:
        (None, -1, -1) if one of them cannot be read.
    """
    try:
        stats = [path.stat() for path in views]
        # Photos that have changed places or names have the same sizes and times.
        each = "".join(
            f"{os.fsencode(path.name).hex()} {stat.st_size} {stat.st_mtime_ns}\n"
            for path, stat in zip(views, stats, strict=True)
        )
        number = int.from_bytes(hashlib.sha256(each.encode("ascii")).digest()[:7], "big")
        stamp = sum(stat.st_size for stat in stats), number
        if not verify and before and before.sha256 and (before.size, before.mtime_ns) == stamp:
            return before.sha256, *stamp
        each = "".join(f"{sha256_of(path)} {os.fsencode(path.name).hex()}\n" for path in views)
        return hashlib.sha256(each.encode("ascii")).hexdigest(), *stamp
    except OSError:
        return None, -1, -1


def photo_hash(
    path: Path, before: PhotoRecord | None = None, verify: bool = False
) -> tuple[str | None, int, int]:
    """A photo's SHA-256, size in bytes, and time of change in ns.

    Args:
        path: The photo.
        before: Its record. If size and time are those of the record, so is the hash, and the photo is not
            read.
        verify: Whether it is read all the same.

    Returns:
        (None, -1, -1) if it cannot be read: the engine says why.
    """
    try:
        status = path.stat()
        stamp = status.st_size, status.st_mtime_ns
        if not verify and before and before.sha256 and (before.size, before.mtime_ns) == stamp:
            return before.sha256, *stamp
        return sha256_of(path), *stamp
    except OSError:
        return None, -1, -1
