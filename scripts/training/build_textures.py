"""Extract skin textures from portraits, and write cache/textures.npz and cache/portrait_views.npz.

The first is the library of skins that training pictures are made with, the second holds the portraits
prepared for turning in 3D. 140 portraits take about five minutes. Needs the registration that
scripts/training/register_template.py writes.
"""

import logging
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
from scripts.training.arguments import data_paths, run_main, training_parser


def main() -> None:
    """Parse the command line, fit the portraits, and write."""
    parser = training_parser(__doc__)
    parser.add_argument("--registration", type=Path, help="default: registration.npz in the cache folder")
    parser.add_argument("--out", type=Path, help="the library to write (default: textures.npz in the cache)")
    parser.add_argument(
        "--views",
        type=Path,
        help="the turnable portraits to write (default: portrait_views.npz in the cache)",
    )
    parser.add_argument("--count", type=int, help="number of portraits, the first ones (default: all)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    paths = data_paths(options)
    paths.require("face_model", "portraits")
    file, out, views = (
        options.registration or paths.registration,
        options.out or paths.textures,
        options.views or paths.views,
    )
    if not file.is_file():
        raise PhotobustError(
            f"There is no registration at {file}. Run scripts/training/register_template.py first."
        )
    for path in (out, views):
        path.parent.mkdir(parents=True, exist_ok=True)
    portraits = sorted(paths.portraits.glob("*.jpg"))[: options.count]
    model = FaceModel(paths.face_model)
    registration = Registration.load(file)
    nearest = registration.ict_landmark_bary.argmax(1)
    vertices = model.triangles[registration.ict_landmark_face, nearest]
    detector = FaceDetector.from_pretrained(options.models)

    def detect(rgb: np.ndarray) -> np.ndarray | None:
        faces = detector.detect(rgb, max_faces=1)
        return faces[0].points if faces else None

    fitted = fit_portraits(portraits, model, vertices, detect)
    save_library(build_library(fitted, model, vertices), out)
    save_library(build_views(fitted, model, vertices), views)
    print(f"{len(fitted)} of {len(portraits)} portraits, {out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    run_main(main)
