"""What a batch does on a worker of a Dask cluster. Needs Dask, and is imported only where that is. No bpy."""

import asyncio
import logging
import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
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
from .payload import ClusterTask, TaskResult, deliver, difference, unpack, versions
from .workspace import NO_ROOM

NAME = "photobust"
#: Events with this topic tell a batch how far its photos are.
TOPIC = "photobust-progress"
#: Seconds between two of them, at least.
TELL_EVERY = 0.5
#: Names a worker's Blender, or its Python with bpy, where none is found by itself; as --blender does.
BLENDER_VARIABLE = "PHOTOBUST_BLENDER"
#: Seconds without a photo after which engine and Blender worker make room for other work.
IDLE = 120.0

#: Below Dask's own, so that a worker's log has it.
LOGGER = logging.getLogger("distributed.worker.photobust")


class WorkerState(WorkerPlugin):
    """A cluster worker's engine and Blender worker, kept running between photos; one photo at a time.

    They share the worker's threads. They are closed with the worker, and when there was no photo for `IDLE`
    seconds. Each worker makes its own when it is first needed: a plugin that the scheduler knew would keep
    workers without this project from joining, for ever.
    """

    def __init__(self, worker: Worker) -> None:
        self._address = worker.address
        self._threads = worker.state.nthreads
        self._scratch = worker.local_directory
        self._lock = threading.Lock()
        self._job: LocalProcessor | None = None
        self._hello: dict[str, Any] = {}
        #: The batch whose photo is in work, and those that want no more; both with `_dropping`.
        self._run: str | None = None
        self._dropped: set[str] = set()
        self._dropping = threading.Lock()
        self._idle: threading.Timer | None = None
        self._rests = 0

    def teardown(self, worker: Worker) -> None:
        """Called by Dask when the worker ends."""
        if self._idle:
            self._idle.cancel()
        if self._job:
            self._job.kill()

    def hello(self, blender_worker: bool) -> dict[str, Any]:
        """What "engine" and, if it is needed, "blender_worker" say of themselves. Raises AddonError."""
        known = self._hello
        if "engine" in known and (not blender_worker or "blender_worker" in known):
            return known  # without waiting for a photo in work
        with self._lock:
            try:
                self._open(blender_worker)
                return self._hello
            finally:
                self._rest()

    def do(self, order: ClusterTask, on_progress: OnProgress) -> TaskResult:
        """Do an order. Raises JobCancelledError after `drop`."""
        with self._lock:
            try:
                with self._dropping:
                    if order.run in self._dropped:
                        raise JobCancelledError("Stopped.")
                    self._run = order.run
                on_progress(0.0, "")
                return self._do(order, on_progress)
            finally:
                with self._dropping:
                    self._run = None
                if order.run in self._dropped:
                    self._close()
                self._rest()

    def drop(self, run: str) -> None:
        """Give up a batch's photos, from any thread."""
        with self._dropping:
            self._dropped.add(run)
            job = self._job
            if self._run == run and job:
                job.kill()

    def _do(self, order: ClusterTask, on_progress: OnProgress) -> TaskResult:
        try:
            job = self._open(blender_worker=any(not step.late for step in order.task.plan.steps))
        except AddonError as error:
            return self._broken(str(error))
        other = difference(
            versions(self._hello["engine"], self._hello.get("blender_worker", {})), order.versions
        )
        if other:
            return self._broken(f"it {other}: install the same on all machines.")
        try:
            with tempfile.TemporaryDirectory(prefix="photobust-", dir=self._scratch) as scratch:
                folder = Path(scratch)
                task = unpack(order, folder)
                staging = folder / "heads"
                staging.mkdir()
                try:
                    done = job.run(task, staging, on_progress)
                except PhotoFailedError as error:
                    return self._failed(error.kind, _named(error, task.photo, order), error.attempts)
                steps = [step for head in done.heads for step in head.steps.values()]
                if any(_no_room(step.error_kind, step.error or "") for step in steps):
                    return self._full()
                return deliver(done)
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

    def _open(self, blender_worker: bool) -> LocalProcessor:
        """Engine and, if it is needed, Blender worker, answering. Raises AddonError. With the lock."""
        if self._job and (not blender_worker or self._job.blender_worker):
            return self._job
        self._close()
        engine = replace(find_engine(current=sys.executable), threads=self._threads)
        blender = (
            replace(find_blender(os.environ.get(BLENDER_VARIABLE)), threads=self._threads)
            if blender_worker
            else None
        )
        job = LocalProcessor(engine, blender, engine_log=LOGGER.info, blender_log=LOGGER.info)
        self._job = job
        try:
            asked = {"engine": job.engine.submit("hello")}
            if job.blender_worker:
                asked["blender_worker"] = job.blender_worker.submit("hello")
            self._hello = {name: hello.wait(START_TIMEOUT) for name, hello in asked.items()}
        except BaseException:
            self._close()
            raise
        return job

    def _close(self) -> None:
        job, self._job, self._hello = self._job, None, {}
        if job:
            job.close()

    def _rest(self) -> None:
        """With the lock: close all some time from now, unless there is a photo before that."""
        if self._idle:
            self._idle.cancel()
        self._rests += 1
        self._idle = threading.Timer(IDLE, self._close_if_idle, [self._rests])
        self._idle.daemon = True
        self._idle.start()

    def _close_if_idle(self, rest: int) -> None:
        with self._lock:
            if self._rests == rest:  # no photo has come while this waited for the lock
                self._close()


def work(parcel: bytes) -> bytes:
    """Dask's task: do a pickled `ClusterTask`; returns the pickled `TaskResult`."""
    worker = get_worker()
    order: ClusterTask = pickle.loads(parcel)
    desk = _desk(worker)
    about = {"run": order.run, "order": order.ident}
    last = float("-inf")

    def tell(share: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now >= last + TELL_EVERY:
            last = now
            worker.log_event(TOPIC, {**about, "share": share, "text": text, "worker": worker.address})

    return pickle.dumps(desk.do(order, tell), pickle.HIGHEST_PROTOCOL)


def present() -> bool:
    """Whether the worker has this project; run there, it fails if it has not."""
    return True


async def introduce(blender_worker: bool, dask_worker: Worker) -> Mapping[str, Any]:
    """Versions of the worker's engine and Blender worker, or {"problem": in words}; run on workers."""
    try:
        return await asyncio.to_thread(_desk(dask_worker).hello, blender_worker)
    except AddonError as error:
        return {"problem": str(error)}


def drop(run: str, dask_worker: Worker) -> None:
    """Give up a batch's photos; run on workers."""
    if NAME in dask_worker.plugins:
        _desk(dask_worker).drop(run)


def _desk(worker: Worker) -> WorkerState:
    """The worker's, made now if need be."""
    return cast(WorkerState, worker.plugins.setdefault(NAME, WorkerState(worker)))


def _named(error: PhotoFailedError, photo: str, order: ClusterTask) -> str:
    """The reason, with the photo's path on its own machine."""
    return str(error).replace(photo, order.task.photo)


def _no_room(kind: str | None, message: str) -> bool:
    return kind == NO_SPACE or any(os.strerror(number) in message for number in NO_ROOM)
