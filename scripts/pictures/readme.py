"""Make the README's picture of the add-on from what the window test left in tests/artifacts.

It shows the panel with a photo, the panel during a run, the head, and the view after Match Camera.
"""

import argparse
import json
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
GAP = 8
BACKGROUND = (29, 29, 29)
#: Height of the panel in pictures in which it is all that is shown, pixels.
PANEL_HEIGHT = 184
#: Fraction of the view's height that the head fills from the front.
HEAD_SHARE = 0.8
LARGEST = 200_000


def region(folder: Path, name: str, area: str) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the "view" or the "sidebar" in a screenshot."""
    return tuple(json.loads((folder / f"{name}.json").read_text("utf-8"))[area])


def crop(folder: Path, name: str, area: str) -> Image.Image:
    """The part of a screenshot that a region covers."""
    return Image.open(folder / f"{name}.png").convert("RGB").crop(region(folder, name, area))


def compose(folder: Path) -> Image.Image:
    """Pictures of a test run in one: two panels and the head, left of the photo's view."""
    panels = [crop(folder, name, "sidebar") for name in ("ready", "running")]
    panels = [panel.crop((0, 0, panel.width, PANEL_HEIGHT)) for panel in panels]
    view = crop(folder, "match_camera", "view")
    width = max(panel.width for panel in panels)
    head = crop(folder, "result", "view")
    size = width, view.height - 2 * (PANEL_HEIGHT + GAP)
    # The widest cut left of the sidebar that holds the head.
    height = int(HEAD_SHARE * head.height)
    right = region(folder, "result", "sidebar")[0] - region(folder, "result", "view")[0]
    box = right - height * size[0] // size[1], (head.height - height) // 2, right, (head.height + height) // 2
    panels.append(head.crop(box).resize(size, Image.Resampling.LANCZOS))
    picture = Image.new("RGB", (width + GAP + view.width, view.height), BACKGROUND)
    for row, panel in enumerate(panels):
        picture.paste(panel, (0, row * (PANEL_HEIGHT + GAP)))
    picture.paste(view, (width + GAP, 0))
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
