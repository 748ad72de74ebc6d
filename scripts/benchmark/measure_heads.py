"""Measure wrapped heads: python scripts/benchmark/measure_heads.py --photos FOLDER --count 12 --out out/heads

Writes heads.md and heads.json: distances from the surface by region and by confidence, millimeters, faults of
the meshes, seconds by step. The photos are picked evenly from the folder, sorted by name.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from scripts.benchmark.photos import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from core.training.evaluation.head_metrics import HeadMetrics


def table(rows: list[list[str]]) -> str:
    """Rows, the first with the headings, as a markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def report(measures: "HeadMetrics") -> str:
    """All tables."""
    from core.training.evaluation.head_metrics import HEADINGS, TOLERANCE
    from core.wrapping.confidence import RELIABLE_CONFIDENCE

    faults, area = np.array(measures.faults), np.array(measures.reliable_area)
    seconds = {
        step: float(np.median([timings[step] for timings in measures.seconds]))
        for step in measures.seconds[0]
    }
    return "\n\n".join(
        [
            f"{len(faults)} heads. Distance from the surface, mm, of skin with a confidence above"
            f" {RELIABLE_CONFIDENCE}; over means over {1000 * TOLERANCE} mm.",
            table([list(HEADINGS), *measures.by_region()]),
            "All skin, by confidence:",
            table([list(HEADINGS), *measures.by_confidence()]),
            f"Skin with a confidence above {RELIABLE_CONFIDENCE}, mean: {area[:, 1].mean():.0f} cm²;"
            f" where the surface has it: {area[:, 0].mean():.0f} cm².",
            "Photo and neutral: {:.0f} folded triangles, {:.0f} self-intersections of the skin. Blendshapes"
            " in which the lips intersect: {:.0f} of {}.".format(*faults[:, :3].sum(0), 52 * len(faults)),
            f"Photo beside neutral plus expression, greatest gap, mm: median {np.median(faults[:, 3]):.2f},"
            f" 90 % {np.quantile(faults[:, 3], 0.9):.2f}, max {faults[:, 3].max():.2f}.",
            f"Seconds, median: {sum(seconds.values()):.2f} ("
            + ", ".join(f"{step} {value:.2f}" for step, value in seconds.items())
            + ").",
        ]
    )


def main() -> None:
    """Parse the command line, reconstruct, measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="pictures and folders")
    parser.add_argument("--count", type=int, default=12, help="number of photos")
    parser.add_argument("--out", type=Path, default=ROOT / "out/heads", help="folder of the results")
    parser.add_argument("--models", type=Path)
    options = parser.parse_args()

    from core.errors import NoHeadError
    from core.reconstructor import Reconstructor
    from core.training.evaluation.head_metrics import HeadMetrics
    from core.wrapping.options import HeadOptions

    sources = (sorted(s.iterdir()) if s.is_dir() else [s] for s in options.photos)
    found = [p for source in sources for p in source if p.suffix.lower() in PICTURE_SUFFIXES]
    if not found:
        raise SystemExit("no pictures found: name photos or folders with photos")
    chosen = np.linspace(0, len(found) - 1, min(options.count, len(found))).round().astype(int)
    reconstructor = Reconstructor.from_pretrained(options.models)
    measures = HeadMetrics(reconstructor.head_wrapper)
    figures = {}
    for photo in (found[k] for k in chosen):
        try:
            (result,) = reconstructor.reconstruct(photo, max_faces=1, head=HeadOptions(texture=0))
        except NoHeadError as error:
            print(f"{photo.name}: {error}", file=sys.stderr)
            continue
        if result.head is None:
            raise ValueError("the reconstruction has no head")
        measures.add(result.head, result.surface)
        figures[photo.name] = {"faults": measures.faults[-1], "seconds": measures.seconds[-1]}
    if not figures:
        raise SystemExit("no face was found in any of the pictures")
    text = report(measures)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "heads.md").write_text(text + "\n")
    tables = {"regions": measures.by_region(), "confidence": measures.by_confidence(), "heads": figures}
    (options.out / "heads.json").write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    main()
