"""Runs a batch: hands photos to threads that each own an engine and a Blender worker, commits the results,
keeps the record. No bpy.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import AddonError, BatchError, EngineTimeoutError, JobCancelledError
from .committer import Commit, ResultCommitter
from .console import Console, in_words
from .inputs import PhotoInput
from .local_processor import PhotoFailedError, PhotoResult, PhotoTask, StepOutcome, kind_of
from .pending import PendingWork, pending_work, photo_hash, views_hash
from .person_views import ViewRecord, remarks, view_records
from .plan import BatchPlan
from .processor import PhotoProcessor
from .record import BatchRecord, HeadRecord, PhotoRecord
from .turns import PhotoTurn, PhotoTurns
from .workspace import NO_SPACE, Workspace

#: Photos in work for each processor: one in the engine, and the one before it in Blender or being committed.
PHOTOS_PER_PROCESSOR = 2
#: Seconds between two savings of the record, at least.
SAVE_INTERVAL_S = 10.0
#: Fraction of the time that saving the record may take.
SAVE_FRACTION = 0.02
#: Seconds between two checks whether a thread has ended.
TICK_S = 0.2
#: `error_kind` of a photo whose head is made, but not all that was asked for beside it.
INCOMPLETE = "StepError"
#: That of a photo that the engine was too slow for.
TIMED_OUT = EngineTimeoutError.__name__


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is run; what it makes is in the plan.

    Attributes:
        timeout: Seconds that the engine may take for a photo.
        blender_timeout: Seconds that the Blender worker may take for a step of a head.
        fresh: Make everything again.
        retry_failed: Try photos and steps again that failed in an earlier run.
        verify: Compare photos and results by their hashes, instead of size and time.
    """

    timeout: float = 300.0
    blender_timeout: float = 600.0
    fresh: bool = False
    retry_failed: bool = False
    verify: bool = False


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        outcomes: Of all its photos, in their order.
        worked: Paths of those for which something was done; the others were as asked for, or failed before.
    """

    outcomes: list[PhotoRecord]
    worked: set[str] = field(default_factory=set)


class BatchRunner:
    """Runs photos, several at a time. Results are made in hidden folders and moved to their names when
    complete.
    """

    def __init__(
        self,
        workspace: Workspace,
        plan: BatchPlan,
        settings: BatchSettings,
        console: Console,
        record: BatchRecord,
        processors: Sequence[PhotoProcessor],
        write_page: Callable[[Path, BatchRecord], Any] | None = None,
    ) -> None:
        """Prepare a batch.

        Args:
            workspace: The output folder, locked.
            plan: What is made of each photo.
            settings: How.
            console: Where progress is shown.
            record: What runs before have made, with the versions of this run's programs.
            processors: Each has `PHOTOS_PER_PROCESSOR` in work; the caller closes them.
            write_page: Writes the page; None if none is wanted.
        """
        self._workspace = workspace
        self._out = workspace.out
        self._plan = plan
        self._settings = settings
        self._console = console
        self._record = record
        self._processors = processors
        self._write_page = write_page
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._problem: BaseException | None = None
        self._outcomes: dict[int, PhotoRecord] = {}
        self._worked: set[str] = set()
        self._fractions: dict[Path, float] = {}
        self._next_save = 0.0

    def run(self, inputs: Sequence[PhotoInput]) -> BatchResult:
        """Do all photos; each failure is noted and passed over.

        Raises:
            BatchError: All further photos would fail for the same reason.
        """
        photos = [item.path for item in inputs if not item.problem]
        self._committer = ResultCommitter(self._out, self._record, photos, self._lock, self._stop)
        self._total = len(inputs)
        self._record.started, self._record.finished = _now(), ""
        self._next_save = time.monotonic() + SAVE_INTERVAL_S
        queue = iter(enumerate(inputs))
        threads = [
            threading.Thread(target=self._work, args=(turns, queue), name=f"photobust-photo-{n + 1}")
            for n, turns in enumerate(
                PHOTOS_PER_PROCESSOR * [PhotoTurns(processor) for processor in self._processors]
            )
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(TICK_S / len(threads))
                self._save_now_and_then()
                if self._problem:
                    break
        finally:
            self._end(threads)
        if self._problem:
            raise self._problem
        return BatchResult([self._outcomes[index] for index in sorted(self._outcomes)], self._worked)

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Stop what is still running, wait for it, and save the record."""
        self._stop.set()
        while any(thread.is_alive() for thread in threads):
            for processor in self._processors:
                processor.kill()  # again and again: a thread may just have been about to start something
            for thread in threads:
                if thread.ident is not None:
                    thread.join(TICK_S)
        self._console.clear()
        self._record.finished = _now()
        try:
            self._record.save(self._out)
        except OSError as error:
            # The journal has it all. What stopped the batch is reported; this is most likely the same.
            self._problem = self._problem or self._fatal(error)

    def _work(self, turns: PhotoTurns, queue: Iterator[tuple[int, PhotoInput]]) -> None:
        """What a thread does: one photo after the other."""
        has_more = True
        while has_more:
            with turns.photo() as turn:
                has_more = not self._stop.is_set() and self._take(turn, queue)

    def _take(self, turn: PhotoTurn, queue: Iterator[tuple[int, PhotoInput]]) -> bool:
        """Do the next photo. Returns whether there was one, and the batch goes on."""
        try:
            with self._lock:
                index, item = next(queue, (-1, None))
            if item is None:
                return False
            outcome, worked = self._one(turn, item)
            with self._lock:
                self._outcomes[index] = outcome
                if worked:
                    self._worked.add(outcome.path)
                    line = f"[{len(self._outcomes)}/{self._total}] {in_words(outcome)}"
                    self._console.lines([line, *(f"  {remark}" for remark in remarks(outcome.views))])
        except JobCancelledError:
            return False  # the batch was stopped
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            turn.advance()  # the photo before is still put in its place
            with self._lock:
                self._problem = self._problem or error
            self._stop.set()
            return False
        return True

    def _one(self, turn: PhotoTurn, item: PhotoInput) -> tuple[PhotoRecord, bool]:
        """(what came of a photo, whether anything was done for it)."""
        start = time.perf_counter()
        path = str(item.path)
        before = self._record.photos.get(path)
        if item.problem:
            outcome = PhotoRecord(
                path, item.shown, error=item.problem, error_kind="NoSuchPhoto", heads=self._heads(path)
            )
            turn.advance()
            self._noting(lambda: self._record.finish(self._out, outcome))
            return outcome, True
        settings = self._settings
        if item.views:
            digest, size, mtime_ns = views_hash(item.views, before, settings.verify)
        else:
            digest, size, mtime_ns = photo_hash(item.path, before, settings.verify)
        fingerprints = self._plan.fingerprints(digest, self._record.engine, self._record.blender_worker)
        tried = "-".join(fingerprints[step] for step in self._plan.engine_steps)
        todo = pending_work(
            None if settings.fresh else before,
            self._plan,
            fingerprints,
            self._out,
            tried=(tried, f"{tried}-{settings.timeout:g}"),
            retry_failed=settings.retry_failed,
            verify=settings.verify,
        )
        if todo is None and before is not None:
            return replace(before, shown=item.shown), False
        if todo is None:
            raise AssertionError("there is something to do for a new photo")
        blank = PhotoRecord(path, item.shown, digest, size=size, mtime_ns=mtime_ns)
        outcome = self._try(turn, item, todo, blank, fingerprints, tried)
        turn.advance()
        seconds = time.perf_counter() - start - turn.waited_s
        outcome = replace(outcome, seconds=round(seconds, 4))
        self._noting(lambda: self._record.finish(self._out, outcome))
        return outcome, True

    def _try(
        self,
        turn: PhotoTurn,
        item: PhotoInput,
        todo: PendingWork,
        blank: PhotoRecord,
        fingerprints: Mapping[str, str],
        tried: str,
    ) -> PhotoRecord:
        """What comes of doing a photo, failures included, as far as they are its own."""
        settings = self._settings
        task = PhotoTask(
            blank.path,
            self._plan,
            todo.reconstruct,
            todo.kept,
            settings.timeout,
            settings.blender_timeout,
            tuple(map(str, item.views)),
        )
        try:
            return self._do(turn, item, task, blank, fingerprints)
        except (BatchError, JobCancelledError):
            raise
        except PhotoFailedError as error:
            # A photo that took too long may be done in more time; another reason stays one.
            if error.kind == TIMED_OUT:
                tried = f"{tried}-{settings.timeout:g}"
            failed = replace(blank, error_kind=error.kind, attempts=error.attempts, tried=tried)
            problem: Exception = error
        except (AddonError, OSError) as error:
            failed = replace(blank, error_kind=kind_of(error))
            problem = error
        finally:
            with self._lock:
                self._fractions.pop(item.path, None)
        return replace(failed, error=str(problem), heads=self._heads(blank.path))

    def _do(
        self,
        turn: PhotoTurn,
        item: PhotoInput,
        task: PhotoTask,
        blank: PhotoRecord,
        fingerprints: Mapping[str, str],
    ) -> PhotoRecord:
        """Make and commit what is to be made for a photo."""

        def show(fraction: float, text: str) -> None:
            with self._lock:
                self._fractions[item.path] = fraction
                done = len(self._outcomes) + sum(self._fractions.values())
                self._console.progress(done, self._total, f"{item.path.name}: {text}")

        def go_on_to_blender() -> None:
            turn.advance()
            if self._stop.is_set():
                raise JobCancelledError("Stopped.")

        before = self._heads(blank.path)
        show(0.0, "")
        try:
            with self._workspace.staging() as staging:
                try:
                    result = turn.processor.run(task, staging, show, go_on_to_blender)
                    self._check(result)
                    names = self._committer.name(turn.processor, task, result, before)
                    self._check(result)
                    heads = self._committer.commit(Commit(blank, names, result, before, fingerprints))
                except (AddonError, OSError) as error:
                    self._raise_if_fatal(error)
                    raise
        except OSError as error:
            self._raise_if_fatal(error)
            raise
        failed = {name: step.error for head in heads for name, step in head.steps.items() if step.error}
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        problem = f"the head is made, but not all that was asked for beside it: {reasons}"
        return replace(
            blank,
            heads=heads,
            timings={step: round(seconds, 4) for step, seconds in result.timings.items()},
            attempts=result.attempts,
            faces_omitted=faces_omitted(result, self._record.photos.get(blank.path)),
            views=person_views(result, self._record.photos.get(blank.path)),
            error=problem if failed else None,
            error_kind=INCOMPLETE if failed else None,
        )

    def _heads(self, path: str) -> list[HeadRecord]:
        """What is in place of a photo."""
        with self._lock:
            outcome = self._record.photos.get(path)
        return list(outcome.heads) if outcome else []

    def _check(self, result: PhotoResult) -> None:
        """Stop the batch, before anything is committed, if a step failed because of the disk."""
        failed: list[StepOutcome] = [
            step for head in result.heads for step in head.steps.values() if step.error
        ]
        problem = self._workspace.fatal_problem(
            message=" ".join(str(step.error) for step in failed),
            is_full=any(step.error_kind == NO_SPACE for step in failed),
        )
        if problem:
            raise BatchError(problem)

    def _raise_if_fatal(self, error: BaseException) -> None:
        if isinstance(error, (BatchError, JobCancelledError)):
            return
        problem = self._workspace.fatal_problem(error, str(error))
        if problem:
            raise BatchError(problem) from error

    def _fatal(self, error: OSError) -> BatchError:
        return BatchError(
            self._workspace.fatal_problem(error, str(error)) or f"the record cannot be written: {error}."
        )

    def _noting(self, note: Callable[[], object]) -> None:
        """Write to the record. What cannot be noted would be lost, so the batch ends."""
        with self._lock:
            try:
                note()
            except OSError as error:
                raise self._fatal(error) from error

    def _save_now_and_then(self) -> None:
        if time.monotonic() < self._next_save or self._problem:
            return
        start = time.monotonic()
        with self._lock:
            self._noting(lambda: self._record.save(self._out))
            snapshot = replace(self._record, photos=dict(self._record.photos))
        if self._write_page:
            with contextlib.suppress(AddonError, OSError):  # the one at the end is reported
                self._write_page(self._out, snapshot)
        now = time.monotonic()
        self._next_save = now + max(SAVE_INTERVAL_S, (now - start) / SAVE_FRACTION)


def faces_omitted(result: PhotoResult, before: PhotoRecord | None) -> int:
    """How many faces of a photo the engine left out, as it says or, where it did not run, said before."""
    said = [head.engine.get("faces_omitted", 0) for head in result.heads if head.engine]
    if not said:
        return before.faces_omitted if before else 0
    return max((count for count in said if type(count) is int and count > 0), default=0)


def person_views(result: PhotoResult, before: PhotoRecord | None) -> list[ViewRecord]:
    """What became of each photo of a person, as the engine says or, where it did not run, said before."""
    said = [head.engine.get("views", []) for head in result.heads if head.engine]
    if not said:
        return list(before.views) if before else []
    return view_records(said[0])


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
