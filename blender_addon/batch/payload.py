"""What travels between a batch and the workers of a cluster, who have no disk in common: a photo and what was
made of it, files included. No bpy, no Dask.

A payload is the length of a JSON text (8 bytes, big endian), the text, and the files' contents one after the
other; the text has their names and lengths. It is data and nothing else: reading it runs nothing, whatever a
stranger may have put into it. Only names travel, no paths, for the machines may be of different kinds.
"""

import json
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..blender.atomic_file import write_all
from ..blender.regular_file import read_regular
from ..errors import PayloadError
from ..heads import manifest
from . import checked_json
from .local_processor import KeptHead, PhotoResult, PhotoTask, StagedHead, StepOutcome
from .plan import VIEW_FILES, BatchPlan, StepPlan
from .storage import contained, is_plain_name

#: Name below a folder, with "/" -> content.
Files = dict[str, bytes]
#: Parts of the engine's answer on a face that are paths of the worker's.
PATHS = ("folder", "files")
#: Length of the JSON text.
LENGTH = struct.Struct(">Q")
#: Most values that the JSON text may have: empty ones take 26 times their length.
MAX_VALUES = 1_000_000
#: What a head's files may be that a worker sends: data, which nothing runs that opens it.
DATA_SUFFIXES = frozenset(
    (
        *(".ply", ".npz", ".json", ".csv", ".txt", ".png", ".jpg", ".jpeg", ".webp", ".exr", ".mp4", ".webm"),
        *(".glb", ".gltf", ".bin", ".fbx", ".obj", ".mtl", ".usd", ".usda", ".usdc", ".usdz", ".vrm", ".abc"),
    )
)
#: The batch's page loads the model that it shows as a script: a call with text, and nothing else.
SCRIPT_SUFFIX = ".js"
VIEW_SCRIPT = re.compile(rb'photobustView\(\{"version": \d+, "model": "[A-Za-z0-9+/=]*"\}\);\n?')
#: Permissions of a copy of a photo or head on a worker: nobody else's business.
PRIVATE_MODE = 0o600
#: Permissions of results, less the umask.
RESULT_MODE = 0o666


@dataclass(frozen=True)
class ClusterTask:
    """A photo that a worker is to do.

    Attributes:
        task: With the sender's paths.
        name: The photo's.
        photo: The file's content, None if the engine need not run.
        kept: Name and files of each of the task's kept heads.
        versions: Those that the worker has to have, as `versions` gives them.
        run: Names the batch.
        ident: Names this task.
    """

    task: PhotoTask
    name: str
    photo: bytes | None
    kept: tuple[tuple[str, Files], ...]
    versions: dict[str, Any]
    run: str
    ident: str
    views: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class HeadResult:
    """A head with the files that were made, as `StagedHead`."""

    name: str
    steps: dict[str, StepOutcome]
    engine: dict[str, Any]
    files: Files


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    Attributes:
        heads: In the engine's order.
        timings: Seconds by step.
        attempts: How often the engine was tried.
        failed: (kind, message, attempts), if the photo gave no head.
        broken: Why this worker can do no photo at all.
    """

    heads: list[HeadResult] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    failed: tuple[str, str, int] | None = None
    broken: str | None = None


def pack_task(task: PhotoTask, versions: dict[str, Any], run: str, ident: str) -> ClusterTask:
    """A task with the files that it needs.

    Args:
        task: The task.
        versions: Of the programs that are to do it, by name.
        run: Which batch it belongs to.
        ident: Which of its tasks it is.

    Returns:
        What is sent.

    Raises:
        OSError: The photo or a kept head cannot be read.
    """
    photo = Path(task.photo)
    content = _read(photo) if task.reconstruct and not task.views else None
    views = tuple((_plain(Path(view)), _read(Path(view))) for view in task.views) if task.reconstruct else ()
    kept = tuple((Path(head.folder).name, _inputs(head, task.reconstruct)) for head in task.kept)
    return ClusterTask(task, _plain(photo), content, kept, versions, run, ident, views)


def _plain(path: Path) -> str:
    """A file's name as text that is a name on other systems, too."""
    return os.fsencode(path.name).decode("utf-8", "replace").replace("\\", "_")


