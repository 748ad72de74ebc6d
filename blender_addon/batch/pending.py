"""What of a photo's heads is still right, and what has to be made. No bpy."""

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import SurfaceFileError
from ..heads import manifest
from .local_processor import KeptHead
from .plan import SURFACE, BatchPlan
from .record import HeadRecord, PhotoRecord

#: Failures that say nothing of the photo itself: it is tried again in the next run.
PASSING = (
    *("EngineStartError", "OutputError", "OutOfMemory", "OSError", "NoSpaceError"),
    *("Interrupted", "NoSuchPhoto"),
)


@dataclass(frozen=True)
class PendingWork:
    """What is to be done for a photo: `reconstruct` and `kept` as in `local_processor.PhotoTask`."""

    reconstruct: bool
    kept: tuple[KeptHead, ...] = ()


def pending_work(
    before: PhotoRecord | None,
    plan: BatchPlan,
    fingerprints: Mapping[str, str],
    out: Path,
    *,
    tried: Collection[str] = (),
    retry_failed: bool = False,
) -> PendingWork | None:
    """What has to be made for a photo; None if nothing has.

    before: what came of it in earlier runs. fingerprints: of the plan's steps for this photo. tried: what
    `PhotoRecord.tried` would be if the photo failed; one that did already is skipped unless `retry_failed`.
    """
    if before is None:
        return PendingWork(reconstruct=True)
    failed = before.tried in tried and before.error_kind not in PASSING
    if failed and not retry_failed:
        return None
    if not before.heads:
        return PendingWork(reconstruct=True)
    there = {head.folder: _names_in(out / head.folder) for head in before.heads}

    def right(head: HeadRecord, step: str) -> bool:
        made = head.steps.get(step)
        if made is None or made.fingerprint != fingerprints[step]:
            return False
        if made.error is not None:
            return not retry_failed and made.error_kind not in PASSING
        return set(made.files) <= there[head.folder] and (
            step not in outside or os.path.isfile(os.path.join(outside[step], str(made.facts.get("file"))))
        )

    blender_worker = [step.name for step in plan.steps]
    # A late step's file is in a folder of its own.
    outside = {step.name: str(step.options["library"]) for step in plan.steps if step.late}
    todo = {head.folder: [name for name in blender_worker if not right(head, name)] for head in before.heads}
    listed = all(manifest.FILE_NAME in there[head.folder] for head in before.heads)
    whole = listed and all(right(head, step) for head in before.heads for step in plan.engine_steps)
    if whole and not any(todo.values()):
        return None
    # Another photo, or another version: nothing fits the new surface.
    surfaces = [head.steps[SURFACE].fingerprint for head in before.heads if SURFACE in head.steps]
    same = surfaces == [fingerprints[SURFACE]] * len(before.heads)
    if not (same and listed):
        return PendingWork(reconstruct=True)
    try:
        for head in before.heads:
            manifest.read(out / head.folder)
    except SurfaceFileError:
        return PendingWork(reconstruct=True)
    kept = tuple(_kept(head, todo[head.folder], blender_worker, plan, out) for head in before.heads)
    return PendingWork(reconstruct=not whole, kept=kept)


def _kept(
    head: HeadRecord, todo: list[str], blender_worker: list[str], plan: BatchPlan, out: Path
) -> KeptHead:
    needs = {need for step in plan.steps if step.name in todo for need in step.needs}
    return KeptHead(
        str(out / head.folder),
        tuple(todo),
        inputs=tuple(name for need in needs if need in head.steps for name in head.steps[need].files),
        keep={name: head.steps[name].files for name in blender_worker if name not in todo},
        stale=tuple(name for step in todo if step in head.steps for name in head.steps[step].files),
    )


def _names_in(folder: Path) -> set[str]:
    """Files below a folder, with "/", that are not empty."""
    paths = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {
        os.path.relpath(path, folder).replace(os.sep, "/")
        for path in paths
        if os.path.isfile(path) and os.path.getsize(path)
    }


def sha256(path: Path, before: PhotoRecord | None = None) -> tuple[str | None, int, int]:
    """(SHA-256, size, time of change) of a photo; (None, -1, -1) if it cannot be read: the engine says why.

    If size and time are those of `before`, so is the rest.
    """
    try:
        status = path.stat()
        stamp = status.st_size, status.st_mtime_ns
        if before and before.sha256 and (before.size, before.mtime_ns) == stamp:
            return before.sha256, *stamp
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest(), *stamp
    except OSError:
        return None, -1, -1
