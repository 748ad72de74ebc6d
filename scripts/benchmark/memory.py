"""Measures the memory of one engine over many photos.

    python scripts/benchmark/memory.py PHOTOS [--count 500] [--head] [--minutes 10]

Reconstructs the photos of a folder one after the other, again from the beginning when they are used up, and
prints the engine's resident memory at the start, after 50 photos and at the end, and all of them as CSV with
--out. Linux only: it reads /proc.
"""

import argparse
import csv
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.engine.client import WorkerClient
from blender_addon.engine.locate import Engine
from blender_addon.errors import AddonError
from core.image.formats import readable_suffixes

#: After so many photos, all that an engine keeps has been made.
WARM_UP_PHOTOS = 50
#: What may come on top of that by the end.
GROWTH_LIMIT = 0.05


def resident_bytes(pid: int) -> int:
    """Resident memory of a process (proc(5), statm)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(photos: list[Path], count: int, minutes: float, head: bool) -> list[tuple[str, int]]:
    """(photo's name, resident bytes after it) for each photo that was tried."""
    sizes: list[tuple[str, int]] = []
    end = time.monotonic() + 60 * minutes
    with (
        tempfile.TemporaryDirectory() as out,
        WorkerClient(Engine(Path(sys.executable), ROOT)) as client,
    ):
        for photo in itertools.islice(itertools.cycle(photos), count):
            if time.monotonic() > end:
                break
            try:
                client.submit_reconstruct(photo, out, options={"head": head}).wait()
            except AddonError as error:
                sys.stderr.write(f"{photo.name}: {error}\n")
            if client.pid is None:
                raise SystemExit(f"the engine ended at {photo}")
            sizes.append((photo.name, resident_bytes(client.pid)))
    return sizes


def main() -> int:
    """Measure and print. Returns 1 if the memory has grown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--count", type=int, default=500, help="photos (default: 500)")
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after so many")
    parser.add_argument("--head", action="store_true", help="make the animation-ready head, too")
    parser.add_argument("--out", type=Path, help="write each photo's figure into this CSV file")
    options = parser.parse_args()
    suffixes = readable_suffixes()
    photos = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in suffixes)
    if not photos:
        parser.error(f"there are no photos in {options.photos}")
    sizes = measure(photos, options.count, options.minutes, options.head)
    if options.out:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("photo", "resident_bytes"), *sizes])
    warm = min(WARM_UP_PHOTOS, len(sizes)) - 1
    first, middle, last = (sizes[at][1] for at in (0, warm, -1))
    growth = last / middle - 1
    sys.stdout.write(
        f"{len(sizes)} photos: {first / 1e6:.0f} MB after the first, {middle / 1e6:.0f} MB after"
        f" {warm + 1}, {last / 1e6:.0f} MB at the end ({growth:+.1%}), at most"
        f" {max(size for _, size in sizes) / 1e6:.0f} MB\n"
    )
    return int(growth > GROWTH_LIMIT)


if __name__ == "__main__":
    sys.exit(main())