def unpack_task(packed: ClusterTask, folder: Path) -> PhotoTask:
    """The task with the worker's paths, its files written into `folder`. Raises OSError, UnsafePathError."""
    photo = contained(folder / "photo", packed.name)
    if packed.photo is not None:
        write_files(photo.parent, {packed.name: packed.photo}, PRIVATE_MODE)
    kept = []
    for n, (head, (name, files)) in enumerate(zip(packed.task.kept, packed.kept, strict=True)):
        home = contained(folder / f"kept-{n}", name)
        write_files(home, files, PRIVATE_MODE)
        kept.append(replace(head, folder=str(home)))
    views = []
    for n, (name, content) in enumerate(packed.views):
        home = folder / f"view-{n}"
        write_files(home, {name: content}, PRIVATE_MODE)
        views.append(str(contained(home, name)))
    return replace(packed.task, photo=str(photo), kept=tuple(kept), views=tuple(views))


def pack_result(result: PhotoResult) -> TaskResult:
    """What was made, to be sent back. Raises OSError."""
    heads = []
    for head in result.heads:
        engine = {part: value for part, value in head.engine.items() if part not in PATHS}
        files = read_files(head.folder, {manifest.FILE_NAME, *head.files})
        heads.append(HeadResult(head.folder.name, head.steps, engine, files))
    return TaskResult(heads, result.timings, result.attempts)


def unpack_result(result: TaskResult, packed: ClusterTask, staging: Path) -> PhotoResult:
    """What was made, as if it had been made here.

    Args:
        result: What came back.
        packed: What was sent for it.
        staging: Folder that the files are written into.

    Returns:
        The heads.

    Raises:
        OSError: It cannot be written.
        PayloadError: It is not what the task was about.
    """
    plan = packed.task.plan
    expected = range(plan.max_faces + 1) if packed.task.reconstruct else (len(packed.kept),)
    if len(result.heads) not in expected:
        raise PayloadError("A worker sent other heads than it was asked for: try again.")
    asked = {*plan.engine_steps, *(step.name for step in plan.steps if not step.late)}
    heads = []
    for n, head in enumerate(result.heads):
        if not head.steps.keys() <= asked:
            raise PayloadError("A worker sent other steps than it was asked for: try again.")
        for name, content in head.files.items():
            _check_kind(name, content)
        folder = contained(staging, head.name)
        # Where the engine has not run, steps that run here need what the others were made from.
        before = {} if packed.task.reconstruct else packed.kept[n][1]
        files = {**before, **head.files}
        made = {manifest.FILE_NAME, *(file for step in head.steps.values() for file in step.files)}
        if not made <= files.keys() or folder.exists():
            raise PayloadError("A worker sent a head without the files that it names: try again.")
        write_files(folder, files, RESULT_MODE)
        heads.append(StagedHead(folder, head.steps, head.engine))
    return PhotoResult(heads, result.timings, result.attempts)


