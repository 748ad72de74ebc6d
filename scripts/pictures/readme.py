"""Make the README's picture of the add-on from what the window test of two heads left in tests/artifacts.

It shows the view with a head and its panel, the panel during a run, and the panel with confidence and legend.
"""

import argparse
import json
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
GAP = 8
BACKGROUND = (29, 29, 29)
LARGEST = 200_000


def region(folder: Path, name: str, area: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the "view" or the "sidebar" in a screenshot."""
    return tuple(json.loads((folder / f"{name}.json").read_text("utf-8"))[area])


def crop(folder: Path, name: str, area: str) -> Image.Image:
    """The part of a screenshot that a region covers."""
    return Image.open(folder / f"{name}.png").convert("RGB").crop(region(folder, name, area))


def compose(folder: Path) -> Image.Image:
    """Pictures of a test run side by side: the view with its panel, and two more panels."""
    parts = [
        crop(folder, "panel_head", "view"),
        crop(folder, "panel_running", "sidebar"),
        crop(folder, "panel_confidence", "sidebar"),
    ]
    width = sum(part.width for part in parts) + GAP * (len(parts) - 1)
    picture = Image.new("RGB", (width, max(part.height for part in parts)), BACKGROUND)
    left = 0
    for part in parts:
        picture.paste(part, (left, 0))
        left += part.width + GAP
    return picture


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what a window test left: tests/artifacts/window-...")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures/addon.jpg")
    options = parser.parse_args()
    compose(options.folder).save(options.out, quality=88, optimize=True)
    size = options.out.stat().st_size
    print(f"{options.out} ({size / 1000:.0f} kB)")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
