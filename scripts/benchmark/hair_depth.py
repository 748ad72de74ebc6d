"""Measures how deep hair lies in the skin of finished heads.

    python scripts/benchmark/hair_depth.py HEADS

Prints for each head how deep the deepest point of its hair's shell, cards and strands and of its headwear is
in the skin, by libigl, in millimeters, how many points are deeper than the limit, and the size of head.glb;
then the most of all heads. Hair is made for the neutral head; as photographed, cheeks may rise into it.
"""

import argparse
import sys
from pathlib import Path

import igl
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.runtime.weights import models_folder
from core.template.topology import SKIN, HeadTopology

#: Depth, meters, that hair is to stay above.
LIMIT = 0.002
#: Points lower than this over the neck's lowest vertex, meters, are left out: the skin ends there.
ABOVE_RIM = 0.015
PARTS = {
    "shell": "shell_vertices",
    "cover": "cover_vertices",
    "cards": "card_vertices",
    "strands": "strand_points",
}


def depths(points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How deep points are in a surface.

    Args:
        points: (N, 3) float64, meters.
        vertices: (V, 3) float64, meters.
        triangles: (T, 3) int64, counterclockwise from outside.

    Returns:
        (N,) meters, negative outside.
    """
    kind = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
    return -np.asarray(igl.signed_distance(points, vertices, triangles, sign_type=kind)[0])


def measure(folder: Path, triangles: np.ndarray) -> dict[str, float]:
    """The figures of the head in a folder, by what they are called."""
    with np.load(folder / "head.npz") as head, np.load(folder / "hair.npz") as hair:
        shapes = {"": head["neutral"].astype(np.float64), "photo: ": head["photo"].astype(np.float64)}
        parts = {
            name: hair[key].reshape(-1, 3).astype(np.float64)
            for name, key in PARTS.items()
            if key in hair.files
        }
    found: dict[str, float] = {}
    for shape, vertices in shapes.items():
        lowest = vertices[triangles, 2].min() + ABOVE_RIM
        for name, points in parts.items():
            depth = depths(points[points[:, 2] > lowest], vertices, triangles)
            found[f"{shape}{name} mm"] = float(depth.max()) * 1000
            found[f"{shape}{name} deeper"] = int((depth > LIMIT).sum())
    found["head.glb MB"] = (folder / "head.glb").stat().st_size / 1e6
    return found


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("results", type=Path, help="folder with results, made with --head, or one result")
    options = parser.parse_args()
    files = sorted(options.results.rglob("hair.npz"))
    if not files:
        parser.error(f"there is no hair.npz below {options.results}")
    topology = HeadTopology.load(models_folder())
    triangles = topology.triangles.reshape(-1, 2, 3)[topology.faces_of(SKIN)].reshape(-1, 3).astype(np.int64)
    rows = []
    for path in files:
        rows.append(measure(path.parent, triangles))
        line = "  ".join(f"{name} {value:.2f}" for name, value in rows[-1].items())
        print(f"{path.parent.name}: {line}", flush=True)
    names = dict.fromkeys(name for row in rows for name in row)
    print("most: " + "  ".join(f"{name} {max(row.get(name, 0) for row in rows):.2f}" for name in names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
