"""Register models/head_template.npz to ICT-FaceKit's neutral head and write the cache that training reads."""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core.errors import PhotobustError
from core.training.face_models.ict_facekit import FaceModel
from core.training.face_models.registration.register import register


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    )
    parser.add_argument("--template", type=Path, default=ROOT / "models" / "head_template.npz")
    parser.add_argument(
        "--out", type=Path, required=True, help="the cache to write (.npz); not part of the project"
    )
    options = parser.parse_args()
    path = options.data / "face_model" / "ict_facekit.npz"
    if not path.is_file():
        raise PhotobustError(f"No face model at {path}. Give the folder that holds face_model/ with --data.")
    with np.load(options.template) as file:
        template = {name: file[name] for name in file.files}
    registration, figures = register(template, FaceModel(path), ROOT / "models")
    unfinished = options.out.with_suffix(".tmp.npz")
    registration.save(unfinished)
    unfinished.replace(options.out)
    print(json.dumps(figures))


if __name__ == "__main__":
    try:
        main()
    except PhotobustError as error:
        sys.exit(str(error))
