"""Photos in, coloured 3D heads out, unattended.

    python scripts/batch.py photos/ --out heads/                    with the bpy module
    blender -b -P scripts/batch.py -- photos/ --out heads/          with Blender 3.4 or later
    python scripts/batch.py photos/ --out heads/ --scheduler tcp://HOST:8786    on a Dask cluster

Each face gets a folder with surface, head, pictures and face.json; index.html shows them all, batch.json
tells what was done. The same command again makes what is missing, and only that. docs/batch.md tells more.

Exit codes: 0 all done; 2 some photos failed (each is named with its reason) or are below --fail-below; 1
nothing could be done, or the batch had to stop; 130 stopped by Ctrl-C or SIGTERM.
"""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from blender_addon.batch.console import Console, below, summary
from blender_addon.batch.inputs import collect
from blender_addon.batch.job import Job
from blender_addon.batch.options import for_record, parse
from blender_addon.batch.photo_job import PhotoJob, RendererChoice
from blender_addon.batch.plan import RENDERERS, Plan, make_plan
from blender_addon.batch.record import FILE_NAME, Record
from blender_addon.batch.runner import Batch, Result, Settings
from blender_addon.batch.workspace import Workspace
from blender_addon.blender_worker.client import find_studio
from blender_addon.engine.client import START_TIMEOUT
from blender_addon.engine.locate import find_engine
from blender_addon.errors import AddonError
from scripts.command_line import DONE, FAILED, in_blender, run

ALL_DONE, NOTHING_DONE, SOME_FAILED = DONE, FAILED, 2


def main(arguments: Sequence[str]) -> int:
    """Run a batch; returns the exit code."""
    start = time.perf_counter()
    about, _, epilog = (__doc__ or "").rpartition("\n\n")
    options = parse(arguments, about, epilog)
    console = Console()
    out = Path(options.out)
    try:
        with Workspace(out) as workspace, contextlib.ExitStack() as stack:
            inputs = collect(options.photos, out)
            if all(item.problem for item in inputs):
                for item in inputs:
                    console.line(f"{item.shown}: {item.problem}")
                return NOTHING_DONE
            plan = make_plan(options)
            record = Record.load(out)
            jobs = _ready_jobs(options, plan, len(inputs), console, record, stack)
            record.timings["engine start"] = time.perf_counter() - start
            record.options, record.inputs = for_record(options), [os.path.abspath(p) for p in options.photos]
            settings = Settings(options.timeout, options.studio_timeout, options.fresh, options.retry_failed)
            page = None if options.no_page else _write_page
            result = Batch(workspace, plan, settings, console, record, jobs, page).run(inputs)
            problem = _page_problem(page, out, record)
    except (AddonError, OSError) as error:
        console.line(f"batch.py: {error}")
        return NOTHING_DONE
    seconds = time.perf_counter() - start
    console.line(
        summary(result.outcomes, result.worked, options.out, record.timings["engine start"], seconds)
    )
    if page:
        console.line(problem or f"Page: {out / 'index.html'}")
    console.line(f"Record: {out / FILE_NAME}")
    code = _exit_code(options, result, console)
    return SOME_FAILED if problem and code == ALL_DONE else code


def _exit_code(options: argparse.Namespace, result: Result, console: Console) -> int:
    outcomes = result.outcomes
    if not options.engine_log and any(outcome.error_kind == "InternalError" for outcome in outcomes):
        console.line("To see the engine's log, run this again with --engine-log FILE --retry-failed.")
    if not any(outcome.heads for outcome in outcomes):
        return NOTHING_DONE
    poor = below(outcomes, options.fail_below) if options.fail_below else []
    if poor:
        console.line("\n".join([f"Below {options.fail_below!r}:", *poor]))
    return SOME_FAILED if poor or any(outcome.error for outcome in outcomes) else ALL_DONE


def _ready_jobs(
    options: argparse.Namespace,
    plan: Plan,
    photos: int,
    console: Console,
    record: Record,
    stack: contextlib.ExitStack,
) -> Sequence[Job]:
    """What does the photos, here or on a cluster; the record is told the versions. Raises AddonError."""
    jobs: Sequence[Job]
    if options.scheduler:
        from blender_addon.batch.cluster import Cluster

        here = replace(plan, steps=tuple(step for step in plan.steps if step.late))
        (local,) = _jobs(options, here, 1, console, stack)
        cluster = stack.enter_context(Cluster(options.scheduler, plan, local))
        record.engine, record.studio = cluster.engine, cluster.studio
        console.line(f"{cluster.workers} worker{'s' * (cluster.workers != 1)} at {options.scheduler}.")
        jobs = cluster.jobs(photos)
    else:
        jobs = local_jobs = _jobs(options, plan, min(options.jobs, photos), console, stack)
        _say_hello(local_jobs[0], record)
    wanted = {name for step in plan.steps for name in step.options.get("formats", ())}
    missing = sorted(wanted - set(record.studio.get("formats", wanted)))
    if missing:
        raise AddonError(f"this Blender cannot write {', '.join(missing)}: leave it out of --export.")
    return jobs


def _jobs(
    options: argparse.Namespace, plan: Plan, count: int, console: Console, stack: contextlib.ExitStack
) -> list[PhotoJob]:
    """An engine and a studio for each photo in work, which share the processor; none is started yet."""
    threads = max(1, _cores() // count) if count > 1 else None
    current = sys.executable if not in_blender() else None
    engine = replace(find_engine(options.engine_python, current=current), threads=threads)
    studio = replace(find_studio(options.blender), threads=threads) if plan.steps else None

    def tell(renderer: str) -> None:
        if renderer == RENDERERS["cycles"]:
            console.line("There is no OpenGL here, so Cycles renders the pictures, which takes longer.")

    renderers = RendererChoice(tell)
    logs = [_log(options.engine_log, stack), _log(options.studio_log, stack)]
    jobs = [PhotoJob(engine, studio, renderers, *logs) for _ in range(count)]
    for job in jobs:
        stack.callback(job.close)
    return jobs


def _say_hello(job: PhotoJob, record: Record) -> None:
    """Start the first engine and studio, which tell their versions. Raises AddonError."""
    asked = [client.submit("hello") for client in (job.engine, job.studio) if client]
    record.engine, *rest = [hello.wait(START_TIMEOUT) for hello in asked]
    record.studio = rest[0] if rest else {}


def _write_page(out: Path, record: Record) -> Any:
    from blender_addon.batch.page import write_page

    return write_page(out, record)


def _page_problem(page: Callable[[Path, Record], Any] | None, out: Path, record: Record) -> str | None:
    """Write the page, if one is wanted; what went wrong, for the heads are made all the same."""
    try:
        if page:
            page(out, record)
    except (AddonError, OSError) as error:
        return f"The page could not be written: {error}"
    return None


def _log(path: str | None, stack: contextlib.ExitStack) -> Callable[[str], None] | None:
    if not path:
        return None
    file: IO[str] = open(path, "w", encoding="utf-8")  # noqa: SIM115 (the stack closes it)
    stack.callback(file.close)
    return lambda line: print(line, file=file, flush=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _interrupt(*_: int | FrameType | None) -> None:
    # Once is enough: what comes now is tidying up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    run(main, "Stopped. What was finished is in place; the same command goes on from there.")
