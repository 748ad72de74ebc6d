"""Measures a photo's way to the finished head: texture and maps, hair, and the files with GLB and page model.

    python scripts/benchmark/head.py PHOTOS [--count 12]

PHOTOS is a folder of portraits. Writes medians into docs/benchmarks.md, between the markers of its section:
the clock's seconds, which other work on the machine lengthens, and the processor's of all threads.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core import Reconstructor, load_photo, write_reconstruction
from core.runtime.memory import release_free_memory, reuse_freed_memory
from core.wrapping.options import HeadOptions
from scripts.benchmark.document import DOCUMENT, ensure_section, machine, write_section

BEGIN = "<!-- scripts/benchmark/head.py: begin -->"
END = "<!-- scripts/benchmark/head.py: end -->"
SECTION = f"## The finished head\n\n{BEGIN}\n{END}\n"
#: What is made of each photo, and the seconds that it is meant to take at most.
WHOLE = "photo to files: head, texture, maps, hair cards, GLB, page model"
TEXTURED = "photo to head with texture and maps, in memory"
AIMS = {TEXTURED: 1.2, WHOLE: 1.8}


@dataclass
class Laps:
    """The processor's seconds by step, as `Reconstructor.reconstruct` reports the steps.

    Attributes:
        seconds: Of each step, in their order.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    _step: str = ""
    _since: float = 0.0

    def __call__(self, step: str, fraction: float = 0.0, message: str = "") -> None:
        """A step begins, and the one before has ended."""
        now = time.process_time()
        if self._step:
            self.seconds[self._step] = self.seconds.get(self._step, 0.0) + now - self._since
        self._step, self._since = step, now


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=12)
    options = parser.parse_args()
    portraits = sorted(options.photos.glob("*.jpg"))
    portraits = portraits[:: max(len(portraits) // options.count, 1)][: options.count]
    if not portraits:
        parser.error(f"there are no .jpg files in {options.photos}")
    reuse_freed_memory()
    clock: dict[str, list[float]] = {name: [] for name in AIMS}
    processor: dict[str, list[float]] = {name: [] for name in AIMS}
    steps: dict[str, list[float]] = {}
    load = os.getloadavg()[0]
    with Reconstructor.from_pretrained() as reconstructor, tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate([portraits[0], *portraits]):
            for name, made in ((TEXTURED, HeadOptions(hair="none")), (WHOLE, HeadOptions())):
                laps, wall, spent = Laps(), time.perf_counter(), time.process_time()
                photo = load_photo(path)
                head = reconstructor.reconstruct(photo, max_faces=1, head=made, progress=laps)[0]
                if name == WHOLE:
                    laps("files")
                    write_reconstruction(head, photo, Path(folder) / path.stem, preview_model=True)
                laps("")
                if number:  # the first one warms up
                    clock[name].append(time.perf_counter() - wall)
                    processor[name].append(time.process_time() - spent)
                if number and name == WHOLE:
                    for step, seconds in laps.seconds.items():
                        steps.setdefault(step, []).append(seconds)
                del head
                release_free_memory()
    text = report(clock, processor, steps, len(portraits), load)
    print(text)
    ensure_section(DOCUMENT, SECTION, BEGIN)
    write_section(DOCUMENT, text, BEGIN, END)
    return 0


def report(
    clock: dict[str, list[float]],
    processor: dict[str, list[float]],
    steps: dict[str, list[float]],
    count: int,
    load: float,
) -> str:
    """The section's text.

    Args:
        clock: What was made -> seconds of each run.
        processor: The same of the processor, all threads together.
        steps: Step -> the processor's seconds of each run.
        count: Number of portraits.
        load: The machine's load average at the start.
    """
    lines = [
        f"{date.today()}, {machine()}, load average {load:.1f} at the start; "
        f"`scripts/benchmark/head.py`, medians of {count} portraits of 1024 px, warm.",
        "",
        "| what | s | processor's s | aim |",
        "|---|---|---|---|",
    ]
    for name, aim in AIMS.items():
        seconds, spent = (statistics.median(values[name]) for values in (clock, processor))
        lines.append(f"| {name} | {seconds:.2f} | {spent:.2f} | ≤ {aim} s |")
    lines += ["", "| step (texture: with the hair, which is made beside it) | processor's s |", "|---|---|"]
    lines += [f"| {step} | {statistics.median(values):.3f} |" for step, values in steps.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
