"""Lay out hair beside the photos that it was made from.

    python scripts/pictures/hair_sheet.py HEADS... --photos FOLDER --below 4 --out docs/pictures/hair.jpg

HEADS are folders that `scripts/batch.py --head` wrote, named as their photos are. Each has the photo and the
head with its hair's shell, as `preview.png` shows it, from the front, three-quarter, the side and behind; two
stand in a row, and those below the line are the last ones. Needs the bpy wheel.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.pictures.sheet import save_sheet, stacked
from scripts.pictures.textured_sheet import render_views

#: Degrees that the head is turned by.
TURNS = (0, 40, 90, 180)
#: Width and height of a view, meters.
WIDTH = 0.35
HEIGHT = 0.345
#: Middle of head and hair, head frame, meters.
MIDDLE = (0.0, 0.065, -0.02)
#: Width of the lines between heads, pixels.
LINE = 6


def render_row(folder: Path, product: str, height: int, target: Path) -> None:
    """One head's views side by side, as a PNG."""
    views = [(turn, ("Photo",)) for turn in TURNS]
    pixels = round(height * WIDTH / HEIGHT), height
    render_views(folder, product, views, WIDTH, MIDDLE, pixels, target)


def in_two_columns(heads: Sequence[np.ndarray]) -> np.ndarray:
    """Heads (H, W, 3) below each other, the second half of them beside the first."""
    half = (len(heads) + 1) // 2
    columns = [stacked(part, axis=0) for part in (heads[:half], heads[half:]) if part]
    return stacked(columns, axis=1, line=LINE)


def main() -> None:
    """Read the command line, render, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("heads", nargs="+", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="folder of NAME.jpg")
    parser.add_argument("--below", type=int, default=0, help="how many of the last heads are below the line")
    parser.add_argument("--product", default="shell", choices=["shell", "cards", "strands"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--height", type=int, default=170, help="height of a view, pixels")
    options = parser.parse_args()
    import cv2

    heads = []
    with tempfile.TemporaryDirectory() as temporary:
        for folder in options.heads:
            picture = Path(temporary) / f"{folder.name}.png"
            render_row(folder, options.product, options.height, picture)
            photo = cv2.imread(str(options.photos / f"{folder.name}.jpg"))
            scale = options.height / photo.shape[0]
            photo = cv2.resize(
                photo, (round(photo.shape[1] * scale), options.height), interpolation=cv2.INTER_AREA
            )
            heads.append(np.hstack([photo, cv2.imread(str(picture))]))
    above = len(heads) - options.below
    groups = [in_two_columns(group) for group in (heads[:above], heads[above:]) if group]
    save_sheet(options.out, stacked(groups, axis=0, line=LINE))


if __name__ == "__main__":
    main()
