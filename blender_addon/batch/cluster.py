"""Sends photos to the workers of a Dask cluster. No bpy; Dask is imported when a cluster is asked for.

The photo travels to a worker and the finished files travel back (`payload`), since no shared disk is assumed;
they are then committed as those of a local run. What becomes of a lost worker's photos is Dask's business: it
keeps the tasks until their results are fetched, and gives them to other workers. What writes outside the
result folder, the asset library, runs here. From workers come data and no objects (`inert_pickles`).
"""

import contextlib
import logging
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..engine.client import START_TIMEOUT
from ..errors import BatchError, EngineDiedError, JobCancelledError, JobFailedError, PayloadError
from . import checked_json
from .local_processor import (
    ATTEMPTS,
    LocalProcessor,
    OnProgress,
    PhotoFailedError,
    PhotoResult,
    PhotoTask,
    StepOutcome,
)
from .payload import (
    ClusterTask,
    TaskResult,
    decode_result,
    difference,
    encode_task,
    pack_task,
    unpack_result,
    versions,
)
from .plan import BatchPlan, StepPlan

#: Photos on their way, for each worker: one in work, and one that waits, so that no worker does.
TASKS_PER_WORKER = 2
#: Seconds to reach the scheduler.
CONNECT_TIMEOUT_S = 10.0
#: Seconds for the first worker to come, or for another one if all are lost.
WORKERS_TIMEOUT_S = 60.0
#: Seconds between two checks of a task's state.
TICK_S = 0.2
#: Seconds between two checks of the connection and of which workers there are.
CHECK_INTERVAL_S = 5.0
#: Seconds that fetching a result may take before it is asked whether the batch was stopped meanwhile.
FETCH_TIMEOUT_S = 30.0
AGAIN = "What was finished is in place; the same command goes on from there."
MISSING = (
    f"--scheduler needs Dask, which {sys.executable} does not have: pip install 'photobust[cluster]', or in "
    "a checkout .venv/bin/python -m pip install -c constraints.txt -e '.[cluster]'."
)