def _check_kind(name: str, content: bytes) -> None:
    """Raises PayloadError if a worker's file is of a kind that a browser or a system would run."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == SCRIPT_SUFFIX:
        if name in VIEW_FILES and VIEW_SCRIPT.fullmatch(content):
            return
    elif suffix in DATA_SUFFIXES:
        return
    raise PayloadError(f"A worker sent {name}, which is no data: what runs there cannot be trusted.")


def encode_task(packed: ClusterTask) -> bytes:
    """A task as bytes."""
    blobs: list[bytes] = []
    document = {
        "task": asdict(packed.task),
        "name": packed.name,
        "photo": None if packed.photo is None else _add(blobs, {packed.name: packed.photo}),
        "kept": [{"name": name, "files": _add(blobs, files)} for name, files in packed.kept],
        "versions": packed.versions,
        "run": packed.run,
        "ident": packed.ident,
        "views": [{"name": name, "file": _add(blobs, {name: content})} for name, content in packed.views],
    }
    return _encode(document, blobs)


def decode_task(data: bytes) -> ClusterTask:
    """A task from bytes. Raises PayloadError."""
    try:
        document, blobs = _decode(data)
        photo = None if document.get("photo") is None else blobs.take(document["photo"])
        if not is_plain_name(document.get("name")):
            raise ValueError("the photo's name is no name")
        kept = []
        for head in checked_json.array(document.get("kept")):
            if not is_plain_name(checked_json.mapping(head).get("name")):
                raise ValueError("a head's name is no name")
            kept.append((checked_json.text(head["name"]), blobs.take(head.get("files"))))
        views = []
        for view in checked_json.array(document.get("views", [])):
            if not is_plain_name(checked_json.mapping(view).get("name")):
                raise ValueError("a photo's name is no name")
            views.append((checked_json.text(view["name"]), blobs.take(view.get("file"))[view["name"]]))
        return ClusterTask(
            _task(document.get("task")),
            checked_json.text(document["name"]),
            None if photo is None else photo[document["name"]],
            tuple(kept),
            checked_json.mapping(document.get("versions")),
            checked_json.text(document.get("run")),
            checked_json.text(document.get("ident")),
            tuple(views),
        )
    except (ValueError, KeyError) as error:
        raise PayloadError(f"What a batch sent makes no sense: {error}.") from error


def encode_result(result: TaskResult) -> bytes:
    """A result as bytes."""
    blobs: list[bytes] = []
    document = {
        "heads": [
            {
                "name": head.name,
                "steps": {name: asdict(step) for name, step in head.steps.items()},
                "engine": head.engine,
                "files": _add(blobs, head.files),
            }
            for head in result.heads
        ],
        "timings": result.timings,
        "attempts": result.attempts,
        "failed": result.failed,
        "broken": result.broken,
    }
    return _encode(document, blobs)


def decode_result(data: object) -> TaskResult:
    """A result from what a worker has sent. Raises PayloadError."""
    if not isinstance(data, bytes):
        raise PayloadError("What a worker sent makes no sense: it is no bytes.")
    try:
        document, blobs = _decode(data)
        failed = document.get("failed")
        if failed is not None:
            kind, message, attempts = checked_json.array(failed)
            failed = checked_json.text(kind), checked_json.text(message), checked_json.whole_number(attempts)
        return TaskResult(
            [_head_result(head, blobs) for head in checked_json.array(document.get("heads"))],
            checked_json.timings(document.get("timings")),
            checked_json.whole_number(document.get("attempts")),
            failed,
            checked_json.optional_text(document.get("broken")),
        )
    except (ValueError, KeyError) as error:
        raise PayloadError(f"What a worker sent makes no sense: {error}.") from error


def read_files(folder: Path, names: Iterable[str]) -> Files:
    """Files below a folder. Raises OSError, UnsafePathError."""
    return {name: _read(contained(folder, name)) for name in sorted(names)}


def write_files(folder: Path, files: Mapping[str, bytes], mode: int) -> None:
    """Write new files below a new folder that only this user can enter.

    Args:
        folder: The folder.
        files: Name -> content; names may lead into folders below.
        mode: The files' permissions.

    Raises:
        OSError: One cannot be written, or is there already.
        UnsafePathError: A name leads out of the folder.
    """
    _make_private(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    for name, content in files.items():
        path = contained(folder, name)
        _make_private(path.parent)
        descriptor = os.open(path, flags, mode)
        try:
            write_all(descriptor, content)
        finally:
            os.close(descriptor)


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it, for this user alone. Raises OSError."""
    if not folder.is_dir():
        _make_private(folder.parent)  # Path.mkdir has a mode for the last one only
        folder.mkdir(mode=0o700)


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


def _inputs(head: KeptHead, reconstruct: bool) -> Files:
    """What is needed of a kept head; if the engine runs, only what says what is still valid of it."""
    names = {manifest.FILE_NAME} if reconstruct else {manifest.FILE_NAME, *head.inputs}
    return read_files(Path(head.folder), names)


def _read(path: Path) -> bytes:
    return read_regular(path)


def _encode(document: dict[str, Any], blobs: list[bytes]) -> bytes:
    text = json.dumps(document).encode("ascii")
    return b"".join([LENGTH.pack(len(text)), text, *blobs])


