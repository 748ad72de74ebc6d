"""Photos in, colored 3D heads out, unattended.

    photobust photos/ --out heads/                                  where the Python package is installed
    python scripts/batch.py photos/ --out heads/                    in a checkout, with the bpy module
    blender -b -P scripts/batch.py -- photos/ --out heads/          with Blender 3.4 or later
    python scripts/batch.py photos/ --out heads/ --scheduler tcp://HOST:8786    on a Dask cluster

Each face gets a folder with surface, head, pictures and face.json; index.html shows them all, batch.json
records what was done. The same command again makes what is missing, and only that. docs/batch.md has more.

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
from typing import IO, Any, NoReturn

from ..blender.entry_point import DONE, FAILED, in_blender, run
from ..blender_worker.client import find_blender
from ..engine.client import START_TIMEOUT
from ..engine.locate import find_engine
from ..errors import AddonError, BlenderNotFoundError
from .argument_parser import program_name
from .console import Console, below, summary
from .corrections import remarks_on_corrections
from .inputs import collect, collect_people
from .local_processor import LocalProcessor, RendererChoice
from .options import for_record, parse
from .plan import RENDERERS, BatchPlan, make_plan
from .private_program import PrivateProgram
from .processor import PhotoProcessor
from .record import FILE_NAME, BatchRecord
from .record_seal import seal
from .runner import BatchResult, BatchRunner, BatchSettings
from .workspace import Workspace

#: Exit code: some photos failed, or are below --fail-below.
SOME_FAILED = 2
#: Steps of the Blender worker that are planned though no option asks for them.
DEFAULT_STEPS = ("preview",)
STOPPED = "Stopped. What was finished is in place; the same command goes on from there."


def console_main() -> NoReturn:
    """Run a batch with the process's arguments, and leave with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    run(main, STOPPED)


def main(arguments: Sequence[str]) -> int:
    """Run a batch.

    Args:
        arguments: Of the command line, without the program's name.

    Returns:
        The exit code.
    """
    start = time.perf_counter()
    about, _, epilog = (__doc__ or "").rpartition("\n\n")
    options = parse(arguments, about, epilog)
    console = Console()
    out = Path(options.out)
    try:
        with Workspace(out) as workspace, contextlib.ExitStack() as stack:
            people = options.person or options.person_per_folder
            found = (
                collect_people(options.photos, out, options.person_per_folder)
                if people
                else collect(options.photos, out)
            )
            inputs, note = found.photos, found.note()
            if note:
                console.line(note)
            if all(item.problem for item in inputs):
                for item in inputs:
                    console.line(f"{item.shown}: {item.problem}")
                return FAILED
            plan = _possible_plan(options, console)
            photos = [view for item in inputs for view in item.views or (item.path,)]
            for remark in remarks_on_corrections(options.pins, photos, plan.head):
                console.line(remark)
            record = BatchRecord.load(out)
            processors = _make_processors(
                options, plan, len(inputs), console, record, workspace.temporary, stack
            )
            record.timings["engine start"] = time.perf_counter() - start
            record.options, record.inputs = for_record(options), [os.path.abspath(p) for p in options.photos]  # noqa: PTH100 (resolve() would follow links)
            record.inputs_seal = seal(record.inputs)
            settings = BatchSettings(
                options.timeout,
                options.blender_timeout,
                options.fresh,
                options.retry_failed,
                options.verify,
            )
            page = None if options.no_page else _write_page
            result = BatchRunner(workspace, plan, settings, console, record, processors, page).run(inputs)
            problem = _page_problem(page, out, record)
    except (AddonError, OSError) as error:
        console.line(f"{program_name()}: {error}")
        return FAILED
    seconds = time.perf_counter() - start
    console.lines(
        summary(result.outcomes, result.worked, options.out, record.timings["engine start"], seconds)
    )
    if page:
        console.line(problem or f"Page: {out / 'index.html'}")
    console.line(f"Record: {out / FILE_NAME}")
    code = _exit_code(options, result, console)
    return SOME_FAILED if problem and code == DONE else code


