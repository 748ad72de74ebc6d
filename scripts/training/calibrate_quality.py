"""Calibrate the quality report's expected error on held-out synthetic heads: quality_calibration.json.

    python scripts/training/calibrate_quality.py --models runs/default/models  # 1,000 pictures, 15 minutes
    python scripts/training/calibrate_quality.py --count 500                   # fewer pictures, less certain
    python scripts/training/calibrate_quality.py --fit-only                    # fit to existing rows, seconds

Needs shards of the split `eval` (scripts/training/make_shards.py --split eval --count 4), whose people, skins
and light training does not use. Each picture is reconstructed as the engine does it, some of them degraded
first (shrunk, blurred, truncated, covered, with misplaced landmarks), measured and compared with its true
head. The rows are kept in cache/quality/, one file for each set of weights, so that a run that was stopped
goes on where it was.

The file records which weights it was made for; with others, reports say so. How good it is on people that it
was not fitted to is printed and kept in it. `core/training/calibration/fit.py` says how the fit works.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.training.files import written_atomically
from scripts.build.pin_models import pin_models
from scripts.training.arguments import data_paths, run_main, training_parser

#: Raised when measures or flaws change, so that old rows are not used with new ones.
TABLE_VERSION = 1
#: Fewer heads than this calibrate nothing.
FEWEST = 60


def weights_of(models: Path) -> dict[str, str]:
    """Fingerprints of the weights that decide how good a head is."""
    from core.runtime.weights import fingerprints

    return {name: mark for name, mark in fingerprints(models).items() if not name.endswith(".json")}


def table_path(folder: Path, weights: Mapping[str, str]) -> Path:
    """Where the rows of these weights are kept."""
    marks = "_".join(mark[:6] for _, mark in sorted(weights.items()))
    return folder / f"table_v{TABLE_VERSION}_{marks}.jsonl"


def fill_table(args: argparse.Namespace, path: Path) -> None:
    """Reconstruct the pictures whose rows are not there yet."""
    import cv2

    from core.detection.detector import FaceDetector
    from core.lifting.lifter import LandmarkLifter
    from core.runtime.backend import choose_backend
    from core.training.calibration.table import HeldOut, TableBuilder, write_table
    from core.training.data.shards import require_shards
    from core.training.evaluation.ground_truth import TrueHeads
    from core.training.face_models.heads import HeadSource
    from core.volume import load_predictor

    require_shards(args.shards, "eval")
    cv2.setNumThreads(args.threads)
    truths = TrueHeads(HeadSource.from_paths(data_paths(args)))
    backend = choose_backend(args.models, None)
    builder = TableBuilder(
        FaceDetector.from_pretrained(args.models),
        LandmarkLifter.from_pretrained(args.models, truths.heads.template),
        load_predictor(args.models, backend, args.threads),
        truths,
    )
    start = time.perf_counter()
    rows = write_table(path, HeldOut(args.shards), args.count, builder)
    for made, place in enumerate(rows, 1):
        if made % 50 == 0:
            pace = (time.perf_counter() - start) / made
            print(f"{place} of {args.count} pictures, {pace:.2f} s each", file=sys.stderr, flush=True)


def show(about: Mapping[str, Any]) -> str:
    """The cross-validated figures as a markdown table."""
    figures = about["cross_validation"]
    head = ["left-out people", *next(iter(figures.values()))]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in figures.items():
        lines.append("| " + " | ".join(str(v) for v in (name, *row.values())) + " |")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, fill the table, fit, and write."""
    parser = training_parser(__doc__)
    parser.add_argument("--shards", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument("--table", type=Path, help="file of the rows; default: one in quality/ in the cache")
    parser.add_argument("--out", type=Path, help="default: quality_calibration.json in the models' folder")
    parser.add_argument("--count", type=int, default=1000, help="number of pictures")
    parser.add_argument("--fewest", type=int, default=FEWEST, help="heads without which nothing is fitted")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network")
    parser.add_argument("--fit-only", action="store_true", help="fit to the rows that are there")
    args = parser.parse_args()
    args.shards = args.shards or data_paths(args).shards

    from core.quality.calibration import FILE_NAME
    from core.training.calibration.fit import calibrate
    from core.training.calibration.table import read_table

    weights = weights_of(args.models)
    path = args.table or table_path(data_paths(args).quality, weights)
    if not args.fit_only:
        fill_table(args, path)
    rows = list(read_table(path).values())
    heads = sum("errors" in row for row in rows)
    if heads < args.fewest:
        raise PhotobustError(
            f"{path} has {heads} heads, {args.fewest} are needed. Run this without --fit-only first."
        )
    about = {
        "licence": "CC0-1.0",
        "made_by": "scripts/training/calibrate_quality.py",
        "pictures": len(rows),
        "heads": heads,
        "flaws": dict(Counter(row["flaw"] for row in rows if "errors" in row)),
        "no_head": dict(Counter(row["flaw"] for row in rows if "errors" not in row)),
        "unit": "mm, mean distance of the true face from the surface, both placed as the photo shows them",
    }
    calibration = calibrate(rows, weights, about)
    out = args.out or args.models / FILE_NAME
    with written_atomically(out) as temporary:
        temporary.write_text(calibration.to_json(), encoding="utf-8")
    pin_models(out.parent)
    print(show(calibration.about))
    print(json.dumps({term.measure: round(float(term.weights.sum()), 3) for term in calibration.terms}))
    print(f"{out}: {heads} heads")


if __name__ == "__main__":
    run_main(main)