class _Blobs:
    """The files' contents of a payload, one after the other; each byte is taken once."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._left = len(data)

    def take(self, where: object) -> Files:
        """Files by name, from what `_add` returned. Raises ValueError."""
        files = {}
        for name, position in checked_json.mapping(where).items():
            start, length = map(checked_json.whole_number, checked_json.array(position))
            checked_json.names([name])
            # The same bytes under a thousand names would fill the disk.
            self._left -= length
            if start < 0 or length < 0 or start + length > len(self._data) or self._left < 0:
                raise ValueError("it is too short")
            files[name] = bytes(self._data[start : start + length])
        return files


def _decode(data: bytes) -> tuple[dict[str, Any], _Blobs]:
    """The JSON object, and the files' contents. Raises ValueError."""
    if len(data) < LENGTH.size:
        raise ValueError("it is too short")
    (length,) = LENGTH.unpack_from(data)
    end = LENGTH.size + length
    if end > len(data):
        raise ValueError("it is too short")
    text = data[LENGTH.size : end]
    if checked_json.most_values(text) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES} values")
    return checked_json.parse(text), _Blobs(memoryview(data)[end:])


def _add(blobs: list[bytes], files: Files) -> dict[str, list[int]]:
    """Add files' contents; returns where each begins, and its length."""
    where = {}
    start = sum(map(len, blobs))
    for name, content in files.items():
        where[name] = [start, len(content)]
        blobs.append(content)
        start += len(content)
    return where


def _head_result(value: object, blobs: _Blobs) -> HeadResult:
    data = checked_json.mapping(value)
    if not is_plain_name(data.get("name")):
        raise ValueError("a head's name is no name")
    steps = checked_json.mapping(data.get("steps"))
    return HeadResult(
        checked_json.text(data["name"]),
        {name: _step_outcome(step) for name, step in steps.items()},
        _engine_answer(data.get("engine")),
        blobs.take(data.get("files")),
    )


def _engine_answer(value: object) -> dict[str, Any]:
    data = checked_json.mapping(value)
    for part in ("vertices", "faces"):
        checked_json.whole_number(data.get(part, 0))
    checked_json.mapping(data.get("quality") or {})
    return data


def _step_outcome(value: object) -> StepOutcome:
    data = checked_json.mapping(value)
    return StepOutcome(
        checked_json.names(data.get("files")),
        checked_json.mapping(data.get("facts")),
        checked_json.number(data.get("seconds")),
        checked_json.optional_text(data.get("error")),
        checked_json.optional_text(data.get("error_kind")),
    )


def _task(value: object) -> PhotoTask:
    data = checked_json.mapping(value)
    return PhotoTask(
        checked_json.text(data.get("photo")),
        _plan(data.get("plan")),
        checked_json.boolean(data.get("reconstruct")),
        tuple(map(_kept_head, checked_json.array(data.get("kept")))),
        checked_json.number(data.get("timeout")),
        checked_json.number(data.get("blender_timeout")),
        tuple(checked_json.texts(data.get("views", []))),
    )


def _plan(value: object) -> BatchPlan:
    data = checked_json.mapping(value)
    steps = []
    for step in map(checked_json.mapping, checked_json.array(data.get("steps"))):
        steps.append(
            StepPlan(
                checked_json.text(step.get("name")),
                checked_json.mapping(step.get("options")),
                tuple(checked_json.texts(step.get("needs"))),
                checked_json.boolean(step.get("late")),
            )
        )
    return BatchPlan(
        checked_json.optional_number(data.get("focal_mm")),
        checked_json.whole_number(data.get("max_faces")),
        checked_json.mapping(data.get("engine")),
        tuple(steps),
    )


def _kept_head(value: object) -> KeptHead:
    data = checked_json.mapping(value)
    keep = checked_json.mapping(data.get("keep"))
    return KeptHead(
        checked_json.text(data.get("folder")),
        tuple(checked_json.texts(data.get("todo"))),
        tuple(checked_json.names(data.get("inputs"))),
        {name: checked_json.names(files) for name, files in keep.items()},
        tuple(checked_json.names(data.get("stale"))),
    )
