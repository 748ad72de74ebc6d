"""Exports the networks in models/ from .safetensors to .onnx: to be run whenever they have been trained."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.training.fitting.onnx_export import EXPORTS


def main() -> int:
    """Export, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="folder (default: the project's)"
    )
    options = parser.parse_args()
    present = [name for name in EXPORTS if (options.models / name).is_file()]
    if not present:
        parser.error(f"{options.models} has none of {', '.join(EXPORTS)}")
    for name in present:
        path = EXPORTS[name](options.models)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
