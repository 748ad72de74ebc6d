"""Sends photos to the workers of a Dask cluster. No bpy; Dask is imported when a cluster is asked for.

The photo travels to a worker and the finished files travel back (`parcel`), since no shared disk is assumed;
they are then filed away as those of a local run. What becomes of a lost worker's photos is Dask's business:
it keeps the orders until their results are fetched, and gives them to other workers. What writes outside the
result folder, the asset library, runs here.
"""

import logging
import pickle
import sys
import threading
import time
import uuid
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..engine.client import START_TIMEOUT
from ..errors import BatchError, EngineDiedError, JobCancelledError, JobFailedError
from .local_processor import (
    ATTEMPTS,
    LocalProcessor,
    OnProgress,
    PhotoFailedError,
    PhotoResult,
    PhotoTask,
    StepOutcome,
)
from .payload import ClusterTask, TaskResult, difference, pack, receive, versions
from .plan import BatchPlan, StepPlan

#: Photos on their way, for each worker: one in work, and one that waits, so that no worker does.
AHEAD = 2
#: Seconds to reach the scheduler; for the first worker to come, or for another one if all are lost.
CONNECT_TIMEOUT, WORKERS_TIMEOUT = 10.0, 60.0
#: Seconds between two looks at an order's state, and between two at which workers there are.
TICK, LOOK_EVERY = 0.2, 5.0
#: Seconds that fetching a result may take before it is asked whether the batch was stopped meanwhile.
FETCH_TIMEOUT = 30.0
AGAIN = "What was finished is in place; the same command goes on from there."
MISSING = (
    f"--scheduler needs Dask, which {sys.executable} does not have: pip install 'photobust[cluster]', or in "
    "a checkout .venv/bin/python -m pip install -c constraints.txt -e '.[cluster]'."
)


