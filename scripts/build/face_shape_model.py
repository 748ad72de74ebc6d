"""Build models/face_shape_model.npz: which of the lifter's components are identity, and which expression.

    python scripts/build/face_shape_model.py --cache cache

Needs ICT-FaceKit, the template's registration to it, and pictures that the lifter was not trained on, as
scripts/training/make_shards.py --split eval makes them: they tell how the lifter errs.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.training.arguments import data_paths, run_main, training_parser


def main() -> None:
    """Read the options and do it."""
    from core.lifting.lifter import LandmarkLifter
    from core.lifting.shape_model import FILE_NAME
    from core.training.data.shards import read_samples
    from core.training.face_models.heads import HeadSource
    from core.training.files import write_arrays
    from core.training.fitting.shape_model import fit_residual, fit_shape_model, lifted_pairs

    options = training_parser(__doc__).parse_args()
    paths = data_paths(options)
    lifter, heads = LandmarkLifter.from_pretrained(options.models), HeadSource.from_paths(paths)
    arrays = fit_shape_model(lifter, heads)
    true, lifted = lifted_pairs(lifter, heads, arrays, read_samples(paths.shards, "eval"))
    arrays |= fit_residual(arrays, true, lifted)
    path = options.models / FILE_NAME
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