class Cluster:
    """A batch's connection to a cluster; a context.

    Attributes:
        workers: How many there were at the beginning.
        engine: Versions, as the workers' engines report them.
        blender_worker: Versions, as the workers' Blender workers report them.
    """

    def __init__(self, address: str, plan: BatchPlan, local: LocalProcessor) -> None:
        """Connect to a cluster.

        Args:
            address: The scheduler's, such as tcp://HOST:8786.
            plan: What is made of each photo.
            local: Does the steps that run here; its Blender worker is None if the plan has none of these.

        Raises:
            BatchError: There is no such cluster, or its workers cannot do what is planned.
        """
        distributed = _dask()
        from . import cluster_worker
        from .inert_pickles import data_only

        self.local = local
        self._remote = cluster_worker
        self._killed_worker: type[Exception] = distributed.KilledWorker
        self._run = uuid.uuid4().hex
        self._address = address
        self._status: dict[str, _TaskStatus] = {}
        self._checking = threading.Lock()
        self._workers_seen = time.monotonic()
        self._next_check = self._workers_seen + CHECK_INTERVAL_S
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(data_only())
        try:
            distributed.comm.get_address_host_port(address, strict=True)  # the client would not end cleanly
            self._client = distributed.Client(
                address, timeout=CONNECT_TIMEOUT_S, set_as_default=False, name="photobust-batch"
            )
        except (OSError, ValueError) as error:  # OSError: TimeoutError, too
            self._stack.close()
            raise BatchError(
                f"there is no Dask scheduler at {address} ({error}): is it running, and can this machine "
                "reach it? `dask scheduler` says its address, such as tcp://192.168.0.2:8786."
            ) from error
        except BaseException:
            self._stack.close()
            raise
        try:
            self._prepare_workers(plan)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; the workers give up what this batch has left unfinished."""
        try:
            if self._client.status == "running":
                with suppress(Exception):  # as a courtesy: what has been made is here
                    self._client.run(self._remote.drop, self._run, on_error="ignore")
            self._client.close(timeout=CONNECT_TIMEOUT_S)
        finally:
            self._stack.close()

    def processors(self, photos: int) -> list["ClusterProcessor"]:
        """One for each photo that may be on its way."""
        return [ClusterProcessor(self) for _ in range(min(TASKS_PER_WORKER * self.workers, photos))]

    def _prepare_workers(self, plan: BatchPlan) -> None:
        """Get the workers ready. Raises AddonError unless they can do the plan, all as this machine would."""
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
        except TimeoutError as error:
            raise BatchError(
                f"the cluster at {self._address} has no workers: start some with "
                f"`dask worker {self._address}`."
            ) from error
        try:
            self._client.run(self._remote.is_installed)
        except Exception as error:  # whatever a worker without the project raises
            raise BatchError(
                "the cluster's workers do not have this version of Photobust: install it, with its extra "
                "'cluster', where they run, and start them again."
            ) from error
        self._client.subscribe_topic(self._remote.TOPIC, self._on_event)
        needs_blender = any(not step.late for step in plan.steps)
        try:
            answers = self._client.run(self._remote.worker_versions, needs_blender)
        except Exception as error:  # whatever Dask makes of what a worker says
            raise BatchError("a worker of the cluster cannot say what it has; its log says why.") from error
        hellos = {str(worker): _hello(worker, answer, needs_blender) for worker, answer in answers.items()}
        self.workers = len(hellos)
        here = self._versions_here()
        first = next(iter(hellos.values()))
        self.engine = first["engine"]
        self.blender_worker = (first if needs_blender else here).get("blender_worker", {})
        self._versions = versions(self.engine, self.blender_worker)
        for worker, hello in hellos.items():
            theirs = versions(hello["engine"], hello.get("blender_worker", {}))
            for wanted in (versions(here["engine"], here.get("blender_worker", {})), self._versions):
                other = difference(theirs, wanted)
                if other:
                    raise BatchError(f"the worker {worker} {other}: install the same on all machines.")

    def _versions_here(self) -> dict[str, dict[str, Any]]:
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
        """Have a worker do a task.

        Args:
            task: What is to be done.
            stopped: Gives up when it is set.
            on_progress: Called with the worker's progress.

        Returns:
            What was sent, and what came of it.

        Raises:
            PhotoFailedError: It cost too many workers.
            BatchError: The cluster is lost.
            PayloadError: A worker's answer makes no sense.
            JobCancelledError: `stopped` is set.
            OSError: Files cannot be read.
        """
        for attempt in range(1, ATTEMPTS + 1):
            packed = pack_task(task, self._versions, self._run, uuid.uuid4().hex)
            status = self._status[packed.ident] = _TaskStatus()
            try:
                return packed, self._send(packed, stopped, on_progress, status)
            except self._killed_worker as error:
                # Dask blames a worker's waiting photos for its death, too: what was not begun goes again.
                if len(status.workers) > 1 or attempt == ATTEMPTS:
                    died = EngineDiedError("Worker after worker of the cluster was lost with this photo.")
                    raise PhotoFailedError(died, attempt) from error
            finally:
                del self._status[packed.ident]
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self, packed: ClusterTask, stopped: threading.Event, on_progress: OnProgress, status: "_TaskStatus"
    ) -> TaskResult:
        self._check_connection()
        # Not pure: never taken from a cache.
        future = self._client.submit(
            self._remote.work, encode_task(packed), key=f"photobust-{packed.ident}", pure=False
        )
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(TICK_S):
                if stopped.is_set():
                    raise JobCancelledError("Stopped.")
                self._check_connection()
                if status.unread:
                    status.unread = False
                    on_progress(status.fraction, status.text)
            return decode_result(self._fetch(future, stopped))
        except (CancelledError, OSError) as error:
            raise self._lost() from error
        finally:
            future.release()  # an unfinished one is cancelled by that

    def _fetch(self, future: Any, stopped: threading.Event) -> Any:
        """What a finished task has returned. Raises PayloadError if it failed, and what Dask raises."""
        while True:
            try:
                return future.result(timeout=FETCH_TIMEOUT_S)
            except TimeoutError:
                if stopped.is_set():
                    raise JobCancelledError("Stopped.") from None
                self._check_connection()
            except (self._killed_worker, CancelledError, OSError):
                raise
            except Exception as error:  # Inert, or whatever Dask makes of what a worker says
                raise PayloadError(
                    "A worker of the cluster failed with this photo; its log says why."
                ) from error

    def _on_event(self, event: Any) -> None:
        """A worker's progress with a photo; on Dask's thread."""
        try:
            _, about = event
            status = self._status.get(about["task"]) if about["run"] == self._run else None
            if status:
                status.workers.add(checked_json.text(about["worker"]))
                status.fraction = min(max(checked_json.number(about["fraction"]), 0.0), 1.0)
                status.text, status.unread = checked_json.text(about["text"]), True
        except (TypeError, ValueError, KeyError):
            return  # from a worker that says something else

    def _check_connection(self) -> None:
        """Raise BatchError if the scheduler is lost, or all workers are and none comes back."""
        if self._client.status != "running":
            raise self._lost()
        if not self._checking.acquire(blocking=False):
            return  # another thread does
        try:
            now = time.monotonic()
            if now < self._next_check:
                return
            self._next_check = now + CHECK_INTERVAL_S
            if self._client.nthreads():
                self._workers_seen = now
            elif now > self._workers_seen + WORKERS_TIMEOUT_S:
                raise BatchError(f"all workers of the cluster are lost. {AGAIN}")
        except OSError as error:
            raise self._lost() from error
        finally:
            self._checking.release()

    def _lost(self) -> BatchError:
        return BatchError(f"the connection to the Dask scheduler at {self._address} is lost. {AGAIN}")


@dataclass
class _TaskStatus:
    """What is known of a task.

    Attributes:
        workers: Addresses of those that have begun it.
        fraction: How much of it is done.
        text: What is going on.
        unread: Whether that is news.
    """

    workers: set[str] = field(default_factory=set)
    fraction: float = 0.0
    text: str = ""
    unread: bool = False


class ClusterProcessor:
    """Sends photos one by one; a `processor.PhotoProcessor`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopped = threading.Event()

    def run(
        self,
        task: PhotoTask,
        staging: Path,
        on_progress: OnProgress,
        on_reconstructed: Callable[[], None],
    ) -> PhotoResult:
        """As `LocalProcessor.run`, on a worker, so that the next photo is sent when this one is back."""
        late = {step.name for step in task.plan.steps if step.late}
        if not task.reconstruct and all(late.issuperset(head.todo) for head in task.kept):
            return self._cluster.local.run(task, staging, on_progress, on_reconstructed)
        packed, result = self._cluster.send(task, self._stopped, on_progress)
        if result.broken:
            raise BatchError(result.broken)
        if result.failed:
            kind, message, attempts = result.failed
            raise PhotoFailedError(JobFailedError(kind, message), attempts)
        on_reconstructed()
        return unpack_result(result, packed, staging)

    def run_step(self, folder: Path, step: StepPlan, options: dict[str, Any], timeout: float) -> StepOutcome:
        """As `LocalProcessor.run_step`, on this machine."""
        return self._cluster.local.run_step(folder, step, options, timeout)

    def kill(self) -> None:
        """As `LocalProcessor.kill`."""
        self._stopped.set()
        self._cluster.local.kill()


