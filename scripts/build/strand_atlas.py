"""Build models/hair_strand_atlas.npz, the strand atlas that the hair cards of all heads share."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.hair.strand_atlas import FILE_NAME
from core.training.files import write_arrays
from core.training.hair.strand_atlas import build_strand_atlas
from scripts.training.arguments import run_main


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder that it is written into")
    path = parser.parse_args().models / FILE_NAME
    write_arrays(path, build_strand_atlas())
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
