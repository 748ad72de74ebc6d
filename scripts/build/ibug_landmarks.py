"""Move iBUG's 68 landmarks of models/head_template.npz to where ICT-FaceKit has them.

The face model names the vertices. Where they are on the template says its registration to the face model,
which scripts/training/register_template.py makes. Only ibug68, ibug68_faces and ibug68_bary change;
scripts/build/pin_models.py has to be run afterward.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.training.face_models.ict_facekit import FaceModel
from core.training.face_models.registration.correspondence import Registration
from core.training.face_models.template.landmarks import carried_ibug68
from core.training.files import write_arrays


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--face-model", type=Path, required=True, help="ict_facekit.npz")
    parser.add_argument("--registration", type=Path, default=ROOT / "cache" / "registration.npz")
    parser.add_argument("--template", type=Path, default=ROOT / "models" / "head_template.npz")
    options = parser.parse_args()
    model, registration = FaceModel(options.face_model), Registration.load(options.registration)
    with np.load(options.template) as file:
        arrays = dict(file)
    landmarks = model.landmarks68
    arrays.update(carried_ibug68(arrays, registration.ict_face[landmarks], registration.ict_bary[landmarks]))
    write_arrays(options.template, arrays)
    print(f"wrote {options.template}")


if __name__ == "__main__":
    main()
