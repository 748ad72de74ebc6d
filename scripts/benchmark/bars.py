"""Measures all that is to be fast against its bar, in one table, in less than six minutes on two idle cores.

    python scripts/benchmark/bars.py PHOTOS [--only surface,head,preview,batch] [--write]

PHOTOS is a folder of portraits. Prints what was measured by the clock, which other work lengthens, and the
processor's time of all threads, which that changes little; with --write it goes into docs/benchmarks.md, too.
Rates of batches are of the photos after the first ones of all jobs, without the start. Linux only.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.engine.locate import ONE_BLAS_THREAD, Engine

os.environ.update(ONE_BLAS_THREAD)  # as the engine has it; before numpy is loaded
# An installed engine compiles its modules once, not at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from blender_addon.blender_worker.client import find_blender
from blender_addon.engine.client import WorkerClient
from core import Reconstructor, load_photo
from core.runtime.memory import reuse_freed_memory
from core.wrapping.options import HeadOptions
from scripts.benchmark.arguments import names_of
from scripts.benchmark.batch import FULL, PLAIN
from scripts.benchmark.document import DOCUMENT, ensure_section, machine, write_section
from scripts.benchmark.engine import measure_engine, peer_pipeline
from scripts.benchmark.photos import make_photo, pick
from scripts.benchmark.processes import processor_seconds, resident_bytes

BEGIN = "<!-- scripts/benchmark/bars.py: begin -->"
END = "<!-- scripts/benchmark/bars.py: end -->"
SECTION = f"## All bars\n\n{BEGIN}\n{END}\n"
#: Runs that the surface's medians are of, and portraits that the head's are of, each after one to warm up.
SURFACE_REPEATS = 10
HEAD_PORTRAITS = 6
#: Runs that the preview's median is of.
PREVIEW_REPEATS = 5
#: Portraits of a batch of surfaces, of heads, and of the full set. Of four full sets only two count: their
#: rate was anything from 202 to 326 an hour.
SURFACES = 60
HEADS = 24
FULL_SETS = 8
#: Photos in work at a time.
JOBS = 2
#: What a request for a finished head says beside the photo.
WHOLE = {"head": True, "preview_model": True}
#: What a batch is asked for: name, options, number of photos, and the fewest an hour.
BATCHES: tuple[tuple[str, tuple[str, ...], int, int], ...] = (
    ("surfaces an hour, two jobs", ("--surface", *PLAIN), SURFACES, 18_000),
    ("heads with GLB an hour, two jobs", ("--head", *PLAIN), HEADS, 4_000),
    ("full sets an hour, two jobs", FULL, FULL_SETS, 300),
)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was measured.
        measured: By the clock, or in bytes, with its unit.
        bar: What it is held against.
        processor: The processor's time, with its unit.
    """

    what: str
    measured: str
    bar: str
    processor: str = "–"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument(
        "--only", type=names_of(PARTS), default=list(PARTS), help=f"of {', '.join(PARTS)} (default: all)"
    )
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks.md")
    options = parser.parse_args()
    portraits = pick([options.photos], SURFACES)
    if len(portraits) <= HEAD_PORTRAITS:
        parser.error(f"there are only {len(portraits)} photos in {options.photos}")
    reuse_freed_memory()
    load, start, rows = os.getloadavg()[0], time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for part in options.only:
            made = PARTS[part](portraits, Path(folder))
            print("\n".join(map(table_line, made)), file=sys.stderr)
            rows += made
    text = report(rows, load, time.perf_counter() - start)
    print(text)
    if options.write:
        ensure_section(DOCUMENT, SECTION, BEGIN)
        write_section(DOCUMENT, text, BEGIN, END)
    return 0


def surface_rows(_: Sequence[Path], folder: Path) -> list[Row]:
    """A photo's way to its surface, in turns with VRN's architecture and PyMCubes; start and memory."""
    photo = make_photo(folder)
    engine, peer = measure_engine(photo, folder / "surface", SURFACE_REPEATS, peer_pipeline(photo))
    seconds, processor = statistics.median(engine.warm), statistics.median(engine.processor)
    rows = [Row("photo to `surface.ply`, warm", f"{seconds:.2f} s", "0.25 s", f"{processor:.2f} s")]
    if peer:
        by_clock = seconds / statistics.median(peer.seconds)
        ratio = processor / statistics.median(peer.processor)
        what = "the same as a multiple of VRN's architecture with PyMCubes"
        rows.append(Row(what, f"{by_clock:.2f}", "1.0", f"{ratio:.2f}"))
    return [
        *rows,
        Row("engine ready, files cached", f"{engine.ready:.2f} s", "0.7 s"),
        Row("engine's memory when it has nothing to do", f"{engine.idle_bytes / 1e6:.0f} MB", "350 MB"),
        Row("engine's memory at most, surfaces alone", f"{engine.peak_bytes / 1e6:.0f} MB", "900 MB"),
    ]