def _possible_plan(options: argparse.Namespace, console: Console) -> BatchPlan:
    """What the options ask for; where there is no Blender, without the pictures that are made by default."""
    plan = make_plan(options)
    by_default = all(step.name in DEFAULT_STEPS for step in plan.steps)
    if not plan.steps or not by_default or options.blender or options.scheduler:
        return plan
    try:
        find_blender()
    except BlenderNotFoundError:
        console.line(
            "There is no Blender here, so the heads come without pictures. For these: pip install bpy, or "
            "name a Blender with --blender."
        )
        return replace(plan, steps=())
    return plan


def _exit_code(options: argparse.Namespace, result: BatchResult, console: Console) -> int:
    outcomes = result.outcomes
    if not options.engine_log and any(outcome.error_kind == "InternalError" for outcome in outcomes):
        console.line("To see the engine's log, run this again with --engine-log FILE --retry-failed.")
    if not any(outcome.heads for outcome in outcomes):
        return FAILED
    poor = below(outcomes, options.fail_below) if options.fail_below else []
    if poor:
        console.lines([f"Below {options.fail_below!r}:", *poor])
    return SOME_FAILED if poor or any(outcome.error for outcome in outcomes) else DONE


def _make_processors(
    options: argparse.Namespace,
    plan: BatchPlan,
    photos: int,
    console: Console,
    record: BatchRecord,
    temporary: Path,
    stack: contextlib.ExitStack,
) -> Sequence[PhotoProcessor]:
    """What reconstructs the photos, here or on a cluster; sets the record's versions. Raises AddonError."""
    processors: Sequence[PhotoProcessor]
    if options.scheduler:
        from .cluster import Cluster

        here = replace(plan, steps=tuple(step for step in plan.steps if step.late))
        (local,) = _local_processors(options, here, 1, console, temporary, stack)
        cluster = stack.enter_context(Cluster(options.scheduler, plan, local))
        record.engine, record.blender_worker = cluster.engine, cluster.blender_worker
        console.line(f"{cluster.workers} worker{'s' * (cluster.workers != 1)} at {options.scheduler}.")
        processors = cluster.processors(photos)
    else:
        count = min(options.jobs, photos)
        processors = local_processors = _local_processors(options, plan, count, console, temporary, stack)
        _ask_versions(local_processors[0], record)
    wanted = {name for step in plan.steps for name in step.options.get("formats", ())}
    missing = sorted(wanted - set(record.blender_worker.get("formats", wanted)))
    if missing:
        raise AddonError(f"this Blender cannot write {', '.join(missing)}: leave it out of --export.")
    return processors


def _local_processors(
    options: argparse.Namespace,
    plan: BatchPlan,
    count: int,
    console: Console,
    temporary: Path,
    stack: contextlib.ExitStack,
) -> list[LocalProcessor]:
    """`count` pairs of engine and Blender worker, which divide the CPU's cores; none is started yet."""
    threads = max(1, _cores() // count) if count > 1 else None
    current = sys.executable if not in_blender() else None
    found = replace(find_engine(options.engine_python, current=current), threads=threads)
    engine, blender = PrivateProgram(found, temporary), None
    if plan.steps:
        blender = PrivateProgram(replace(find_blender(options.blender), threads=threads), temporary)

    def report(renderer: str) -> None:
        if renderer == RENDERERS["cycles"]:
            console.line("There is no OpenGL here, so Cycles renders the pictures, which takes longer.")

    renderers = RendererChoice(report)
    logs = [_log(options.engine_log, stack), _log(options.blender_log, stack)]
    processors = [LocalProcessor(engine, blender, renderers, *logs) for _ in range(count)]
    for processor in processors:
        stack.callback(processor.close)
    return processors


def _ask_versions(processor: LocalProcessor, record: BatchRecord) -> None:
    """Start the first engine and Blender worker, which answer with their versions. Raises AddonError."""
    asked = [client.submit("hello") for client in (processor.engine, processor.blender_worker) if client]
    record.engine, *rest = [hello.wait(START_TIMEOUT) for hello in asked]
    record.blender_worker = rest[0] if rest else {}


def _write_page(out: Path, record: BatchRecord) -> Any:
    from .page import write_page

    return write_page(out, record)


def _page_problem(
    page: Callable[[Path, BatchRecord], Any] | None, out: Path, record: BatchRecord
) -> str | None:
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
    file: IO[str] = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 (the stack closes it)
    stack.callback(file.close)
    return lambda line: print(line, file=file, flush=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _interrupt(*_: int | FrameType | None) -> None:
    # Once is enough: what comes now is tidying up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
