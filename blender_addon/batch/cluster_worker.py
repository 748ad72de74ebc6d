"""What a batch does on a worker of a Dask cluster. Needs Dask, and is imported only where that is. No bpy."""

import asyncio
import json
import logging
import os
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from distributed import Worker, WorkerPlugin, get_worker

from ..blender_worker.client import find_blender
from ..blender_worker.server import NO_SPACE
from ..engine.client import START_TIMEOUT
from ..engine.locate import find_engine
from ..errors import AddonError, JobCancelledError
from .local_processor import LocalProcessor, OnProgress, PhotoFailedError, kind_of
from .payload import (
    ClusterTask,
    TaskResult,
    decode_task,
    difference,
    encode_result,
    pack_result,
    unpack_task,
    versions,
)
from .private_program import PrivateProgram
from .workspace import NO_ROOM

#: The worker's plugin.
NAME = "photobust"
#: Events with this topic report to a batch how far its photos are.
TOPIC = "photobust-progress"
#: Seconds between two of them, at least.
REPORT_INTERVAL_S = 0.5
#: Names a worker's Blender, or its Python with bpy, where none is found by itself; as --blender does.
BLENDER_VARIABLE = "PHOTOBUST_BLENDER"
#: Seconds without a photo after which engine and Blender worker make room for other work.
IDLE_S = 120.0

#: Below Dask's own, so that a worker's log has it.
LOGGER = logging.getLogger("distributed.worker.photobust")


