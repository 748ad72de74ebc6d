"""Moves finished heads from their staging folder to their names. No bpy.

Each file is on the disk before it is moved. face.json, which says that the folder is complete, is removed
first where the engine has made a new head, and comes back last. The record's journal has a line before and
one after.
"""

import contextlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..blender.atomic_file import move_into_place, sync_file, sync_folder
from ..blender.regular_file import sha256_of
from ..errors import JobCancelledError, UnsafePathError
from ..heads.manifest import FILE_NAME
from .local_processor import PhotoResult, PhotoTask, StagedHead, StepOutcome, add_seconds
from .names import FolderNames
from .pending import BYTES_FACT, FILE_FACT, HASH_FACT
from .processor import PhotoProcessor
from .record import BatchRecord, HeadRecord, PhotoRecord, StepRecord
from .storage import contained, contained_folder, is_plain_name

#: Parts of a head's quality that the record keeps; face.json has all.
KEPT_QUALITY = ("verdict", "reasons", "expected_error_mm", "error_spread_mm", "corrections")


@dataclass(frozen=True)
class Commit:
    """What is to be committed for a photo.

    Attributes:
        photo: Its record, still without heads.
        names: Folder names of the heads, in the engine's order.
        result: The heads.
        before: What is in place.
        fingerprints: By step.
    """

    photo: PhotoRecord
    names: Sequence[str]
    result: PhotoResult
    before: Sequence[HeadRecord]
    fingerprints: Mapping[str, str]


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
        """Make one for a run.

        Args:
            out: The output folder.
            record: What runs before have made.
            photos: Those of this run.
            lock: Guards the record.
            stop: Nothing is moved once it is set.
        """
        self._out = out
        self._record = record
        self._names = FolderNames(out, photos, record.owners())
        self._lock = lock
        self._stop = stop
        # Assets of one library have one catalog file.
        self._late_lock = threading.Lock()

    def name(
        self, processor: PhotoProcessor, task: PhotoTask, result: PhotoResult, before: Sequence[HeadRecord]
    ) -> list[str]:
        """Name the heads of a photo, then run the steps that need the name.

        Args:
            processor: Runs these steps.
            task: What was to be done.
            result: What came of it; gets the outcomes of the steps.
            before: What is in place of the photo.

        Returns:
            The heads' folder names.
        """
        if task.reconstruct:
            with self._lock:
                names = self._names.claim(Path(task.photo), len(result.heads))
        else:
            names = [head.folder for head in before]
        have_kept = len(task.kept) == len(names)
        for n, (name, head) in enumerate(zip(names, result.heads, strict=True)):
            todo = task.kept[n].todo if have_kept else task.plan.names
            for step in task.plan.steps:
                if step.late and step.name in todo:
                    with self._late_lock:
                        options = {**step.options, "name": name}
                        made = processor.run_step(head.folder, step, options, task.blender_timeout)
                    head.steps[step.name] = _with_size(made, step.options)
                    add_seconds(result.timings, {step.name: made.seconds})
        return names

    def commit(self, commit: Commit) -> list[HeadRecord]:
        """Move the heads of a photo to their names.

        Returns:
            Their records.

        Raises:
            OSError: Something cannot be moved.
            UnsafePathError: A link leads out of the output folder.
            JobCancelledError: The batch is being stopped.
        """
        existing = {head.folder: head for head in commit.before}
        pairs = [
            (staged, new_head(name, staged, existing.get(name), commit.fingerprints))
            for name, staged in zip(commit.names, commit.result.heads, strict=True)
        ]
        pairs = [(staged, with_manifest_hash(head, staged.folder)) for staged, head in pairs]
        # Not under the lock, which the other threads wait for: on slow disks this takes its time.
        for staged, _ in pairs:
            sync_staged(staged)
        with self._lock:
            if self._stop.is_set():
                raise JobCancelledError("Stopped.")
            removed = [existing[name] for name in existing.keys() - set(commit.names)]
            changed = [*(begun(head, staged) for staged, head in pairs), *removed]
            self._record.begin(self._out, commit.photo, changed)
            for staged, head in pairs:
                move(self._out, staged, head, existing.get(head.folder))
            for head in removed:
                remove_head(self._out, head)
            sync_folder(self._out)
        return [head for _, head in pairs]


