"""Reconstructs a portrait that comes with scikit-image: the astronaut Eileen Collins (NASA)."""

import argparse
import subprocess
import sys
from pathlib import Path

import skimage.data
import skimage.io


def main() -> int:
    """Write the photo and hand it to scripts/batch.py; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results (default: out)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    photo = options.out / "astronaut.png"
    skimage.io.imsave(photo, skimage.data.astronaut(), check_contrast=False)
    print(f"Photo: {photo} (from scikit-image)", flush=True)
    batch = Path(__file__).with_name("batch.py")
    return subprocess.run(
        [sys.executable, str(batch), str(photo), "--out", str(options.out)], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