class Cluster:
    """A batch's connection to a cluster; a context. workers: how many there were at the beginning. engine,
    blender_worker: what theirs say of themselves.
    """

    def __init__(self, address: str, plan: BatchPlan, local: LocalProcessor) -> None:
        """`local` does the steps that run here; its Blender worker is None if the plan has none of these.

        Raises BatchError if there is no such cluster, or its workers cannot do what is planned.
        """
        distributed = _dask()
        from . import cluster_worker

        self.local = local
        self._remote = cluster_worker
        self._killed_worker: type[Exception] = distributed.KilledWorker
        self._run = uuid.uuid4().hex
        self._address = address
        self._news: dict[str, _News] = {}
        self._looking = threading.Lock()
        self._workers_seen = time.monotonic()
        self._next_look = self._workers_seen + LOOK_EVERY
        try:
            distributed.comm.get_address_host_port(address, strict=True)  # the client would not end cleanly
            self._client = distributed.Client(
                address, timeout=CONNECT_TIMEOUT, set_as_default=False, name="photobust-batch"
            )
        except (OSError, ValueError) as error:  # OSError: TimeoutError, too
            raise BatchError(
                f"there is no Dask scheduler at {address} ({error}): is it running, and can this machine "
                "reach it? `dask scheduler` says its address, such as tcp://192.168.0.2:8786."
            ) from error
        try:
            self._greet(plan)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; the workers give up what this batch has left unfinished."""
        if self._client.status == "running":
            with suppress(Exception):  # as a courtesy: what has been made is here
                self._client.run(self._remote.drop, self._run, on_error="ignore")
        self._client.close(timeout=CONNECT_TIMEOUT)

    def processors(self, photos: int) -> list["ClusterProcessor"]:
        """One for each photo that may be on its way."""
        return [ClusterProcessor(self) for _ in range(min(AHEAD * self.workers, photos))]

    def _greet(self, plan: BatchPlan) -> None:
        """Get the workers ready. Raises AddonError unless they can do the plan, all as this machine would."""
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_TIMEOUT)
        except TimeoutError as error:
            raise BatchError(
                f"the cluster at {self._address} has no workers: start some with "
                f"`dask worker {self._address}`."
            ) from error
        try:
            self._client.run(self._remote.present)
        except Exception as error:  # whatever unpickling can raise
            raise BatchError(
                "the cluster's workers do not have this version of Photobust: install it, with its extra "
                f"'cluster', where they run, and start them again ({error})."
            ) from error
        self._client.subscribe_topic(self._remote.TOPIC, self._hear)
        blender_worker = any(not step.late for step in plan.steps)
        hellos: dict[str, dict[str, Any]] = self._client.run(self._remote.introduce, blender_worker)
        for worker, hello in hellos.items():
            if "problem" in hello:
                raise BatchError(f"the worker {worker} cannot do photos: {hello['problem']}")
        self.workers = len(hellos)
        here = self._here()
        first = next(iter(hellos.values()))
        self.engine = first["engine"]
        self.blender_worker = (first if blender_worker else here).get("blender_worker", {})
        self._versions = versions(self.engine, self.blender_worker)
        for worker, hello in hellos.items():
            theirs = versions(hello["engine"], hello.get("blender_worker", {}))
            for right in (versions(here["engine"], here.get("blender_worker", {})), self._versions):
                other = difference(theirs, right)
                if other:
                    raise BatchError(f"the worker {worker} {other}: install the same on all machines.")

    def _here(self) -> dict[str, dict[str, Any]]:
        """Versions of this machine's engine, and Blender worker if one is needed. Raises AddonError."""
        asked = {"engine": self.local.engine.submit("hello")}
        if self.local.blender_worker:
            asked["blender_worker"] = self.local.blender_worker.submit("hello")
        hellos = {name: hello.wait(START_TIMEOUT) for name, hello in asked.items()}
        self.local.engine.close()  # it will not be needed
        return hellos

    def send(
        self, task: PhotoTask, stopped: threading.Event, on_progress: OnProgress
    ) -> tuple[ClusterTask, TaskResult]:
        """Have a worker do a task. Raises PhotoFailedError if it cost too many workers, BatchError if the
        cluster is lost, JobCancelledError when `stopped` is set, OSError if files cannot be read.
        """
        for attempt in range(1, ATTEMPTS + 1):
            order = pack(task, self._versions, self._run, uuid.uuid4().hex)
            news = self._news[order.ident] = _News()
            try:
                return order, self._send(order, stopped, on_progress, news)
            except self._killed_worker as error:
                # Dask blames a worker's waiting photos for its death, too: what was not begun goes again.
                if len(news.workers) > 1 or attempt == ATTEMPTS:
                    died = EngineDiedError("Worker after worker of the cluster was lost with this photo.")
                    raise PhotoFailedError(died, attempt) from error
            finally:
                del self._news[order.ident]
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self, order: ClusterTask, stopped: threading.Event, on_progress: OnProgress, news: "_News"
    ) -> TaskResult:
        self._look_around()
        # One blob, so that Dask does not search it for its own objects. Not pure: never taken from a cache.
        parcel = pickle.dumps(order, pickle.HIGHEST_PROTOCOL)
        future = self._client.submit(self._remote.work, parcel, key=f"photobust-{order.ident}", pure=False)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(TICK):
                if stopped.is_set():
                    raise JobCancelledError("Stopped.")
                self._look_around()
                if news.unread:
                    news.unread = False
                    on_progress(news.share, news.text)
            while True:
                try:
                    delivery: TaskResult = pickle.loads(future.result(timeout=FETCH_TIMEOUT))
                    return delivery
                except TimeoutError:
                    if stopped.is_set():
                        raise JobCancelledError("Stopped.") from None
                    self._look_around()
        except (CancelledError, OSError) as error:
            raise self._lost() from error
        finally:
            future.release()  # an unfinished one is cancelled by that

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """What a worker tells of a photo; on Dask's thread."""
        _, about = event
        news = self._news.get(about["order"]) if about["run"] == self._run else None
        if news:
            news.workers.add(about["worker"])
            news.share, news.text, news.unread = about["share"], about["text"], True

    def _look_around(self) -> None:
        """Raise BatchError if the scheduler is lost, or all workers are and none comes back."""
        if self._client.status != "running":
            raise self._lost()
        if not self._looking.acquire(blocking=False):
            return  # another thread does
        try:
            now = time.monotonic()
            if now < self._next_look:
                return
            self._next_look = now + LOOK_EVERY
            if self._client.nthreads():
                self._workers_seen = now
            elif now > self._workers_seen + WORKERS_TIMEOUT:
                raise BatchError(f"all workers of the cluster are lost. {AGAIN}")
        except OSError as error:
            raise self._lost() from error
        finally:
            self._looking.release()

    def _lost(self) -> BatchError:
        return BatchError(f"the connection to the Dask scheduler at {self._address} is lost. {AGAIN}")


@dataclass
class _News:
    """What is heard of an order. workers: those that have begun it."""

    workers: set[str] = field(default_factory=set)
    share: float = 0.0
    text: str = ""
    unread: bool = False


class ClusterProcessor:
    """Sends photos one by one; a `job.Job`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopped = threading.Event()

    def run(self, task: PhotoTask, staging: Path, on_progress: OnProgress) -> PhotoResult:
        """As `LocalProcessor.run`, on a worker."""
        late = {step.name for step in task.plan.steps if step.late}
        if not task.reconstruct and all(late.issuperset(head.todo) for head in task.kept):
            return self._cluster.local.run(task, staging, on_progress)
        order, delivery = self._cluster.send(task, self._stopped, on_progress)
        if delivery.broken:
            raise BatchError(delivery.broken)
        if delivery.failed:
            kind, message, attempts = delivery.failed
            raise PhotoFailedError(JobFailedError(kind, message), attempts)
        return receive(delivery, order, staging)

    def run_step(self, folder: Path, step: StepPlan, options: dict[str, Any], timeout: float) -> StepOutcome:
        """As `LocalProcessor.run_step`, on this machine."""
        return self._cluster.local.run_step(folder, step, options, timeout)

    def kill(self) -> None:
        """As `LocalProcessor.kill`."""
        self._stopped.set()
        self._cluster.local.kill()


def _dask() -> ModuleType:
    """Dask, which only says what is told here, and takes photos for what is sent with orders."""
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise BatchError(MISSING) from error
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})
    for name in (
        "distributed",
        *filter(lambda name: name.startswith("distributed."), logging.root.manager.loggerDict),
    ):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed
