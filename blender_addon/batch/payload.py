"""What travels between a batch and the workers of a cluster, who share no disk: a photo and what was made
of it, files included. No bpy, no Dask.

Only names travel, no paths: the two machines may be of different kinds.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..heads import manifest
from .local_processor import KeptHead, PhotoResult, PhotoTask, StagedHead, StepOutcome

#: Name below a folder, with "/" -> content.
Files = dict[str, bytes]
#: Parts of the engine's answer on a face that are paths of the worker's.
PATHS = ("folder", "files")


@dataclass(frozen=True)
class ClusterTask:
    """A photo that a worker is to do. task: with the sender's paths. photo: the file's content, None if the
    engine need not run. kept: name and files of each of the task's kept heads. versions: those that the
    worker has to have, as `versions` tells them. run, ident: of the batch, and of this order.
    """

    task: PhotoTask
    name: str
    photo: bytes | None
    kept: tuple[tuple[str, Files], ...]
    versions: dict[str, Any]
    run: str
    ident: str


@dataclass(frozen=True)
class HeadResult:
    """A head with the files that were made, as `StagedHead`."""

    name: str
    steps: dict[str, StepOutcome]
    engine: dict[str, Any]
    files: Files


@dataclass(frozen=True)
class TaskResult:
    """What came of an order. failed: kind, words and attempts, if the photo gave no head. broken: why this
    worker can do no photo at all.
    """

    heads: list[HeadResult] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    failed: tuple[str, str, int] | None = None
    broken: str | None = None


def pack(task: PhotoTask, versions: dict[str, Any], run: str, ident: str) -> ClusterTask:
    """The order for a task. Raises OSError if the photo or a kept head cannot be read."""
    photo = Path(task.photo)
    content = photo.read_bytes() if task.reconstruct else None
    kept = tuple((Path(head.folder).name, _inputs(head, task.reconstruct)) for head in task.kept)
    return ClusterTask(task, photo.name, content, kept, versions, run, ident)


def unpack(order: ClusterTask, folder: Path) -> PhotoTask:
    """The task with the worker's paths, its files written into `folder`. Raises OSError."""
    photo = folder / "photo" / order.name
    if order.photo is not None:
        write_files(photo.parent, {order.name: order.photo})
    kept = []
    for n, (head, (name, files)) in enumerate(zip(order.task.kept, order.kept, strict=True)):
        home = folder / f"kept-{n}" / name
        write_files(home, files)
        kept.append(replace(head, folder=str(home)))
    return replace(order.task, photo=str(photo), kept=tuple(kept))


def deliver(done: PhotoResult) -> TaskResult:
    """What was made, to be sent back. Raises OSError."""
    heads = []
    for head in done.heads:
        names = {manifest.FILE_NAME, *(file for step in head.steps.values() for file in step.files)}
        engine = {part: value for part, value in head.engine.items() if part not in PATHS}
        heads.append(HeadResult(head.folder.name, head.steps, engine, read_files(head.folder, names)))
    return TaskResult(heads, done.timings, done.attempts)


def receive(delivery: TaskResult, order: ClusterTask, staging: Path) -> PhotoResult:
    """What was made, written into `staging` as if it had been made there. Raises OSError."""
    heads = []
    for n, head in enumerate(delivery.heads):
        folder = staging / head.name
        # Where the engine has not run, steps that run here need what the others were made from.
        before = {} if order.task.reconstruct else order.kept[n][1]
        write_files(folder, {**before, **head.files})
        heads.append(StagedHead(folder, head.steps, head.engine))
    return PhotoResult(heads, delivery.timings, delivery.attempts)


def read_files(folder: Path, names: Iterable[str]) -> Files:
    """Files below a folder. Raises OSError."""
    return {name: (folder / name).read_bytes() for name in sorted(names)}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which nobody else looks into yet. Raises OSError."""
    for name, content in files.items():
        path = folder / name
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(content)


def _inputs(head: KeptHead, reconstruct: bool) -> Files:
    """What is needed of a kept head; if the engine runs, only what tells what is still right of it."""
    names = {manifest.FILE_NAME} if reconstruct else {manifest.FILE_NAME, *head.inputs}
    return read_files(Path(head.folder), names)


def versions(engine: Mapping[str, Any], blender_worker: Mapping[str, Any]) -> dict[str, Any]:
    """What results depend on, of what the two processes say of themselves; see `BatchPlan.fingerprints`."""
    found = {"Photobust": engine.get("version"), "models": engine.get("models")}
    if blender_worker:
        found |= {"add-on": blender_worker.get("version"), "Blender": blender_worker.get("blender")}
    return found


def difference(have: Mapping[str, Any], want: Mapping[str, Any]) -> str | None:
    """In words, how `have` differs from `want`, both as `versions` gives them; None if it does not."""
    for part, value in want.items():
        if part not in have or have[part] == value:
            continue
        if part != "models":
            return f"has {part} {have[part]}, not {value}"
        mine, theirs = have[part] or {}, value or {}
        names = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
        return f"has other models ({', '.join(names)})"
    return None