def new_head(
    name: str, staged: StagedHead, before: HeadRecord | None, fingerprints: Mapping[str, str]
) -> HeadRecord:
    """The record of a head that is about to be committed.

    Args:
        name: Its folder's.
        staged: What was made now.
        before: What is in place of it.
        fingerprints: By step.
    """
    made = {step: _record(outcome, fingerprints[step]) for step, outcome in staged.steps.items()}
    old = dict(before.steps) if before else {}
    about: dict[str, Any] = {}
    if staged.engine:
        # Of what is in place, only what was known to fit the new head has been kept.
        old = {step: record for step, record in old.items() if fingerprints.get(step) == record.fingerprint}
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


def with_manifest_hash(head: HeadRecord, folder: Path) -> HeadRecord:
    """The head with the hash of the face.json in `folder`. Raises OSError."""
    return replace(head, manifest_sha256=sha256_of(folder / FILE_NAME))


def begun(head: HeadRecord, staged: StagedHead) -> HeadRecord:
    """The head as the journal has it before it is committed: with the steps that are replaced.

    Without its face.json's hash: nobody knows which one a kill would leave.
    """
    steps = {name: head.steps[name] for name in staged.steps}
    return replace(head, steps=steps, manifest_sha256=None)


def sync_staged(staged: StagedHead) -> None:
    """Have what was made on the disk. Raises OSError, UnsafePathError."""
    for file in {FILE_NAME, *staged.files}:
        sync_file(contained(staged.folder, file))


def move(out: Path, staged: StagedHead, head: HeadRecord, before: HeadRecord | None) -> None:
    """Move what was made to its name, and remove what is no longer valid.

    Args:
        out: The output folder.
        staged: What was made.
        head: What the head has from now on.
        before: What it had, if it was there.

    Raises:
        OSError: Something cannot be moved.
        UnsafePathError: A link leads out of the output folder.
    """
    target = contained_folder(out, head.folder)
    target.mkdir(exist_ok=True)
    if staged.engine:
        (target / FILE_NAME).unlink(missing_ok=True)
        # The absence has to be on the disk before files are replaced that the old face.json describes.
        sync_folder(target)
    remove_files(target, set(before.files if before else ()) - set(head.files))
    folders = {target}
    for file in sorted(staged.files - {FILE_NAME}):
        path = contained(target, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        move_into_place(contained(staged.folder, file), path)
        folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)
    move_into_place(staged.folder / FILE_NAME, target / FILE_NAME)
    sync_folder(target)


def remove_head(out: Path, head: HeadRecord) -> None:
    """Remove a head that is no longer one of its photo's; what is not ours in its folder stays."""
    try:
        folder = contained_folder(out, head.folder)
    except UnsafePathError:
        return  # not a folder of ours any more
    remove_files(folder, {*head.files, FILE_NAME})
    with contextlib.suppress(OSError):
        folder.rmdir()


def remove_files(folder: Path, files: Iterable[str]) -> None:
    """Remove files below a folder, and folders in it that are empty then. Raises OSError."""
    folders = set()
    for file in files:
        try:
            path = contained(folder, file)
        except UnsafePathError:
            continue  # what a link leads to is not ours
        path.unlink(missing_ok=True)
        folders.add(path.parent)
    for inner in folders - {folder}:
        with contextlib.suppress(OSError):
            inner.rmdir()


def _with_size(made: StepOutcome, options: Mapping[str, Any]) -> StepOutcome:
    """The outcome of a late step, with size and hash of the file that it wrote outside the head's folder."""
    name = made.facts.get(FILE_FACT)
    if made.error or not is_plain_name(name):
        return made
    try:
        path = Path(str(options["library"])) / str(name)
        about = {BYTES_FACT: path.stat().st_size, HASH_FACT: sha256_of(path)}
    except OSError:
        return made
    return replace(made, facts={**made.facts, **about})


def _record(outcome: StepOutcome, fingerprint: str) -> StepRecord:
    files = sorted(set(outcome.files) - {FILE_NAME})
    seconds = round(outcome.seconds, 4)
    return StepRecord(fingerprint, files, outcome.facts, seconds, outcome.error, outcome.error_kind)