class WorkerState(WorkerPlugin):
    """A cluster worker's engine and Blender worker, kept running between photos; one photo at a time.

    They share the worker's threads. They are closed with the worker, and when there was no photo for `IDLE_S`
    seconds. Each worker makes its own when it is first needed: a plugin that the scheduler knew would keep
    workers without this project from joining, for ever.
    """

    def __init__(self, worker: Worker) -> None:
        self._address = worker.address
        self._threads = worker.state.nthreads
        self._scratch = worker.local_directory
        self._lock = threading.Lock()
        self._processor: LocalProcessor | None = None
        self._hello: dict[str, Any] = {}
        self._temporary: tempfile.TemporaryDirectory | None = None
        #: The batch whose photo is in work, and those that want no more; both with `_dropping`.
        self._run: str | None = None
        self._dropped: set[str] = set()
        self._dropping = threading.Lock()
        self._idle: threading.Timer | None = None
        self._idle_periods = 0

    def teardown(self, worker: Worker) -> None:
        """Called by Dask when the worker ends."""
        if self._idle:
            self._idle.cancel()
        processor = self._processor
        if processor:
            processor.kill()
        if self._temporary:
            self._temporary.cleanup()

    def hello(self, needs_blender: bool) -> dict[str, Any]:
        """Versions of engine and, if it is needed, Blender worker, by program. Raises AddonError."""
        known = self._hello
        if "engine" in known and (not needs_blender or "blender_worker" in known):
            return known  # without waiting for a photo in work
        with self._lock:
            try:
                self._open(needs_blender)
                return self._hello
            finally:
                self._schedule_close()

    def do(self, packed: ClusterTask, on_progress: OnProgress) -> TaskResult:
        """Do a task. Raises JobCancelledError after `drop`."""
        with self._lock:
            try:
                with self._dropping:
                    if packed.run in self._dropped:
                        raise JobCancelledError("Stopped.")
                    self._run = packed.run
                on_progress(0.0, "")
                return self._do(packed, on_progress)
            finally:
                with self._dropping:
                    self._run = None
                if packed.run in self._dropped:
                    self._close()
                self._schedule_close()

    def drop(self, run: str) -> None:
        """Give up a batch's photos, from any thread."""
        with self._dropping:
            self._dropped.add(run)
            processor = self._processor
            if self._run == run and processor:
                processor.kill()

    def _do(self, packed: ClusterTask, on_progress: OnProgress) -> TaskResult:
        try:
            processor = self._open(needs_blender=any(not step.late for step in packed.task.plan.steps))
        except AddonError as error:
            return self._broken(str(error))
        other = difference(
            versions(self._hello["engine"], self._hello.get("blender_worker", {})), packed.versions
        )
        if other:
            return self._broken(f"it {other}: install the same on all machines.")
        try:
            with tempfile.TemporaryDirectory(prefix="photobust-", dir=self._scratch) as scratch:
                folder = Path(scratch)
                task = unpack_task(packed, folder)
                staging = folder / "heads"
                staging.mkdir()
                try:
                    result = processor.run(task, staging, on_progress)
                except PhotoFailedError as error:
                    return self._failed(error.kind, _message(error, task.photo, packed), error.attempts)
                steps = [step for head in result.heads for step in head.steps.values()]
                if any(_no_room(step.error_kind, step.error or "") for step in steps):
                    return self._full()
                return pack_result(result)
        except JobCancelledError:
            raise
        except (AddonError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                return self._full()
            return self._failed(kind_of(error), f"the worker {self._address}: {error}", 1)

    def _failed(self, kind: str, message: str, attempts: int) -> TaskResult:
        return self._full() if _no_room(kind, message) else TaskResult(failed=(kind, message, attempts))

    def _full(self) -> TaskResult:
        return self._broken(f"its disk is full ({self._scratch}): make room there.")

    def _broken(self, reason: str) -> TaskResult:
        return TaskResult(broken=f"the worker {self._address} cannot do photos: {reason}")

    def _open(self, needs_blender: bool) -> LocalProcessor:
        """Engine and, if it is needed, Blender worker, answering. Raises AddonError. With the lock."""
        if self._processor and (not needs_blender or self._processor.blender_worker):
            return self._processor
        self._close()
        self._temporary = tempfile.TemporaryDirectory(prefix="programs-", dir=self._scratch)
        temporary = Path(self._temporary.name)
        engine = replace(find_engine(current=sys.executable), threads=self._threads)
        blender = None
        if needs_blender:
            found = find_blender(os.environ.get(BLENDER_VARIABLE))
            blender = PrivateProgram(replace(found, threads=self._threads), temporary)
        processor = LocalProcessor(
            PrivateProgram(engine, temporary), blender, engine_log=LOGGER.info, blender_log=LOGGER.info
        )
        self._processor = processor
        try:
            asked = {"engine": processor.engine.submit("hello")}
            if processor.blender_worker:
                asked["blender_worker"] = processor.blender_worker.submit("hello")
            self._hello = {name: hello.wait(START_TIMEOUT) for name, hello in asked.items()}
        except BaseException:
            self._close()
            raise
        return processor

    def _close(self) -> None:
        processor, self._processor, self._hello = self._processor, None, {}
        if processor:
            processor.close()
        temporary, self._temporary = self._temporary, None
        if temporary:
            temporary.cleanup()

    def _schedule_close(self) -> None:
        """With the lock: close all some time from now, unless there is a photo before that."""
        if self._idle:
            self._idle.cancel()
        self._idle_periods += 1
        self._idle = threading.Timer(IDLE_S, self._close_if_idle, [self._idle_periods])
        self._idle.daemon = True
        self._idle.start()

    def _close_if_idle(self, period: int) -> None:
        with self._lock:
            if self._idle_periods == period:  # no photo has come while this waited for the lock
                self._close()


def work(payload: bytes) -> bytes:
    """Dask's task.

    Args:
        payload: A `ClusterTask`, as `encode_task` makes it.

    Returns:
        A `TaskResult`, as `encode_result` makes it.
    """
    worker = get_worker()
    packed = decode_task(payload)
    about = {"run": packed.run, "task": packed.ident}
    last = float("-inf")

    def report(fraction: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now >= last + REPORT_INTERVAL_S:
            last = now
            event = {**about, "fraction": fraction, "text": text, "worker": worker.address}
            worker.log_event(TOPIC, event)

    return encode_result(_state(worker).do(packed, report))


def is_installed() -> bool:
    """Whether the worker has this project; run there, it fails if it has not."""
    return True


async def worker_versions(needs_blender: bool, dask_worker: Worker) -> bytes:
    """Versions of a worker's programs, or {"problem": in words}, as JSON; run on workers."""
    try:
        answer = await asyncio.to_thread(_state(dask_worker).hello, needs_blender)
    except AddonError as error:
        answer = {"problem": str(error)}
    return json.dumps(answer).encode("ascii")


def drop(run: str, dask_worker: Worker) -> None:
    """Give up a batch's photos; run on workers."""
    if NAME in dask_worker.plugins:
        _state(dask_worker).drop(run)


def _state(worker: Worker) -> WorkerState:
    """The worker's, made now if need be."""
    return cast(WorkerState, worker.plugins.setdefault(NAME, WorkerState(worker)))


def _message(error: PhotoFailedError, photo: str, packed: ClusterTask) -> str:
    """The reason, with the photo's path on its own machine."""
    return str(error).replace(photo, packed.task.photo)


def _no_room(kind: str | None, message: str) -> bool:
    return kind == NO_SPACE or any(os.strerror(number) in message for number in NO_ROOM)
