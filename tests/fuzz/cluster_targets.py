"""What the machines of a cluster send: a worker's results, a batch's tasks, and Dask's own pickles."""

import pickle
import shutil
import tempfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from blender_addon.batch.local_processor import PhotoResult, StagedHead
from blender_addon.batch.payload import (
    DATA_SUFFIXES,
    LENGTH,
    SCRIPT_SUFFIX,
    TaskResult,
    decode_result,
    decode_task,
    encode_result,
    encode_task,
    pack_result,
    unpack_result,
    unpack_task,
)
from blender_addon.batch.plan import VIEW_FILES
from blender_addon.errors import AddonError
from core.io.preview_glb import preview_script
from tests.blender_addon.batch.payload_samples import FAILED, FILES, PACKED, RESULT
from tests.fuzz.target import Check, Target

#: What stands for the length of a payload's text, which `with_right_length` puts before it.
UNMEASURED = b"\xff" * LENGTH.size
#: Ends the text of such a payload; JSON has none.
END_OF_TEXT = b"\n"
#: What reading a pickle may take, bytes: so many beside a multiple of its own.
MOST_PICKLE_BYTES = 1_000_000
MOST_PICKLE_GROWTH = 200
#: The pickle of no bytes, as old protocols write it.
NO_BYTES = b"cbuiltins\nbytes\n)R."
NEARLY_OUTSIDE = "..a/" * 12 + "victim.png"
#: Types of what arrives in a pickle: data.
DATA = (bytes, bytearray, str, int, float, complex, bool, type(None), list, tuple, dict, set, frozenset)


def unmeasured(payload: bytes) -> bytes:
    """A payload whose length is told anew after faults have been made."""
    (length,) = LENGTH.unpack_from(payload)
    text, files = payload[LENGTH.size : LENGTH.size + length], payload[LENGTH.size + length :]
    return UNMEASURED + text + END_OF_TEXT + files


def with_right_length(check: Check) -> Check:
    """The check of a payload, after the length of an unmeasured one was told."""

    def measured(data: bytes, folder: Path) -> None:
        if data.startswith(UNMEASURED):
            text, _, files = data.removeprefix(UNMEASURED).partition(END_OF_TEXT)
            data = LENGTH.pack(len(text)) + text + files
        check(data, folder)

    return measured


def results() -> list[bytes]:
    """A head, a head with the page's model, a failure."""
    (head,) = RESULT.heads
    model = {**FILES, "view.js": preview_script(b"glTF")}
    shown = replace(RESULT, heads=[replace(head, files=model)])
    # One letter less in any of these, and it leads out of its folder.
    outside = replace(RESULT, heads=[replace(head, files={**FILES, NEARLY_OUTSIDE: b"1"})])
    made = [encode_result(result) for result in (RESULT, shown, outside, FAILED, TaskResult())]
    return [*made, *map(unmeasured, made)]


def tasks() -> list[bytes]:
    """A photo with a head that was kept, and a person's photos."""
    views = replace(PACKED, photo=None, views=(("a.jpg", b"1"), ("b.jpg", b"22")))
    kept = replace(PACKED, kept=(("a", {"face.json": b"{}", NEARLY_OUTSIDE: b""}),))
    made = [encode_task(packed) for packed in (PACKED, views, kept)]
    return [*made, *map(unmeasured, made)]


def written_below(folder: Path, write: Callable[[Path], None]) -> Path:
    """A new folder in `folder` that `write` has written into, and nowhere else."""
    home = Path(tempfile.mkdtemp(dir=folder))
    staging = home / "staging"
    staging.mkdir()
    try:
        write(staging)
    except (AddonError, OSError) as error:
        str(error).encode(errors="backslashreplace")
    assert [path.name for path in home.iterdir()] == ["staging"], "it has written beside its folder"
    assert not any(path.is_file() for path in staging.iterdir()), "it has written beside its heads"
    assert not any(path.is_symlink() for path in home.rglob("*"))
    return home


def check_result(data: bytes, folder: Path) -> None:
    """What a batch makes of a worker's answer."""

    def write(staging: Path) -> None:
        result = decode_result(data)
        photo = unpack_result(result, PACKED, staging)
        check_photo_result(photo, staging)
        # What was taken can be sent again, which is to say that it has the types that it claims.
        assert decode_result(encode_result(pack_result(photo))).timings == photo.timings

    shutil.rmtree(written_below(folder, write))


def check_photo_result(photo: PhotoResult, staging: Path) -> None:
    """Heads of this task, made of data, each in its own folder."""
    assert len(photo.heads) <= PACKED.task.plan.max_faces
    assert len({head.folder for head in photo.heads}) == len(photo.heads)
    assert type(photo.attempts) is int and all(type(seconds) is float for seconds in photo.timings.values())
    for head in photo.heads:
        assert head.folder.parent == staging
        check_staged_head(head)


def check_staged_head(head: StagedHead) -> None:
    """The steps that were asked for, with files that are there and that nothing runs."""
    assert set(head.steps) <= {*PACKED.task.plan.engine_steps, *(s.name for s in PACKED.task.plan.steps)}
    for step in head.steps.values():
        assert isinstance(step.facts, dict) and step.seconds == float(step.seconds)
        for name in step.files:
            assert (head.folder / name).is_file()
    for path in head.folder.rglob("*"):
        name = path.relative_to(head.folder).as_posix()
        suffix = path.suffix.lower()
        assert path.is_dir() or suffix in DATA_SUFFIXES or (suffix == SCRIPT_SUFFIX and name in VIEW_FILES)
        if suffix == SCRIPT_SUFFIX and path.is_file():
            text = path.read_bytes()
            assert text.startswith(b"photobustView({") and text.count(b"(") == text.count(b")") == 1


def check_task(data: bytes, folder: Path) -> None:
    """What a worker makes of a batch's task."""

    def write(staging: Path) -> None:
        task = unpack_task(decode_task(data), staging)
        for path in (task.photo, *task.views, *(head.folder for head in task.kept)):
            assert Path(path).is_relative_to(staging)
        assert type(task.reconstruct) is bool and type(task.plan.max_faces) is int

    shutil.rmtree(written_below(folder, write))


def pickles() -> list[bytes]:
    """What Dask's messages hold, in all protocols, and what runs something where it is unpickled."""
    data = {"a": [1, 2.5, None, "x"], "b": b"y" * 20, "c": {1, 2}, "d": bytearray(b"z"), "e": 1 << 70}

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1/0",)

    return [pickle.dumps(value, protocol) for value in (data, Evil()) for protocol in range(6)]


def check_pickle(data: bytes, folder: Path) -> None:
    """Nothing but data comes out, whatever a pickle names."""
    from blender_addon.batch.inert_pickles import ALLOWED, Inert, loads

    tracemalloc.start()
    try:
        waiting, seen = [loads(data)], set()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST_PICKLE_BYTES + MOST_PICKLE_GROWTH * len(data), f"{len(data)} bytes took {most}"
    assert isinstance(Inert()(), Inert) and loads(NO_BYTES) == b"", "it has changed what others arrive as"
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        classes = isinstance(value, type) and value in (Inert, *ALLOWED.values())
        functions = callable(value) and getattr(value, "__module__", "") == loads.__module__
        assert isinstance(value, (*DATA, Inert, *ALLOWED.values())) or classes or functions, type(value)
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            waiting += value


CLUSTER_TARGETS = {
    "cluster result": Target(results, with_right_length(check_result)),
    "cluster task": Target(tasks, with_right_length(check_task)),
}
if find_spec("distributed"):
    CLUSTER_TARGETS["cluster pickle"] = Target(pickles, check_pickle)