def head_rows(portraits: Sequence[Path], folder: Path) -> list[Row]:
    """A photo's way to the finished head: without hair and files, and with them, cold and warm."""
    chosen = portraits[:: max(len(portraits) // HEAD_PORTRAITS, 1)][:HEAD_PORTRAITS]
    rows = [textured_row(chosen)]
    start = time.perf_counter()
    with WorkerClient(Engine(Path(sys.executable), ROOT)) as client:
        client.submit_reconstruct(chosen[0], folder / "cold", options=WHOLE).wait()
        cold = time.perf_counter() - start
        figures = []
        for portrait in chosen:
            start, used = time.perf_counter(), processor_seconds(client.pid)
            client.submit_reconstruct(portrait, folder / "whole", options=WHOLE).wait()
            figures.append((time.perf_counter() - start, processor_seconds(client.pid) - used))
        peak = resident_bytes(client.pid, most=True)
    seconds, processor = (statistics.median(values) for values in zip(*figures, strict=True))
    what = "photo to files: head, texture, maps, hair, GLB, page model, warm"
    return [
        *rows,
        Row(what, f"{seconds:.2f} s", "1.8 s", f"{processor:.2f} s"),
        Row("photo to files of the finished head, cold start", f"{cold:.2f} s", "4 s"),
        Row("engine's memory at most, finished heads", f"{peak / 1e6:.0f} MB", "900 MB"),
    ]


def textured_row(portraits: Sequence[Path]) -> Row:
    """A photo's way to a head with texture and maps, in this process, warm."""
    figures = []
    with Reconstructor.from_pretrained() as reconstructor:
        for portrait in [portraits[0], *portraits]:
            start, used = time.perf_counter(), time.process_time()
            reconstructor.reconstruct(load_photo(portrait), max_faces=1, head=HeadOptions(hair="none"))
            figures.append((time.perf_counter() - start, time.process_time() - used))
    seconds, processor = (statistics.median(values) for values in zip(*figures[1:], strict=True))
    what = "photo to head with texture and maps, in memory, warm"
    return Row(what, f"{seconds:.2f} s", "1.2 s", f"{processor:.2f} s")


def preview_rows(portraits: Sequence[Path], folder: Path) -> list[Row]:
    """Three views of a finished head in Blender, warm."""
    with WorkerClient(Engine(Path(sys.executable), ROOT)) as client:
        result = client.submit_reconstruct(portraits[0], folder / "preview", options=WHOLE).wait()
    figures = []
    with WorkerClient(find_blender()) as client:
        renderer = client.submit("renderer").wait()["renderer"]
        for number in range(PREVIEW_REPEATS + 1):
            start, used = time.perf_counter(), processor_seconds(client.pid) if number else 0.0
            options = {"size": 512, "renderer": renderer}
            request = {"step": "preview", "folder": result["faces"][0]["folder"], "options": options}
            client.submit("step", **request).wait()
            figures.append((time.perf_counter() - start, processor_seconds(client.pid) - used))
    seconds, processor = (statistics.median(values) for values in zip(*figures[1:], strict=True))
    return [Row("preview of three views in Blender, warm", f"{seconds:.2f} s", "0.6 s", f"{processor:.2f} s")]


def batch_rows(portraits: Sequence[Path], folder: Path) -> list[Row]:
    """Photos an hour of batches."""
    rows = []
    for number, (what, options, count, bar) in enumerate(BATCHES):
        out = folder / f"batch-{number}"
        library = [str(folder / "library") if option == "LIBRARY" else option for option in options]
        command = [sys.executable, "scripts/batch.py", *map(str, pick(portraits, count))]
        command += ["--out", str(out), "--jobs", str(JOBS), *library]
        rate = photos_an_hour(command)
        rows.append(Row(what, f"{rate:,.0f}" if rate else "–", f"{bar:,}"))
    return rows


def photos_an_hour(command: Sequence[str]) -> float:
    """How many photos a batch finishes an hour after those that it began with; 0 if there are no others."""
    times = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout or ():
            if line.startswith("["):  # [3/24] name: ...
                times.append(time.perf_counter())
    if process.returncode not in (0, 2):
        raise SystemExit(f"the batch ended with {process.returncode}")
    return 3600 * (len(times) - JOBS) / (times[-1] - times[JOBS - 1]) if len(times) > JOBS else 0.0


#: What can be measured by itself.
PARTS: dict[str, Callable[[Sequence[Path], Path], list[Row]]] = {
    "surface": surface_rows,
    "head": head_rows,
    "preview": preview_rows,
    "batch": batch_rows,
}


def table_line(row: Row) -> str:
    """A line of the table, as Markdown."""
    return f"| {row.what} | {row.measured} | {row.processor} | {row.bar} |"


def report(rows: Sequence[Row], load: float, seconds: float) -> str:
    """The table, as Markdown.

    Args:
        rows: Its lines.
        load: The machine's load average at the start.
        seconds: How long measuring took.
    """
    about = (
        f"{date.today()}, {machine()}, load average {load:.1f} at the start, measured in {seconds:.0f} s; "
    )
    head = ["| what | clock | processor | bar |", "|---|---|---|---|"]
    return "\n".join([f"{about}`scripts/benchmark/bars.py`.", "", *head, *map(table_line, rows)])


if __name__ == "__main__":
    sys.exit(main())
