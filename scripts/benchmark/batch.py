"""Measures scripts/batch.py on a folder of photos: heads an hour, memory, fraction of faces found.

    python scripts/benchmark/batch.py photos/ --jobs 2

Writes the figures into docs/benchmarks.md, between the markers of its section. Run it on an idle machine; the
full set takes half a minute a photo, so --full-count lets it do with fewer. Linux only: it reads /proc.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.benchmark.arguments import names_of
from scripts.benchmark.document import DOCUMENT, ensure_section, machine, write_section
from scripts.benchmark.photos import pick

BEGIN = "<!-- scripts/benchmark/batch.py: begin -->"
END = "<!-- scripts/benchmark/batch.py: end -->"
HEADING = f"## Batch\n\n{BEGIN}\n{END}\n"
BATCH = ROOT / "scripts/batch.py"
#: Seconds between two measurements of the memory.
SAMPLE_INTERVAL_S = 0.5
#: Fraction of a run that it takes to warm up.
WARM_UP = 0.2
#: Fraction of a run that counts as its start, after that, and as its end.
EDGE = 0.2
#: What the processes are called, and what their command lines contain.
KINDS = {"engine": "core.worker", "Blender": "blender_worker"}

PLAIN = ("--no-preview", "--no-page")
FULL = (
    *("--retopo", "5000", "--lods", "1.0,0.5,0.25", "--render", "front,threequarter,side"),
    *("--turntable", "36", "--export", "glb,fbx,obj,usd", "--asset-library", "LIBRARY"),
)
#: Name -> options, and what was aimed at, heads an hour.
SETS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "surface": (("--surface", *PLAIN), 3000),
    "head": (("--head", *PLAIN), 600),
    "full": (FULL, None),
}
TITLES = {
    "surface": "surface only",
    "head": "surface and head, with GLB",
    "full": "the full set: "
    "head, previews, page, retopology, 3 LODs, 3 pictures, turntable of 36, all formats, asset",
}


@dataclass(frozen=True)
class BatchFigures:
    """One run.

    Attributes:
        photos: How many there were.
        found: In how many of them a face was found.
        heads: How many were made.
        failed: Photos with heads of which not all was made.
        seconds: The whole run.
        memory: By kind of process, bytes, all of that kind together: (peak, median at the start, at the end).
        steps: Median seconds by step.
    """

    photos: int
    found: int
    heads: int
    failed: int
    seconds: float
    memory: dict[str, tuple[int, int, int]]
    steps: dict[str, float]


def main() -> int:
    """Measure, print, and write the document unless --dry-run is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", type=Path, help="photos and folders of them")
    parser.add_argument("--count", type=int, help="this many of them, evenly picked (default: all)")
    parser.add_argument("--full-count", type=int, metavar="N", help="the full set of only this many of them")
    parser.add_argument("--jobs", type=int, default=2, help="photos in work at the same time (default: 2)")
    parser.add_argument(
        "--sets", type=names_of(SETS), default=list(SETS), help=f"of {', '.join(SETS)} (default: all)"
    )
    parser.add_argument("--out", type=Path, help="keep the heads in here (default: nowhere)")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    photos = pick(options.photos, options.count)
    if not photos:
        parser.error("there are no photos")
    load = os.getloadavg()[0]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets:
            out = (options.out or Path(folder)) / name
            some = pick(photos, options.full_count if name == "full" else None)
            figures[name] = measure(some, out, options.jobs, SETS[name][0])
            print(f"{TITLES[name]}: {figures[name]}", file=sys.stderr)
    text = report(figures, options.jobs, load)
    print(text)
    if not options.dry_run:
        ensure_section(DOCUMENT, HEADING, BEGIN)
        write_section(DOCUMENT, text, BEGIN, END)
    return 0


