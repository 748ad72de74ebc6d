"""Takes one photo through the engine and the Blender worker, into a staging folder. No bpy.

It knows neither the record nor names nor the console: the same code runs in a thread of `scripts/batch.py`
and on another machine. A process that hangs or dies is replaced, and what it was doing is tried once more.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..blender.regular_file import open_regular
from ..engine.client import START_TIMEOUT, Progress, WorkerClient
from ..engine.process import EngineProgram
from ..errors import (
    AddonError,
    EngineDiedError,
    EngineTimeoutError,
    JobCancelledError,
    JobFailedError,
    StepError,
    UnsafePathError,
)
from ..heads import manifest
from .plan import AUTO_RENDERER, RENDERERS, SURFACE, BatchPlan, StepPlan, files_of
from .storage import contained, contained_folder, is_safe_name

#: How often a photo is given to an engine, or a step to a Blender worker, if they hang or die of it.
ATTEMPTS = 2
#: Fraction of a photo's progress that is the engine's; the rest is the Blender worker's.
ENGINE_FRACTION = 0.6

#: Called with the fraction of the photo that is done, and what is going on.
OnProgress = Callable[[float, str], None]


@dataclass(frozen=True)
class KeptHead:
    """A head that an earlier run has made.

    Attributes:
        folder: Absolute; complete.
        todo: The Blender worker's steps to run on it.
        inputs: The engine's files that they are made from.
        keep: Further steps of the Blender worker, which are still valid, and their files.
        stale: Files from an earlier run that are no longer valid.
    """

    folder: str
    todo: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    keep: dict[str, list[str]] = field(default_factory=dict)
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhotoTask:
    """What is to be done for a photo; can be sent to another process.

    Attributes:
        photo: Absolute path.
        plan: What is wanted.
        reconstruct: Whether the engine has to run.
        kept: The heads of earlier runs, in the engine's order; if the engine runs, what is still valid of
            what the Blender worker made. Empty if all is made again.
        timeout: Seconds that the engine may take.
        blender_timeout: Seconds that the Blender worker may take for each step.
        views: Absolute paths of the photos, if `photo` is a folder of one person's.
    """

    photo: str
    plan: BatchPlan
    reconstruct: bool = True
    kept: tuple[KeptHead, ...] = ()
    timeout: float = 300.0
    blender_timeout: float = 600.0
    views: tuple[str, ...] = ()

    @property
    def request(self) -> dict[str, Any]:
        """What the request to the engine says beside the photo."""
        return {**self.plan.engine, **({"photos": list(self.views)} if self.views else {})}


@dataclass(frozen=True)
class StepOutcome:
    """What came of a step, as `record.StepRecord` has it."""

    files: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True)
class StagedHead:
    """A head in its staging folder.

    Attributes:
        folder: Has face.json and the files of `steps`; beside them may be others, which are in place already.
        steps: What was made now, by step.
        engine: The engine's answer on the head, empty if it has not run.
    """

    folder: Path
    steps: dict[str, StepOutcome]
    engine: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> set[str]:
        """What was made now, below the folder, with "/"."""
        return {file for outcome in self.steps.values() for file in outcome.files}


@dataclass(frozen=True)
class PhotoResult:
    """The heads of a photo.

    Attributes:
        heads: In the engine's order.
        timings: Seconds by step.
        attempts: How often the engine was tried.
    """

    heads: list[StagedHead]
    timings: dict[str, float]
    attempts: int = 1


class PhotoFailedError(AddonError):
    """The engine gave no head.

    Attributes:
        kind: The reason's name, as in `PhotoRecord.error_kind`.
        attempts: How often it was tried.
    """

    def __init__(self, cause: AddonError, attempts: int) -> None:
        super().__init__(str(cause))
        self.kind = kind_of(cause)
        self.attempts = attempts


class RendererChoice:
    """The renderer where none was named; found out once for all Blender workers of this machine."""

    def __init__(self, on_found: Callable[[str], None] | None = None) -> None:
        """`on_found` is called with the renderer, once it is known."""
        self._lock = threading.Lock()
        self._found: str | None = None
        self._on_found = on_found

    def get(self, blender_worker: WorkerClient) -> str:
        """Blender's name of a renderer that works."""
        with self._lock:
            if self._found is None:
                found = str(blender_worker.submit("renderer").wait(START_TIMEOUT)["renderer"])
                if self._on_found:
                    self._on_found(found)
                self._found = found
            return self._found


