"""Measure heads made of several photos of one person beside those of one.

    python scripts/benchmark/several_photos.py scan                      # renders of the scan, mm
    python scripts/benchmark/several_photos.py made --count 12           # synthetic people, three views each
    python scripts/benchmark/several_photos.py made --count 6 --texture  # and how much of the skin is seen

Errors are medians of the distance of the true face from the surface after a similarity and ICP, as
core/training/evaluation/metrics.py has it. CPU seconds are of the whole process.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.reconstructor import Reconstruction, Reconstructor

#: Yaws of the scan's renders that are put together.
SCAN_SETS = (("+00", "+40", "-40"), ("+00", "+60"))


def error(head: "Reconstruction", points: np.ndarray, landmarks: np.ndarray) -> float:
    """Median distance of true points (P, 3) from a head's surface, in their unit."""
    from core.training.evaluation.metrics import STABLE, Estimate, aligned_distances

    found = np.full((478, 3), np.nan)
    found[STABLE] = head.landmark_points[STABLE]
    surface = head.surface
    vertices = surface.vertices.astype(np.float64)
    estimate = Estimate(vertices, surface.faces, found, head.landmark68.astype(np.float64), surface.faces)
    return float(np.median(aligned_distances(estimate, points, landmarks)))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and the CPU seconds that it took."""
    start = time.process_time()
    return work(), time.process_time() - start


def scan(args: argparse.Namespace, reconstructor: "Reconstructor") -> None:
    """Sets of the scan's renders."""
    from core.training.evaluation.scan import Scan

    target = Scan.load(data_paths(args).scans)
    print("| views | single, mm | together, mm | CPU s, single | CPU s, together |\n|---|---|---|---|---|")
    for yaws in SCAN_SETS:
        photos = [data_paths(args).scans / f"demo_y{yaw}_p+00.jpg" for yaw in yaws]
        singles = [timed(partial(reconstructor.reconstruct, photo)) for photo in photos]
        (person, _), seconds = timed(partial(reconstructor.reconstruct_person, photos))
        errors = [error(heads[0], target.points, target.landmarks) for heads, _ in singles]
        together = error(person, target.points, target.landmarks)
        print(
            f"| {', '.join(yaws)} | {', '.join(f'{value:.3f}' for value in errors)} | {together:.3f} |"
            f" {sum(error for _, error in singles):.1f} | {seconds:.1f} |",
            flush=True,
        )


def made(args: argparse.Namespace, reconstructor: "Reconstructor") -> None:
    """Synthetic people."""
    from core.training.evaluation.person_views import people
    from core.training.synthesis.synthesizer import ImageSynthesizer
    from core.wrapping.options import HeadOptions

    synthesizer = ImageSynthesizer(data_paths(args), "eval")
    options = HeadOptions(1024, hair="none", maps=False) if args.texture else False
    rows = []
    for pictures in islice(people(synthesizer, args.seed, clay=args.clay), args.count):
        photos = [picture.photo for picture in pictures]
        truths = [picture.truth for picture in pictures]
        singles = []
        for photo, true in zip(photos, truths, strict=True):
            head = reconstructor.reconstruct(photo)[0]
            singles.append(error(head, true.points * 1000, true.landmarks * 1000))
        person, _ = reconstructor.reconstruct_person(photos, head=options, confirmed=True)
        true = truths[[view.main for view in person.views].index(True)]
        row = [singles[0], min(singles), error(person, true.points * 1000, true.landmarks * 1000)]
        row.append(sum(view.verdict == "used" for view in person.views) / len(photos))
        if person.albedo:
            row += [person.albedo.fractions["face_observed"], person.albedo.fractions["observed"]]
        rows.append(row)
        print(" ".join(f"{value:.3f}" for value in row), flush=True)
    mean = np.mean(rows, 0)
    print(
        f"{len(rows)} people: front photo alone {mean[0]:.3f} mm, the best of each {mean[1]:.3f}, together"
        f" {mean[2]:.3f}; photos used {mean[3]:.0%}"
    )
    if args.texture:
        print(f"seen: {mean[4]:.2f} of the face, {mean[5]:.2f} of the skin")


def main() -> None:
    """Parse the command line and measure."""
    from core.reconstructor import Reconstructor

    parser = training_parser(__doc__)
    parser.add_argument("what", choices=("scan", "made"))
    parser.add_argument("--count", type=int, default=12, help="synthetic people")
    parser.add_argument("--seed", type=int, default=70_000, help="of the first of them")
    parser.add_argument("--clay", type=float, default=0.0, help="fraction of them without texture")
    parser.add_argument("--texture", action="store_true", help="also paint the texture")
    args = parser.parse_args()
    with Reconstructor.from_pretrained(args.models, threads=1) as reconstructor:
        {"scan": scan, "made": made}[args.what](args, reconstructor)


if __name__ == "__main__":
    run_main(main)
