"""Runs a batch in a process of its own in which one call of the file system fails, is cut off or is the last.

The engine and the Blender worker are stand-ins, so that a run takes a fraction of a second. Only the batch's
own calls below the output folder are counted; Linux only.
"""

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path

from blender_addon.batch.console import Console
from blender_addon.batch.inputs import collect
from blender_addon.batch.local_processor import LocalProcessor
from blender_addon.batch.page import write_page
from blender_addon.batch.plan import BatchPlan, StepPlan
from blender_addon.batch.record import BatchRecord
from blender_addon.batch.runner import BatchRunner, BatchSettings
from blender_addon.batch.workspace import Workspace
from blender_addon.errors import AddonError, JobFailedError

ROOT = Path(__file__).resolve().parents[3]
#: Audit events that change the file system, with the number of the argument that is a path.
CHANGES = {"os.rename": 0, "os.remove": 0, "os.mkdir": 0, "os.rmdir": 0, "os.truncate": 0}
#: Those of them that still work on a full disk.
FREEING = ("os.remove", "os.rmdir", "os.rename")
#: How a child ends: as it should; with an error that is told; killed; with an exception that is a bug.
#: Exit codes of the process.
ENDED = 0
FAILED = 1
KILLED = 9
BROKEN = 3


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        mode: "error" (the call fails once), "cut" (a write stops half way, and fails), "full" (from this call
            on the disk is full) or "kill" (the process ends there; of a write half is done); "none": nothing.
        at: At which call, from 1.
    """

    mode: str = "none"
    at: int = 0


NO_FAULT = Fault()


class Injector:
    """Counts calls, and lets one fail; for a process that is about to end, as audit hooks stay."""

    def __init__(self, root: Path, fault: Fault) -> None:
        self.count = 0
        self._root = os.fsencode(root) + b"/"
        self._fault = fault
        self._lock = threading.Lock()
        self._outside = threading.local()
        self._write, self._fsync = os.write, os.fsync

    def install(self) -> None:
        os.write, os.fsync = self._counted_write, self._counted_fsync
        sys.addaudithook(self._audit)

    def outside(self, function, *arguments):
        """Call a function as another process would, whose calls are not counted."""
        self._outside.on = True
        try:
            return function(*arguments)
        finally:
            self._outside.on = False

    def _audit(self, event, arguments):
        if getattr(self._outside, "on", False):
            return
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and self._is_inside(path):
                self._count(event)
        elif event in CHANGES and self._is_inside(arguments[CHANGES[event]]):
            self._count(event)

    def _is_inside(self, path):
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(self._root)

    def _is_descriptor_inside(self, descriptor):
        if getattr(self._outside, "on", False):
            return False
        try:
            return self._is_inside(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            return False

    def _counted_write(self, descriptor, data):
        if self._is_descriptor_inside(descriptor):
            half = lambda: self._write(descriptor, bytes(data)[: len(data) // 2])  # noqa: E731
            self._count("write", half)
        return self._write(descriptor, data)

    def _counted_fsync(self, descriptor):
        if self._is_descriptor_inside(descriptor):
            self._count("fsync")  # not done: it takes its time, and no test loses power

    def _count(self, event, half=lambda: None):
        with self._lock:
            self.count += 1
            mode, is_now = self._fault.mode, self.count == self._fault.at
            if mode == "full" and self.count >= self._fault.at and event not in FREEING:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if not is_now:
                return
            if mode in ("cut", "kill"):
                half()
            if mode == "kill":
                os._exit(KILLED)
            if mode in ("error", "cut"):
                number = errno.EIO if mode == "error" else errno.ENOSPC
                raise OSError(number, os.strerror(number))


class StandInEngine:
    """Makes files that say what they were made of."""

    pid = 1

    def __init__(self, injector, log):
        self._injector, self._log = injector, log

    def submit_reconstruct(self, photo, folder, **_):
        self._answer = self._injector.outside(self._reconstruct, Path(photo), Path(folder))
        return self

    def wait(self, *_):
        return self._answer

    def _reconstruct(self, photo, folder):
        note(self._log, f"engine {photo.name}")
        if "noface" in photo.name:
            raise JobFailedError("NoFaceError", "none")
        content = photo.read_bytes()
        faces = []
        for n in range(content.count(b"face")):
            face = folder / f"{photo.stem}_{n}"
            face.mkdir(parents=True)
            for name in ("surface.ply", "head.npz", "photo.png"):
                (face / name).write_bytes(name.encode() + content + bytes([n]) * 500)
            describe(face, ("surface.ply", "head.npz", "photo.png"))
            faces.append({"folder": str(face.absolute()), "vertices": 1, "faces": 2})
        return {"faces": faces}

    def kill(self):
        pass


class StandInBlender(StandInEngine):
    """Runs steps at once."""

    def submit(self, _, step, folder, options):
        self._answer = self._injector.outside(self._run, step, Path(folder), options)
        return self

    def _run(self, step, folder, options):
        source = (folder / "surface.ply").read_bytes()
        names = (
            [f"turntable/{n}.png" for n in range(options["frames"])]
            if "frames" in options
            else [f"{step}.png"]
        )
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(name.encode() + json.dumps(options).encode() + source)
        describe(folder, names)
        return {"files": dict.fromkeys(names, ""), "facts": {}}


def describe(folder, names):
    path = folder / "face.json"
    document = json.loads(path.read_text()) if path.exists() else {"files": {}}
    for name in names:
        data = (folder / name).read_bytes()
        document["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(document))


def note(log, line):
    with open(log, "a") as file:
        file.write(line + "\n")


class LoggedConsole(Console):
    """Notes each photo that is done, as a user sees it."""

    def __init__(self, log, injector):
        super().__init__(io.StringIO(), io.StringIO())
        self._log, self._injector = log, injector

    def line(self, text):
        if text.startswith("[") and "FAILED" not in text:
            self._injector.outside(note, self._log, "done " + Path(text.split(": ")[0].split("] ")[1]).name)


class BatchForks:
    """Runs batches in processes of their own, which a small process forks off: a fork of pytest's own costs
    more than the batch. Use it as a context.
    """

    def __enter__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-c", f"import {__name__} as module; module.serve()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *exc_info):
        self._server.communicate()

    def run(self, root, photos, frames, fault=NO_FAULT, jobs=1):
        """Run a batch of a folder of photos into root/heads.

        Returns (how it ended, number of calls counted, lines of the log).
        """
        log, counted = root / "log", root / "counted"
        log.unlink(missing_ok=True)
        task = [str(root), str(photos), frames, fault.mode, fault.at, jobs]
        print(json.dumps(task), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        lines = log.read_text().splitlines() if log.exists() else []
        return code, int(counted.read_text()) if counted.exists() else 0, lines


def serve():
    """Run a batch for each line of stdin, and print how it ended."""
    for line in sys.stdin:
        root, photos, frames, mode, at, jobs = json.loads(line)
        child = os.fork()
        if child == 0:
            code = BROKEN
            try:
                code = _run(Path(root), Path(photos), frames, Fault(mode, at), jobs)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(root, photos, frames, fault, jobs):
    out, log, counted = root / "heads", root / "log", root / "counted"
    injector = Injector(out, fault)
    plan = BatchPlan(
        engine={"head": True},
        steps=(
            StepPlan("preview", {"size": 64}, ("surface",)),
            StepPlan("turntable", {"frames": frames}, ("surface", "head")),
        ),
    )
    injector.install()
    try:
        with Workspace(out) as workspace:
            record = BatchRecord.load(out)
            record.engine = record.blender_worker = {"version": "1"}
            processors = []
            for _ in range(jobs):
                processor = LocalProcessor(None, None)
                processor.engine = StandInEngine(injector, log)
                processor.blender_worker = StandInBlender(injector, log)
                processors.append(processor)
            console = LoggedConsole(log, injector)
            found = collect([photos], out)
            BatchRunner(workspace, plan, BatchSettings(), console, record, processors, write_page).run(
                found.photos
            )
            write_page(out, record)
    except (AddonError, OSError):
        return FAILED
    finally:
        injector.outside(counted.write_text, str(injector.count))
    return ENDED


def tree(out):
    """Path -> content of what a batch has made, without what differs from run to run."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_dir() or "index_files" in path.parts or path.name == "index.html":
            continue
        name = path.relative_to(out).as_posix()
        found[name] = path.read_bytes()
        if path.name == "batch.json":
            document = json.loads(path.read_text())
            photos = {photo["path"]: photo for photo in document["photos"]}
            found[name] = {
                Path(path).name: [
                    (head["folder"], head["files"], sorted(head["steps"])) for head in photo["heads"]
                ]
                for path, photo in photos.items()
            }
    return found


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
