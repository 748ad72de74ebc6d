"""Compute the UV map, occlusion and thickness in models/head_template.npz again; MakeHuman's map stays.

`scripts/build/head_template.py` does the same for a template that it builds anew.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.template.template import read_template
from core.training.files import write_arrays
from scripts.build.head_template import surface_arrays
from scripts.build.pin_models import pin_models
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the template")
    options = parser.parse_args()
    arrays = dict(read_template(options.models))
    if "makehuman_uv" in arrays:
        arrays["uv"], arrays["quad_uv"] = arrays["makehuman_uv"], arrays["makehuman_quad_uv"]
    arrays.update(surface_arrays(arrays))
    path = options.models / "head_template.npz"
    write_arrays(path, arrays)
    pin_models(options.models)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
