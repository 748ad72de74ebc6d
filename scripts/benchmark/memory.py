"""Measures the memory of one engine, and of one Blender worker, over many photos.

    python scripts/benchmark/memory.py PHOTOS [--count 500] [--head] [--blender 4] [--minutes 10]
    python scripts/benchmark/memory.py HEADS --results [--count 500]

Reconstructs the photos of a folder one after the other, again from the beginning when they are used up, and
prints the resident memory after the first photo, after 50, 250 and the last. With --blender 4, one Blender
worker renders the preview of every fourth photo's heads and exports them as FBX, and its memory is measured,
too. --results measures the Blender worker alone, on heads that a batch has made. --out writes each photo's
figures as they come. Linux only: it reads /proc.
"""

import argparse
import csv
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.blender_worker.client import find_blender
from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from blender_addon.errors import AddonError
from core.image.formats import readable_suffixes
from scripts.benchmark.processes import resident_bytes

#: After so many photos, all that a process keeps has been made.
WARM_UP_PHOTOS = 50
#: After these numbers of photos the memory is told.
TOLD_AFTER = (1, WARM_UP_PHOTOS, 250)
#: What may come on top of that after the warm-up by the end.
GROWTH_LIMIT = 0.05
#: What a finished head's folder has.
HEAD_FILE = "head.npz"
#: Side of a view in the previews that Blender renders, pixels.
PREVIEW_PX = 512


@dataclass(frozen=True)
class Sample:
    """What was measured after a photo.

    Attributes:
        photo: Its file's name.
        heads: How many heads it gave.
        engine_bytes: Resident memory of the engine.
        blender_bytes: Resident memory of the Blender worker; 0 without one.
    """

    photo: str
    heads: int
    engine_bytes: int
    blender_bytes: int


class BlenderWorker:
    """Has one Blender worker preview and export heads."""

    def __init__(self, client: WorkerClient) -> None:
        """Start it and ask for its renderer."""
        self._client = client
        self._renderer = client.submit("renderer").wait()["renderer"]

    def process(self, folder: str) -> None:
        """Preview and export the head in a result's folder."""
        steps: dict[str, dict[str, Any]] = {
            "preview": {"size": PREVIEW_PX, "renderer": self._renderer},
            "export": {"formats": ["fbx"]},
        }
        for step, options in steps.items():
            self._client.submit("step", step=step, folder=folder, options=options).wait()


def measure(photos: Sequence[Path], minutes: float, head: bool, blender: int) -> Iterator[Sample]:
    """What is measured after each of the photos, until the time is over; `blender` as in the options."""
    end = time.monotonic() + 60 * minutes
    with ExitStack() as stack:
        out = stack.enter_context(tempfile.TemporaryDirectory())
        engine = stack.enter_context(WorkerClient(Engine(Path(sys.executable), ROOT)))
        program = stack.enter_context(WorkerClient(find_blender())) if blender else None
        worker = BlenderWorker(program) if program else None
        for number, photo in enumerate(photos):
            if time.monotonic() > end:
                break
            faces: list[dict[str, Any]] = []
            try:
                faces = engine.submit_reconstruct(photo, out, options={"head": head}).wait()["faces"]
                if worker and number % blender == 0:
                    for face in faces:
                        worker.process(face["folder"])
            except AddonError as error:
                sys.stderr.write(f"{photo.name}: {error}\n")
            yield Sample(photo.name, len(faces), client_bytes(engine), client_bytes(program))


def measure_blender(results: Sequence[Path], minutes: float) -> Iterator[Sample]:
    """What is measured of a Blender worker after each of the results, until the time is over."""
    end = time.monotonic() + 60 * minutes
    with WorkerClient(find_blender()) as program:
        worker = BlenderWorker(program)
        for folder in results:
            if time.monotonic() > end:
                break
            worker.process(str(folder))
            yield Sample(folder.name, 1, 0, client_bytes(program))


def client_bytes(client: WorkerClient | None) -> int:
    """Resident memory of a client's process; 0 without a client."""
    if client is None:
        return 0
    if client.pid is None:
        raise SystemExit("the engine or Blender's process ended after the last photo")
    return resident_bytes(client.pid)


def summary(what: str, sizes: Sequence[int]) -> tuple[str, float]:
    """(A sentence on the sizes after each photo, bytes; growth from the end of the warm-up to the last)."""
    warm, last = sizes[min(WARM_UP_PHOTOS, len(sizes)) - 1], sizes[-1]
    told = [(after, sizes[after - 1]) for after in TOLD_AFTER if after < len(sizes)] + [(len(sizes), last)]
    figures = ", ".join(f"{size / 1e6:.0f} MB after {after}" for after, size in told)
    growth = last / warm - 1
    return f"{what}: {figures} ({growth:+.1%} since the warm-up), at most {max(sizes) / 1e6:.0f} MB\n", growth


def main() -> int:
    """Measure and print. Returns 1 if the memory has grown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos; with --results, a batch's output folder")
    parser.add_argument("--count", type=int, default=500, help="photos (default: 500)")
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after so many")
    parser.add_argument("--head", action="store_true", help="make the animation-ready head, too")
    parser.add_argument(
        "--blender", type=int, default=0, metavar="N", help="--head, and every Nth photo's through Blender"
    )
    parser.add_argument(
        "--results", action="store_true", help="the Blender worker alone, on heads made before"
    )
    parser.add_argument("--out", type=Path, help="write each photo's figures into this CSV file")
    options = parser.parse_args()
    found = sorted(find_results(options.photos) if options.results else find_photos(options.photos))
    if not found:
        parser.error(f"there are no {'heads' if options.results else 'photos'} in {options.photos}")
    rounds = list(itertools.islice(itertools.cycle(found), options.count))
    if options.results:
        measured = measure_blender(rounds, options.minutes)
    else:
        measured = measure(rounds, options.minutes, options.head or bool(options.blender), options.blender)
    samples = written(measured, options.out)
    sys.stdout.write(f"{len(samples)} photos, {sum(sample.heads for sample in samples)} heads\n")
    if not samples:
        parser.error("no photo was measured: give it more of them, or more minutes")
    tables = {
        "engine": [sample.engine_bytes for sample in samples],
        "Blender worker": [sample.blender_bytes for sample in samples],
    }
    grown = False
    for what, sizes in tables.items():
        if any(sizes):
            told, growth = summary(what, sizes)
            sys.stdout.write(told)
            grown |= growth > GROWTH_LIMIT
    return int(grown)


def find_photos(folder: Path) -> Iterator[Path]:
    """The photos in a folder and those below it."""
    suffixes = readable_suffixes()
    return (path for path in folder.rglob("*") if path.suffix.lower() in suffixes)


def find_results(folder: Path) -> Iterator[Path]:
    """The folders of finished heads in a batch's output folder."""
    return (path.parent for path in folder.glob(f"*/{HEAD_FILE}"))


def written(samples: Iterator[Sample], path: Path | None) -> list[Sample]:
    """The samples, each written into a CSV file, if there is to be one, as it comes."""
    if path is None:
        return list(samples)
    done = []
    with path.open("w", newline="", encoding="utf-8", buffering=1) as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Sample))
        for sample in samples:
            done.append(sample)
            table.writerow(astuple(sample))
    return done


if __name__ == "__main__":
    sys.exit(main())
