"""Register models/head_template.npz to ICT-FaceKit's neutral head, and write cache/registration.npz.

It takes about half a minute. Training reads the file; it is no part of the project.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core.training.face_models.ict_facekit import FaceModel
from core.training.face_models.registration.register import register
from core.training.files import written_atomically
from scripts.training.arguments import data_paths, run_main, training_parser


def main() -> None:
    """Parse the command line, register, and write."""
    parser = training_parser(__doc__)
    parser.add_argument("--template", type=Path, help="default: head_template.npz in the folder of models")
    parser.add_argument("--out", type=Path, help="default: registration.npz in the cache folder")
    options = parser.parse_args()
    paths = data_paths(options)
    paths.require("face_model")
    out = options.out or paths.registration
    with np.load(options.template or options.models / "head_template.npz") as file:
        template = {name: file[name] for name in file.files}
    registration, figures = register(template, FaceModel(paths.face_model), options.models)
    with written_atomically(out) as temporary:
        registration.save(temporary)
    print(json.dumps(figures))


if __name__ == "__main__":
    run_main(main)
