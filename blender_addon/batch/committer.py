"""Moves finished heads from their staging folder to their names. No bpy.

Each file is moved when it is complete. face.json, which says that the folder is, is taken away first where
the engine has made a new head, and comes back last. The record's journal is told before and after.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import JobCancelledError
from ..heads.manifest import FILE_NAME
from .local_processor import PhotoResult, PhotoTask, StagedHead, StepOutcome, add_seconds
from .names import FolderNames
from .processor import PhotoProcessor
from .record import BatchRecord, HeadRecord, PhotoRecord, StepRecord

#: Parts of a head's quality that the record keeps; face.json has all.
KEPT_QUALITY = ("verdict", "reasons", "expected_error_mm", "error_spread_mm")


class ResultCommitter:
    """Gives heads their names below `out`, and notes it in the record; for several threads."""

    def __init__(
        self,
        out: Path,
        record: BatchRecord,
        photos: Iterable[Path],
        lock: threading.RLock,
        stop: threading.Event,
    ) -> None:
        """`photos`: those of this run. `lock` guards the record. Nothing is moved after `stop`."""
        self._out = out
        self._record = record
        self._names = FolderNames(out, photos, record.owners())
        self._lock = lock
        self._stop = stop
        # Assets share a catalogue file.
        self._late_lock = threading.Lock()

    def name(
        self, job: PhotoProcessor, task: PhotoTask, done: PhotoResult, before: Sequence[HeadRecord]
    ) -> list[str]:
        """Name the heads of a photo, then run the steps that have to know that. before: what is there."""
        if task.reconstruct:
            with self._lock:
                names = self._names.claim(Path(task.photo), len(done.heads))
        else:
            names = [head.folder for head in before]
        several = len(task.kept) == len(names)
        for n, (name, head) in enumerate(zip(names, done.heads, strict=True)):
            todo = task.kept[n].todo if several else task.plan.names
            for step in task.plan.steps:
                if step.late and step.name in todo:
                    with self._late_lock:
                        options = {**step.options, "name": name}
                        made = job.run_step(head.folder, step, options, task.blender_timeout)
                    head.steps[step.name] = made
                    add_seconds(done.timings, {step.name: made.seconds})
        return names

    def file(
        self,
        photo: PhotoRecord,
        names: Sequence[str],
        done: PhotoResult,
        before: Sequence[HeadRecord],
        prints: Mapping[str, str],
    ) -> list[HeadRecord]:
        """Move the heads to their names; returns them. prints: fingerprints by step. Raises OSError."""
        there = {head.folder: head for head in before}
        pairs = [
            (staged, new_head(name, staged, there.get(name), prints))
            for name, staged in zip(names, done.heads, strict=True)
        ]
        with self._lock:
            if self._stop.is_set():
                raise JobCancelledError("Stopped.")
            self._record.begin(self._out, photo, [begun(head, staged) for staged, head in pairs])
            for staged, head in pairs:
                move(self._out, staged, head, there.get(head.folder))
            for name in there.keys() - set(names):
                remove_head(self._out, there[name])
        return [head for _, head in pairs]


def new_head(
    name: str, staged: StagedHead, before: HeadRecord | None, prints: Mapping[str, str]
) -> HeadRecord:
    """The record of a head that is about to be filed away as `name`. before: what is there of it."""
    made = {step: _record(done, prints[step]) for step, done in staged.steps.items()}
    old = dict(before.steps) if before else {}
    about: dict[str, Any] = {}
    if staged.engine:
        # Of what was there, only what was known to fit the new head has been kept.
        old = {step: record for step, record in old.items() if prints.get(step) == record.fingerprint}
        quality = staged.engine.get("quality") or {}
        about = {
            "vertices": int(staged.engine.get("vertices", 0)),
            "faces": int(staged.engine.get("faces", 0)),
            "quality": {part: quality[part] for part in KEPT_QUALITY if part in quality},
        }
    elif before:
        about = {"vertices": before.vertices, "faces": before.faces, "quality": before.quality}
    steps = {**old, **made}
    files = sorted({FILE_NAME, *(file for step in steps.values() for file in step.files)})
    return HeadRecord(name, files, steps=steps, **about)


def begun(head: HeadRecord, staged: StagedHead) -> HeadRecord:
    """The head as the journal is told before it is filed away: with the steps that are replaced."""
    return replace(head, steps={name: head.steps[name] for name in staged.steps})


def move(out: Path, staged: StagedHead, head: HeadRecord, before: HeadRecord | None) -> None:
    """Move what was made to its name, and remove what of `before` is no longer right. Raises OSError."""
    target = out / head.folder
    target.mkdir(exist_ok=True)
    made = {file for done in staged.steps.values() for file in done.files}
    if staged.engine:
        (target / FILE_NAME).unlink(missing_ok=True)
    remove_files(target, set(before.files if before else ()) - set(head.files))
    for file in sorted(made - {FILE_NAME}):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staged.folder / file, target / file)
    os.replace(staged.folder / FILE_NAME, target / FILE_NAME)


def remove_head(out: Path, head: HeadRecord) -> None:
    """Remove a head that is no longer one of its photo's; what is not ours in its folder stays."""
    folder = out / head.folder
    remove_files(folder, {*head.files, FILE_NAME})
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_files(folder: Path, files: set[str]) -> None:
    """Remove files below a folder, and folders in it that are empty then."""
    for file in files:
        (folder / file).unlink(missing_ok=True)
    for inner in {(folder / file).parent for file in files} - {folder}:
        with contextlib.suppress(OSError):
            inner.rmdir()


def _record(done: StepOutcome, fingerprint: str) -> StepRecord:
    files = sorted(set(done.files) - {FILE_NAME})
    seconds = round(done.seconds, 4)
    return StepRecord(fingerprint, files, done.facts, seconds, done.error, done.error_kind)