def _hello(worker: object, answer: object, needs_blender: bool) -> dict[str, dict[str, Any]]:
    """Versions that a worker has sent, by program. Raises BatchError."""
    try:
        if not isinstance(answer, bytes):
            raise ValueError("it is no bytes")
        data = checked_json.parse(answer)
        problem = checked_json.optional_text(data.pop("problem", None))
        if problem is not None:
            raise BatchError(f"the worker {worker} cannot do photos: {problem}")
        hellos = {name: checked_json.mapping(hello) for name, hello in data.items()}
        checked_json.mapping(hellos["engine"].get("models") or {})
        if needs_blender:
            checked_json.texts(hellos["blender_worker"].get("formats", []))
    except (ValueError, KeyError) as error:
        raise BatchError(f"what the worker {worker} says of itself makes no sense: {error}.") from error
    return hellos


def _dask() -> ModuleType:
    """Dask, which only says what is said here, and sends photos without a warning."""
    try:
        import dask
        import distributed
    except ModuleNotFoundError as error:
        raise BatchError(MISSING) from error
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})
    loggers = [name for name in logging.root.manager.loggerDict if name.startswith("distributed.")]
    for name in ("distributed", *loggers):
        # Not even what is critical: Dask logs texts of workers with it, escape sequences included.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return distributed
