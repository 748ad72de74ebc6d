"""Fit what tells dark skin from dark light, and write it into models/albedo_model.npz.

Learned from portraits whose skin was judged by eye: portrait_lightness.json has L* of the plain skin's
albedo, estimated from the whole photo, with the light, the background and the whites of the eyes in mind.
Every tenth portrait is held out; how far they are off is printed, and how far all are when each is left out
in turn.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core import load_photo
from core.detection.detector import FaceDetector
from core.texture.albedo_model import FILE_NAME
from core.texture.face_colors import face_colors
from core.texture.skin_locus import lightness_of
from core.texture.skin_tone import contrast_terms
from core.training.files import write_arrays
from core.training.fitting.albedo_fitting import LIGHTNESS_GROUPS, fit_lightness
from core.training.synthesis.portrait_library import HOLD_OUT
from scripts.build.pin_models import pin_models
from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.training.paths import DataPaths

#: L* of the plain skin's albedo by portrait.
LIGHTNESS = json.loads(Path(__file__).with_name("portrait_lightness.json").read_text(encoding="utf-8"))
#: How many parts the portraits are left out in.
FOLDS = 14


def portrait_contrasts(paths: "DataPaths") -> dict[str, np.ndarray]:
    """What stands out of the skin (`FaceColors.contrasts`), by portrait with a known lightness."""
    detector = FaceDetector.from_pretrained(paths.models)
    contrasts = {}
    for path in sorted(paths.portraits.glob("*.jpg")):
        rgb = load_photo(path).rgb
        faces = list(detector.detect(rgb, 1, thorough=False)) if path.stem in LIGHTNESS else []
        if faces:
            contrasts[path.stem] = face_colors(rgb, faces[0].points).contrasts(np.zeros(3))
    return contrasts


def found_lightness(arrays: dict[str, np.ndarray], contrasts: np.ndarray) -> np.ndarray:
    """(N,) L* by contrasts (N, C) and the arrays of a fit."""
    terms = contrast_terms(contrasts, arrays["lightness_mean"], arrays["lightness_deviation"])
    return np.array([lightness_of(color) for color in np.exp(terms @ arrays["lightness_weights"])])


def report(name: str, found: np.ndarray, true: np.ndarray) -> None:
    """Print how far lightness is off, L*, in all and by group of skin."""
    off, group = found - true, np.digitize(true, LIGHTNESS_GROUPS)
    groups = [
        f"{off[group == k].mean():+.1f} / {np.abs(off[group == k]).mean():.1f}"
        for k in range(len(LIGHTNESS_GROUPS) + 1)
        if (group == k).any()
    ]
    slope = np.polyfit(true, found, 1)[0]
    print(f"{name}: {np.abs(off).mean():.1f}, slope {slope:.2f}; from deep to light skin {', '.join(groups)}")


def main() -> None:
    """Parse the command line, look at portraits, fit, and write."""
    options = training_parser(__doc__).parse_args()
    paths = data_paths(options)
    paths.require("portraits")
    found = portrait_contrasts(paths)
    contrasts = np.stack(list(found.values()))
    true = np.array([LIGHTNESS[name] for name in found], float)
    number = np.arange(len(true))
    left_out = np.zeros(len(true))
    for fold in range(FOLDS):
        out = number % FOLDS == fold
        left_out[out] = found_lightness(fit_lightness(contrasts[~out], true[~out]), contrasts[out])
    report("each left out in turn, off by L*", left_out, true)
    held_out = number % HOLD_OUT == 0
    arrays = fit_lightness(contrasts[~held_out], true[~held_out])
    report("held out", found_lightness(arrays, contrasts[held_out]), true[held_out])
    model = paths.models / FILE_NAME
    with np.load(model) as data:
        kept = {name: data[name] for name in data.files if not name.startswith("exposure_")}
    write_arrays(model, {**kept, **arrays})
    pin_models(paths.models)


if __name__ == "__main__":
    run_main(main)
