"""Build models/face_descriptor.npz: what tells photos of two people from photos of one.

    python scripts/build/face_descriptor.py --cache cache --portraits 96 --people 60

Needs ICT-FaceKit, the portraits' textures and views, and panoramas. Prints how well it does on people who are
left out of the fit, in turn: turned portraits, and synthetic people in other lights.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.lifting.person import PersonSolver
    from core.training.fitting.face_descriptor import Pictures

#: Pictures of each portrait and of each synthetic person, and the first of the seeds of these.
PORTRAIT_PICTURES = 10
SYNTHETIC_PICTURES = 6
FIRST_SEED = 90_000
KINDS = ("turned portraits", "synthetic people")


def pictures_of(
    options: argparse.Namespace, solver: "PersonSolver", points: np.ndarray
) -> "tuple[Pictures, np.ndarray]":
    """Features of all pictures, and the kind of each."""
    from core.training.fitting.face_descriptor import Pictures, features_of
    from core.training.synthesis.person_variations import portrait_variation, synthetic_variations
    from core.training.synthesis.synthesizer import ImageSynthesizer

    synthesizer = ImageSynthesizer(data_paths(options), "train")
    rows: list[tuple[int, int, np.ndarray, np.ndarray]] = []
    for number in range(options.portraits + options.people):
        person, kind = number, int(number >= options.portraits)
        if kind:
            seed = FIRST_SEED + number - options.portraits
            variations = synthetic_variations(synthesizer, seed, SYNTHETIC_PICTURES)
        else:
            rngs = (np.random.default_rng(number * 1000 + k) for k in range(PORTRAIT_PICTURES))
            variations = (portrait_variation(synthesizer.views, number, rng) for rng in rngs)
        focals = np.random.default_rng(person)
        found = features_of(variations, solver, synthesizer.detector, points, focals)
        rows += [(person, kind, shape, pattern) for shape, pattern in found]
    people, kinds, shapes, patterns = zip(*rows, strict=True)
    return Pictures(np.array(people), np.array(shapes), np.array(patterns)), np.array(kinds)


def main() -> None:
    """Read the options and do it."""
    from core.lifting.face_descriptor import FILE_NAME
    from core.lifting.lifter import LandmarkLifter
    from core.lifting.person import PersonSolver
    from core.training.files import write_arrays
    from core.training.fitting import face_descriptor as fitting

    parser = training_parser(__doc__)
    parser.add_argument("--portraits", type=int, default=96)
    parser.add_argument("--people", type=int, default=60, help="synthetic ones")
    options = parser.parse_args()
    solver = PersonSolver.load(LandmarkLifter.from_pretrained(options.models), options.models)
    points = fitting.color_points(solver)
    pictures, kinds = pictures_of(options, solver, points)
    scores = fitting.held_out_scores(pictures, points, kinds)
    limit = fitting.limit_of(scores.values())
    shape_limit = fitting.limit_of(fitting.held_out_scores(pictures, points, kinds, by_shape=True).values())
    for kind, (same, different) in scores.items():
        print(
            f"{KINDS[kind]}: equal error rate {fitting.equal_error_rate(same, different):.3f};"
            f" taken for two people: {(same < limit).mean():.3f} of the pairs of one,"
            f" {(different < limit).mean():.3f} of those of two"
        )
    arrays = fitting.descriptor_arrays(fitting.fit_descriptor(pictures, points, limit, shape_limit))
    path = options.models / FILE_NAME
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
