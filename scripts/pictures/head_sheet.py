"""Lay out wrapped heads without texture.

    python scripts/pictures/head_sheet.py PHOTOS... --out docs/pictures/heads.jpg

A row a photo: the head as photographed from the front, three-quarter and the side, its neutral, then jawOpen,
both eyeBlink and both mouthSmile at 1. Needs the bpy wheel. With --best and --worst only the photos whose
heads lie nearest to their surfaces, and those that lie farthest from them.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from core.template.topology import HeadTopology
    from core.wrapping.head import Head

BLENDSHAPES = (("jawOpen",), ("eyeBlinkLeft", "eyeBlinkRight"), ("mouthSmileLeft", "mouthSmileRight"))
TURNS = (0.0, 40.0, 90.0)
#: sRGB of the parts; the iris is the front of an eyeball.
COLORS = {
    "skin": (196, 158, 138),
    "inner": (150, 70, 70),
    "eye_left": (235, 235, 235),
    "eye_right": (235, 235, 235),
    "teeth_upper": (240, 236, 220),
    "teeth_lower": (240, 236, 220),
    "tongue": (180, 80, 90),
}
#: Cosine, from the front of the eyeball, beyond which it is iris.
IRIS = 0.9
IRIS_COLOR = (70, 55, 45)


def vertex_colors(topology: "HeadTopology") -> np.ndarray:
    """(V, 3) uint8 sRGB."""
    from core.geometry.sphere import fit_sphere

    colors = np.zeros((len(topology.vertices), 3), np.uint8)
    for part in reversed(COLORS):  # the skin last: it has the rims
        index = topology.vertices_of(part)
        colors[index] = COLORS[part]
        if part.startswith("eye"):
            points = topology.vertices[index].astype(float)
            ball = fit_sphere(points)
            ahead = -(points - ball.center)[:, 1] / ball.radius
            colors[index[ahead > IRIS]] = IRIS_COLOR
    return colors


def row(head: "Head", topology: "HeadTopology", size: int) -> np.ndarray:
    """One photo's pictures, side by side."""
    from blender_addon.heads.ply import SurfaceMesh
    from blender_addon.render.previews import render_views

    faces = topology.faces_of(*COLORS)
    triangles = topology.triangles[np.stack([2 * faces, 2 * faces + 1], 1).ravel()]
    colors = vertex_colors(topology)
    shapes = [(head.vertices, TURNS), (head.neutral, TURNS[:1])]
    for names in BLENDSHAPES:
        moved = head.neutral + sum(head.blendshapes[topology.blendshape_index(name)] for name in names)
        shapes.append((moved, TURNS[:1]))
    pictures = [
        render_views(SurfaceMesh(vertices, triangles, colors, None), turns, size, "BLENDER_WORKBENCH")
        for vertices, turns in shapes
    ]
    return np.concatenate(pictures, 1)


def main() -> None:
    """Parse the command line, reconstruct and write the sheet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="a JPEG or PNG file")
    parser.add_argument("--size", type=int, default=160, help="side of a picture, pixels")
    parser.add_argument("--best", type=int, help="how many of the best (default: all)")
    parser.add_argument("--worst", type=int, default=0, help="how many of the worst, below the best")
    parser.add_argument("--quality", type=int, default=85, help="of the JPEG")
    options = parser.parse_args()

    from core.errors import NoHeadError
    from core.io.head_ply import head_document
    from core.reconstructor import Reconstructor
    from core.wrapping.options import HeadOptions
    from scripts.pictures.sheet import save_sheet

    reconstructor = Reconstructor.from_pretrained()
    made = []
    for photo in options.photos:
        try:
            (found,) = reconstructor.reconstruct(photo, max_faces=1, head=HeadOptions(texture=0))
        except NoHeadError as error:
            print(f"{photo.name}: {error}")
            continue
        head = found.head
        if head is None:
            raise ValueError("the reconstruction has no head")
        topology = reconstructor.head_wrapper.topology
        distance = head_document(head)["deviation_mm"]
        print(f"{photo.name}: {distance}", flush=True)
        made.append((distance["p95"], photo.name, head))
    made.sort(key=lambda item: item[:2])
    best = len(made) if options.best is None else options.best
    shown = made[:best] + (made[-options.worst :] if options.worst else [])
    sheet = np.concatenate([row(head, topology, options.size) for _, _, head in shown])
    save_sheet(options.out, sheet[..., ::-1], options.quality)
    print(f"{options.out}: {', '.join(name for _, name, _ in shown)}")


if __name__ == "__main__":
    main()
