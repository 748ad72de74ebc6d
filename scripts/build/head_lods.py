"""Build models/head_lods.npz, the levels of detail of models/head_template.npz."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.template.topology import HeadTopology
from core.training.face_models.template.lods import build_lods
from core.training.files import write_arrays
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="folder of the template and the levels"
    )
    options = parser.parse_args()
    arrays = build_lods(HeadTopology.template(options.models))
    path = options.models / "head_lods.npz"
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
