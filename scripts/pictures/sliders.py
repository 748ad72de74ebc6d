"""Lay out a head with each slider at both ends, to look for folds, eyes through lids and lashes left behind.

    python scripts/pictures/sliders.py heads/ada --out docs/pictures/sliders.jpg

The folder is a result with an animation-ready head. Without Blender: skin, eyes and lashes with their
texture, from where the slider is seen best.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.pictures.sheet import save_sheet

if TYPE_CHECKING:
    from core.template.topology import HeadTopology

COLUMNS = 10
#: Degrees by which the head is turned where the side shows more than the front.
TURN = 25.0
TURNS = {
    "head_depth": 75.0,
    "forehead_slope": 75.0,
    "brow_depth": 65.0,
    "nose_length": 60.0,
    "nose_depth": 75.0,
    "nose_hump": 80.0,
    "nose_tip_height": 70.0,
    "chin_prominence": 75.0,
    "double_chin": 75.0,
    "ear_size": 60.0,
    "ear_angle": 15.0,
    "ear_lobes": 75.0,
    "ear_height": 75.0,
}
#: Middle of the picture, head frame, and what it shows, meters.
WHOLE = ((0.0, 0.05, -0.03), 0.27)
EYES = ((0.0, 0.0, 0.002), 0.14)
BACKGROUND = 120
LIGHT = np.array([0.45, -0.75, 0.48])
AMBIENT, DIFFUSE = 0.35, 0.75
#: Clear parts, which would hide what is below them.
CLEAR = ("cornea", "tear")
QUALITY = 76


@dataclass(frozen=True)
class TexturedHead:
    """A head to be drawn.

    Attributes:
        vertices: (V, 3) float64, head frame, meters.
        triangles: (T, 3) int, of the vertices.
        uv: (T, 3, 2) float64, of the triangles' corners.
        is_lash: (T,) bool.
        albedo: (S, S, 4) uint8, BGR and coverage.
        carriers: (n,) int, what each of the last n vertices, of which sliders know nothing, goes with.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    is_lash: np.ndarray
    albedo: np.ndarray
    carriers: np.ndarray

    @classmethod
    def read(cls, folder: Path, topology: "HeadTopology", known: int) -> "TexturedHead":
        """The head of a result's folder; sliders know of the first `known` vertices."""
        with np.load(folder / "head.npz") as arrays:
            vertices = arrays["neutral"].astype(np.float64)
        albedo = cv2.imread(str(folder / "albedo.png"), cv2.IMREAD_UNCHANGED)
        clear = [k for k, name in enumerate(topology.part_names) if name.startswith(CLEAR)]
        shown = ~np.isin(topology.face_part, clear)
        quads, uv = topology.quads[shown], topology.uv[topology.quad_uv[shown]].astype(np.float64)
        halves = ([0, 1, 2], [0, 2, 3])
        is_lash = topology.face_part[shown] == topology.part_names.index("lashes")
        eyes = topology.vertices_of("eye_left", "eye_right")
        eyes = eyes[eyes < known]
        apart = ((vertices[known:, None] - vertices[eyes]) ** 2).sum(2)
        return cls(
            vertices,
            np.concatenate([quads[:, half] for half in halves]),
            np.concatenate([uv[:, half] for half in halves]),
            np.tile(is_lash, 2),
            albedo,
            eyes[apart.argmin(1)],
        )

    def moved(self, offset: np.ndarray) -> np.ndarray:
        """(V, 3) vertices moved by a slider's (V, 3)."""
        followed = offset.copy()
        followed[len(offset) - len(self.carriers) :] = offset[self.carriers]
        return np.asarray(self.vertices + followed)

    def draw(self, vertices: np.ndarray, turn: float, view: tuple, size: int) -> np.ndarray:
        """(size, size, 3) uint8 BGR of the head with (V, 3) other vertices, turned by degrees."""
        from core.geometry.mesh import vertex_normals
        from core.geometry.rasterize import fragments, interpolate

        (center, span), angle = view, np.radians(turn)
        rotation = np.array(
            [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]]
        )
        turned = (vertices - np.array(center)) @ rotation.T
        pixels = turned[:, [0, 2]] * [size / span, -size / span] + size / 2
        triangle, pixel, weights, _ = fragments(pixels, self.triangles, size)
        depth = interpolate(turned[:, 1], self.triangles, triangle, weights)
        normal = interpolate(vertex_normals(turned, self.triangles), self.triangles, triangle, weights)
        place = (self.uv[triangle] * weights[..., None]).sum(1)
        side = len(self.albedo)
        column, row = (np.clip(v * side, 0, side - 1).astype(int) for v in (place[:, 0], 1 - place[:, 1]))
        texel = self.albedo[row, column].astype(np.float64)
        light = AMBIENT + DIFFUSE * np.clip(normal @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
        color = np.clip(texel[:, :3] * light[:, None], 0, 255)
        picture = np.full((size * size, 3), float(BACKGROUND))
        nearest = np.full(size * size, np.inf)
        order = np.argsort(-depth, kind="stable")
        lash = self.is_lash[triangle][order]
        opaque = order[~lash]
        picture[pixel[opaque]], nearest[pixel[opaque]] = color[opaque], depth[opaque]
        for k in order[lash]:
            if depth[k] <= nearest[pixel[k]]:
                alpha = texel[k, 3] / 255
                picture[pixel[k]] = picture[pixel[k]] * (1 - alpha) + color[k] * alpha
        return np.rint(picture).astype(np.uint8).reshape(size, size, 3)


def main() -> None:
    """Parse the command line and write the sheet."""
    from core.runtime.weights import models_folder
    from core.template.sliders import load_sliders
    from core.template.topology import HeadTopology

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="result with head.npz and albedo.png")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=150, help="side of a cell, pixels")
    options = parser.parse_args()
    sliders = load_sliders(models_folder())
    known = int(sliders.vertices.max()) + 1
    head = TexturedHead.read(options.folder, HeadTopology.load(models_folder()), known)
    cells = []
    for name, group in zip(sliders.names, sliders.groups, strict=True):
        for value in (-1.0, 1.0):
            vertices = head.moved(sliders.offset({name: value}))
            view = EYES if group == "eyes" else WHOLE
            cell = head.draw(vertices, TURNS.get(name, TURN), view, options.size)
            words = f"{name.replace('_', ' ')} {'+' if value > 0 else '-'}"
            place, font = (4, options.size - 5), cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(cell, words, place, font, options.size / 520, (255, 255, 255), 1, cv2.LINE_AA)
            cells.append(cell)
    rows = [np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)]
    save_sheet(options.out, np.vstack(rows), QUALITY)
    print(f"{options.out} ({options.out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