class LocalProcessor:
    """Owns an engine and a Blender worker, started when first needed; reconstructs photos one by one."""

    def __init__(
        self,
        engine: EngineProgram,
        blender_worker: EngineProgram | None,
        renderers: RendererChoice | None = None,
        engine_log: Callable[[str], None] | None = None,
        blender_log: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare the processes; none is started.

        Args:
            engine: How to start the engine.
            blender_worker: How to start the Blender worker; None where no plan has a step for it.
            renderers: Finds out what to render with.
            engine_log: Called with each line of the engine's log.
            blender_log: Called with each line of the Blender worker's log.
        """
        self.engine = WorkerClient(engine, engine_log, attempts=1)
        self.blender_worker = (
            WorkerClient(blender_worker, blender_log, attempts=1) if blender_worker else None
        )
        self._renderers = renderers or RendererChoice()
        self._stopped = False

    def run(
        self,
        task: PhotoTask,
        staging: Path,
        on_progress: OnProgress = lambda _, __: None,
        on_reconstructed: Callable[[], None] = lambda: None,
    ) -> PhotoResult:
        """Do a task in `staging`, an empty folder.

        Args:
            task: What is to be done.
            staging: Where.
            on_progress: Called with the fraction that is done, and what is going on.
            on_reconstructed: Called when the engine is free for another thread's photo, before the Blender
                worker is needed.

        Returns:
            The heads; of a step that failed, the reason.

        Raises:
            PhotoFailedError: The engine gave nothing.
            JobCancelledError: `kill` was called.
            OSError: Files cannot be copied.
            UnsafePathError: A kept head has links that lead out of it.
        """
        timings: dict[str, float] = {}
        if task.reconstruct:
            heads, attempts = self._reconstruct(task, staging, on_progress, timings)
        else:
            heads, attempts = [self._copy_kept(head, staging) for head in task.kept], 1
        on_reconstructed()
        kept = task.kept if len(task.kept) == len(heads) else ()
        for n, head in enumerate(heads):
            if task.reconstruct and kept:
                _adopt(head, kept[n])
            todo = kept[n].todo if kept else task.plan.names
            steps = [step for step in task.plan.steps if not step.late and step.name in todo]
            for k, step in enumerate(steps):
                fraction = (n + k / len(steps)) / len(heads)
                start = ENGINE_FRACTION if task.reconstruct else 0.0
                on_progress(start + (1 - start) * fraction, f"Blender: {step.name}")
                head.steps[step.name] = outcome = self.run_step(
                    head.folder, step, step.options, task.blender_timeout
                )
                add_seconds(timings, {step.name: outcome.seconds})
        return PhotoResult(heads, timings, attempts)

    def run_step(self, folder: Path, step: StepPlan, options: dict[str, Any], timeout: float) -> StepOutcome:
        """Run a step of the Blender worker on a folder. Raises JobCancelledError after `kill`."""
        if self.blender_worker is None:
            raise AssertionError("a plan with steps needs a Blender worker")
        start = time.perf_counter()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._give_up_if_stopped()
                if self.blender_worker.pid is None:
                    self.blender_worker.start()  # so that a step that kills it at once is no failed start
                if "renderer" in options:
                    options = {**options, "renderer": self._renderer(str(options["renderer"]))}
                params = {"step": step.name, "folder": str(folder.absolute()), "options": options}
                answer = self.blender_worker.submit("step", **params).wait(timeout)
            except (EngineDiedError, EngineTimeoutError) as error:
                self._give_up_if_stopped()
                self.blender_worker.kill()
                if attempt == ATTEMPTS:
                    return _failed(error, start)
            except JobFailedError as error:
                return _failed(error, start)
            else:
                return _step_outcome(answer, start)
        raise AssertionError("the last attempt returns")

    def close(self) -> None:
        """Let the processes end by themselves."""
        for client in (self.engine, self.blender_worker):
            if client:
                client.close()

    def kill(self) -> None:
        """End the processes now, from any thread; what is running gives up with JobCancelledError."""
        self._stopped = True
        for client in (self.engine, self.blender_worker):
            if client:
                client.kill()

    def _give_up_if_stopped(self) -> None:
        if self._stopped:
            raise JobCancelledError("Stopped.")

    def _renderer(self, name: str) -> str:
        if name == AUTO_RENDERER and self.blender_worker:
            return self._renderers.get(self.blender_worker)
        return RENDERERS.get(name, name)

    def _reconstruct(
        self, task: PhotoTask, staging: Path, on_progress: OnProgress, timings: dict[str, float]
    ) -> tuple[list[StagedHead], int]:
        loading: list[float] = []

        def show(progress: Progress) -> None:
            on_progress(ENGINE_FRACTION * progress.fraction, progress.message)
            # The engine loads its models with its first photo, and does not count that among the steps.
            if progress.step == "start":
                loading.append(time.perf_counter())
            elif loading:
                timings["loading the models"] = time.perf_counter() - loading.pop()

        for attempt in range(1, ATTEMPTS + 1):
            folder = staging / f"engine-{attempt}"
            try:
                self._give_up_if_stopped()
                if self.engine.pid is None:
                    self.engine.start()  # which is not the photo's time
                request = self.engine.submit_reconstruct(
                    task.photo,
                    folder,
                    focal_mm=task.plan.focal_mm,
                    max_faces=task.plan.max_faces,
                    options=task.request,
                )
                answer = request.wait(task.timeout, show)
                break
            except (EngineDiedError, EngineTimeoutError) as error:
                self._give_up_if_stopped()
                self.engine.kill()
                loading.clear()
                if attempt == ATTEMPTS:
                    raise PhotoFailedError(error, attempt) from error
                shutil.rmtree(folder, ignore_errors=True)
            except AddonError as error:
                raise PhotoFailedError(error, attempt) from error
        add_seconds(timings, answer.get("timings", {}))
        heads = []
        for n, face in enumerate(answer["faces"]):
            add_seconds(timings, face.get("timings", {}))
            # Under a name that every program takes, whatever the photo is called.
            head = staging / f"head-{n + 1}"
            _engine_folder(face, folder).rename(head)
            heads.append(StagedHead(head, _engine_steps(task.plan, face, head), face))
        return heads, attempt

    @staticmethod
    def _copy_kept(head: KeptHead, staging: Path) -> StagedHead:
        """A copy of what the steps need of a finished head. No links: what writes into a file that is there
        would write into the finished one.
        """
        source, folder = Path(head.folder), staging / Path(head.folder).name
        folder.mkdir()
        for name in {*head.inputs, manifest.FILE_NAME}:
            target = contained(folder, name)
            target.parent.mkdir(exist_ok=True)
            with open_regular(contained(source, name), follow_links=False) as file, target.open("xb") as copy:
                shutil.copyfileobj(file, copy)
        manifest.forget(folder, head.stale, head.todo)
        return StagedHead(folder, {})


def _adopt(head: StagedHead, kept: KeptHead) -> None:
    """Have the new face.json list what is still valid of the old one."""
    files = [name for names in kept.keep.values() for name in names]
    manifest.adopt(head.folder, manifest.read(Path(kept.folder)), files, list(kept.keep))


def _failed(error: AddonError, start: float) -> StepOutcome:
    return StepOutcome(seconds=time.perf_counter() - start, error=str(error), error_kind=kind_of(error))


def _engine_folder(face: dict[str, Any], out: Path) -> Path:
    """The folder of a face that the engine names, which has to be in `out`. Raises UnsafePathError."""
    folder = Path(str(face.get("folder")))
    if folder.parent != out.absolute():
        raise UnsafePathError(
            f"The engine names a folder outside of its own, {folder}. Set the engine up again."
        )
    return contained_folder(out, folder.name)


def _step_outcome(answer: dict[str, Any], start: float) -> StepOutcome:
    """The Blender worker's answer, as far as it makes sense."""
    files, facts = answer.get("files"), answer.get("facts")
    names = list(files) if isinstance(files, (dict, list)) else []
    if not all(map(is_safe_name, names)) or not isinstance(facts, dict):
        return _failed(StepError("The Blender worker's answer makes no sense: try again."), start)
    return StepOutcome(names, facts, time.perf_counter() - start)


def _engine_steps(plan: BatchPlan, face: dict[str, Any], folder: Path) -> dict[str, StepOutcome]:
    """The engine's answer on a face, whose files are in `folder`, as steps."""
    made = sorted(path.name for path in folder.iterdir())
    return {
        step: StepOutcome(
            files_of(step, made, plan.engine_steps),
            seconds=round(sum(face.get("timings", {}).values()), 4) if step == SURFACE else 0.0,
        )
        for step in plan.engine_steps
    }


def kind_of(error: BaseException) -> str:
    """The name of what went wrong."""
    return getattr(error, "kind", None) or type(error).__name__


def add_seconds(timings: dict[str, float], more: dict[str, float]) -> None:
    """Add seconds by step."""
    for step, seconds in more.items():
        timings[step] = timings.get(step, 0.0) + float(seconds)