def measure(photos: Sequence[Path], out: Path, jobs: int, options: Sequence[str]) -> BatchFigures:
    """Run the batch and measure it."""
    options = [str(out.parent / "library") if option == "LIBRARY" else option for option in options]
    command = [sys.executable, str(BATCH), *map(str, photos), "--out", str(out), "--jobs", str(jobs)]
    start = time.monotonic()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    monitor = MemoryMonitor(process.pid)
    process.wait()
    seconds = time.monotonic() - start
    memory = monitor.stop()
    if process.returncode not in (0, 2):
        raise SystemExit(f"the batch ended with {process.returncode}")
    record = json.loads((out / "batch.json").read_text("utf-8"))["photos"]
    done = [photo for photo in record if photo["heads"]]
    steps = dict.fromkeys(step for photo in done for step in photo["timings"])
    return BatchFigures(
        photos=len(record),
        found=len(done),
        heads=sum(len(photo["heads"]) for photo in record),
        failed=sum(bool(photo["error"]) for photo in done),
        seconds=seconds,
        memory=memory,
        steps={
            step: statistics.median(photo["timings"][step] for photo in done if step in photo["timings"])
            for step in steps
        },
    )


class MemoryMonitor:
    """Measures the memory of a batch and its processes from another thread, until `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        #: Bytes by kind of process, a measurement each.
        self.samples: list[dict[str, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, tuple[int, int, int]]:
        """By kind of process: peak, median at the start, at the end; "all" is the sum."""
        self._over.set()
        self._thread.join()
        samples = [sample for sample in self.samples if sample["all"]]
        count = len(samples)
        first = samples[int(WARM_UP * count) : int((WARM_UP + EDGE) * count) + 1]
        last = samples[int((1 - EDGE) * count) :]
        return {
            kind: (
                max(sample.get(kind, 0) for sample in samples),
                int(statistics.median(sample.get(kind, 0) for sample in first)),
                int(statistics.median(sample.get(kind, 0) for sample in last)),
            )
            for kind in ("batch", *KINDS, "all")
        }

    def _measure(self) -> None:
        while not self._over.wait(SAMPLE_INTERVAL_S):
            sample = {"batch": resident(self._pid)}
            for child in descendants(self._pid):
                kind = kind_of(child)
                if kind:
                    sample[kind] = sample.get(kind, 0) + resident(child)
            self.samples.append({**sample, "all": sum(sample.values())})


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except OSError:
        return []  # it has ended meanwhile
    return found


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = children(pid)
    return found + [descendant for child in found for descendant in descendants(child)]


def kind_of(pid: int) -> str | None:
    """Which of KINDS a process is."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return None
    return next((kind for kind, sign in KINDS.items() if sign in line), None)


def resident(pid: int) -> int:
    """A process's memory, bytes; 0 if it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0


def report(figures: dict[str, BatchFigures], jobs: int, load: float) -> str:
    """The section as Markdown."""
    any_figures = next(iter(figures.values()))
    lines = [
        f"{date.today().isoformat()}, {machine()}, load average {load:.1f} at the start; "
        f"`scripts/benchmark/batch.py` on {any_figures.photos} photos, `--jobs {jobs}`.",
        "",
        "| what is made | heads an hour | aim | photos with a face found | heads | of them incomplete |",
        "|---|---|---|---|---|---|",
    ]
    for name, run in figures.items():
        aim = SETS[name][1]
        lines.append(
            f"| {TITLES[name]} | {run.heads / run.seconds * 3600:,.0f} | {f'≥ {aim:,}' if aim else '–'} "
            f"| {run.found} of {run.photos} ({run.found / run.photos:.0%}) | {run.heads} | {run.failed} |"
        )
    lines += [
        "",
        f"Starting the programs and loading the models included. Memory, resident, of {jobs} engines and "
        f"{jobs} Blenders together: peak; median over a fifth of the run after it had warmed up -> over its "
        "last fifth:",
        "",
        "| what is made | batch | engines | Blenders | all |",
        "|---|---|---|---|---|",
    ]
    for name, run in figures.items():
        cells = (
            f"{peak / 1e6:,.0f}; {first / 1e6:,.0f} -> {last / 1e6:,.0f} MB" if peak else "–"
            for peak, first, last in run.memory.values()
        )
        lines.append(f"| {TITLES[name].partition(':')[0]} | {' | '.join(cells)} |")
    lines += ["", "Where the time of a photo goes, median seconds by step, the last set:", ""]
    steps = figures[list(figures)[-1]].steps
    return "\n".join([*lines, ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items()) + "."])


if __name__ == "__main__":
    sys.exit(main())
