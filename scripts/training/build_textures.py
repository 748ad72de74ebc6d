"""Lift skin textures from portraits and write the library that training pictures are made with."""

import argparse
import logging
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core.detection.detector import FaceDetector
from core.errors import PhotobustError
from core.training.face_models.ict_facekit import FaceModel
from core.training.face_models.registration.correspondence import Registration
from core.training.synthesis.face_profiling import build_views
from core.training.synthesis.portrait_library import build_library, fit_portraits, save_library


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    )
    parser.add_argument(
        "--registration",
        type=Path,
        required=True,
        help="the cache that scripts/training/register_template.py wrote",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="the library to write (.npz); not part of the project"
    )
    parser.add_argument("--views", type=Path, help="also write the portraits ready to be turned in 3D (.npz)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    portraits = sorted((options.data / "portraits").glob("*.jpg"))
    path = options.data / "face_model" / "ict_facekit.npz"
    if not portraits or not path.is_file():
        raise PhotobustError(
            f"No portraits/ and face_model/ in {options.data}. Give the folder that holds them with --data."
        )
    if not options.registration.is_file():
        raise PhotobustError(
            f"No registration at {options.registration}: run scripts/training/register_template.py first."
        )
    model = FaceModel(path)
    registration = Registration.load(options.registration)
    nearest = registration.ict_landmark_bary.argmax(1)
    vertices = model.triangles[registration.ict_landmark_face, nearest]
    detector = FaceDetector.from_pretrained(ROOT / "models")

    def detect(rgb: np.ndarray) -> np.ndarray | None:
        faces = detector.detect(rgb, max_faces=1)
        return faces[0].points if faces else None

    fitted = fit_portraits(portraits, model, vertices, detect)
    save_library(build_library(fitted, model, vertices), options.out)
    if options.views:
        save_library(build_views(fitted, model, vertices), options.views)
    print(f"{len(fitted)} of {len(portraits)} portraits, {options.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    try:
        main()
    except PhotobustError as error:
        sys.exit(str(error))
