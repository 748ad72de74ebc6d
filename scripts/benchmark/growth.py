"""Measures how the engine's cost grows with the faces in a photo and with the photo's size.

    python scripts/benchmark/growth.py PHOTOS [--faces 1,3,10,30] [--megapixels 0.5,4,16,100] [--plot A.png]

PHOTOS is a folder of portraits, which are put side by side for photos of several faces; the first one is
enlarged for large photos. What is counted is the processor's time of all threads, so that other work on the
machine changes little, and the greatest memory so far. Prints a table and, if asked to, draws it.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np
from PIL import Image

from core import Reconstructor, load_photo

#: Side of a portrait among others, pixels.
TILE_PX = 512
#: Portraits beside one another.
TILES_IN_A_ROW = 6


@dataclass(frozen=True)
class Cost:
    """What one photo costs.

    Attributes:
        work: Number of faces, or millions of pixels.
        found: Heads that were made.
        load: Processor's time, seconds, to read the file.
        total: The same of all, reading included.
        peak: Greatest resident memory of the process so far, bytes.
    """

    work: float
    found: int
    load: float
    total: float
    peak: int


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--faces", type=numbers, default=[1, 3, 10, 30])
    parser.add_argument("--megapixels", type=numbers, default=[0.5, 4, 16, 100])
    parser.add_argument("--plot", type=Path, help="a picture of the two curves")
    options = parser.parse_args()
    portraits = sorted(options.photos.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as folder, Reconstructor.from_pretrained() as reconstructor:
        path = Path(folder) / "photo.jpg"
        reconstructor.reconstruct(portraits[0])  # loads what is loaded when it is first needed
        by_faces = []
        for count in options.faces:
            side_by_side(portraits[: int(count)]).save(path, quality=90)
            by_faces.append(cost(reconstructor, path, count))
            print(f"{count:g} faces: {by_faces[-1]}", flush=True)
        by_size = []
        for megapixels in options.megapixels:
            enlarged(portraits[0], megapixels).save(path, quality=90)
            by_size.append(cost(reconstructor, path, megapixels))
            print(f"{megapixels:g} MP: {by_size[-1]}", flush=True)
    print(table("faces in a photo", by_faces))
    print(table("megapixels, one face", by_size))
    if options.plot:
        plot(by_faces, by_size, options.plot)
    return 0


def numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    return [float(word) for word in text.split(",")]


def side_by_side(portraits: Sequence[Path]) -> Image.Image:
    """A photo of several people."""
    columns = min(len(portraits), TILES_IN_A_ROW)
    rows = -(-len(portraits) // columns)
    picture = Image.new("RGB", (columns * TILE_PX, rows * TILE_PX), "gray")
    for k, path in enumerate(portraits):
        tile = Image.open(path).convert("RGB").resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
        picture.paste(tile, (k % columns * TILE_PX, k // columns * TILE_PX))
    return picture


def enlarged(portrait: Path, megapixels: float) -> Image.Image:
    """A square photo of one person in so many millions of pixels."""
    side = round(np.sqrt(megapixels * 1e6))
    return Image.open(portrait).convert("RGB").resize((side, side), Image.Resampling.BICUBIC)


def cost(reconstructor: Reconstructor, path: Path, work: float) -> Cost:
    """Reconstruct the photo once."""
    start = time.process_time()
    photo = load_photo(path)
    loaded = time.process_time()
    heads = reconstructor.reconstruct(photo, max_faces=100)
    end = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(work, len(heads), loaded - start, end - start, peak)


def table(what: str, costs: Sequence[Cost]) -> str:
    """The costs in Markdown."""
    rows = [
        f"| {cost.work:g} | {cost.found} | {cost.load:.2f} | {cost.total:.2f} | "
        f"{cost.total / max(cost.found, 1):.2f} | {cost.peak / 1e6:.0f} |"
        for cost in costs
    ]
    head = f"| {what} | heads | reading, s | all, s | all, s a head | peak memory so far, MB |"
    return "\n".join(["", head, "|---|---|---|---|---|---|", *rows])


def plot(by_faces: Sequence[Cost], by_size: Sequence[Cost], path: Path) -> None:
    """Draw both curves."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, costs, label in zip(
        axes, (by_faces, by_size), ("faces in a photo", "megapixels, one face"), strict=True
    ):
        axis.plot([cost.work for cost in costs], [cost.total for cost in costs], "o-")
        axis.set(xlabel=label, ylabel="processor's time, s", xlim=(0, None), ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
