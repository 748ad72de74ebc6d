"""Reconstruct many portraits and check every surface: closed, one piece, no handles, smooth, ears present.

    python scripts/benchmark/check_portraits.py PHOTO_OR_FOLDER... --out out/check

Writes a table (check.md, check.json) and the heads from four sides (check.jpg). Ends with an
error if a surface is open, falls apart or has lost an ear.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from scripts.benchmark.photos import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from core.reconstructor import Reconstructor

#: Ears that reach this much less far to the side than the head prior's, mm, are lost.
LOST_EAR_MM = 8.0
#: Triangles before this plane, head frame, meters, are the front.
FRONT_Y = 0.0
#: Triangles behind this plane, head frame, meters, are the back; those between, the sides.
BACK_Y = 0.1
SIDES = (0, 45, 90, 180)


def pictures(sources: list[Path], count: int) -> list[Path]:
    """The first `count` pictures of files and folders, evenly picked."""
    found = [p for s in sources for p in (sorted(s.iterdir()) if s.is_dir() else [s])]
    found = [p for p in found if p.suffix.lower() in PICTURE_SUFFIXES]
    return [found[i] for i in np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)]


def ear_reach(points: np.ndarray) -> np.ndarray:
    """How far points reach to either side where ears are.

    Args:
        points: (N, 3) head frame, meters.

    Returns:
        (2,) mm, to the subject's left and right; 0 where there are none.
    """
    from core.template.regions import EAR_SURROUNDINGS as EAR

    near = ((points[:, 1:] > EAR[0, 1:]) & (points[:, 1:] < EAR[1, 1:])).all(1)
    x = points[near, 0] * 1000
    return np.array([x.max(), -x.min()]) if near.any() else np.zeros(2)


def dihedral_angles(vertices: np.ndarray, faces: np.ndarray) -> dict[str, float]:
    """Root mean square angle between neighboring triangles.

    Args:
        vertices: (N, 3) head frame, meters.
        faces: (M, 3) int of a closed mesh.

    Returns:
        Degrees on the front, the sides and the back.
    """
    from core.geometry.mesh import triangle_normals

    corners = vertices[faces].astype(np.float64)
    normals = triangle_normals(vertices, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    # Each edge of a closed mesh is run through once in each direction.
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, 1).ravel().astype(np.int64)
    face = np.repeat(np.arange(len(faces)), 3)
    one, two = np.argsort(start * len(vertices) + end), np.argsort(end * len(vertices) + start)
    angle = np.degrees(np.arccos(np.clip((normals[face[one]] * normals[face[two]]).sum(1), -1, 1)))
    y = corners.mean(1)[face[one], 1]
    parts = {"front": y < FRONT_Y, "sides": (y >= FRONT_Y) & (y < BACK_Y), "back": y >= BACK_Y}
    return {name: float(np.sqrt((angle[some] ** 2).mean())) for name, some in parts.items()}


def check(path: Path, reconstructor: "Reconstructor") -> tuple[dict[str, Any], np.ndarray]:
    """The figures of one portrait, and its head from four sides."""
    import trimesh

    from core.image.photo import load_photo
    from core.training.evaluation.report import render_shaded

    photo = load_photo(path)
    result = reconstructor.reconstruct(photo, max_faces=1)[0]
    surface = result.surface
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    prior = reconstructor.lifter.lift(result.landmarks, result.camera, photo.rgb)
    ears = ear_reach(surface.vertices) - ear_reach(prior.vertices)
    row = {
        "photo": path.name,
        "yaw": round(result.pose.angles[0]),
        "watertight": bool(mesh.is_watertight),
        "pieces": int(mesh.body_count),
        "handles": int(1 - mesh.euler_number / 2),
        "ears_mm": [round(float(e), 1) for e in ears],
        **{f"angle_{k}": round(v, 2) for k, v in dihedral_angles(surface.vertices, surface.faces).items()},
    }
    views = []
    for yaw in SIDES:
        a = np.radians(yaw)
        x, y, z = (surface.vertices - np.array([0, 0.06, -0.02])).T * 720
        turned = np.stack([95.5 + np.cos(a) * x - np.sin(a) * y, 95.5 - z, -np.sin(a) * x - np.cos(a) * y], 1)
        views.append(render_shaded(turned, surface.faces))
    return row, np.hstack([result.crop, *views])


def report(rows: list[dict[str, Any]]) -> str:
    """The rows as a markdown table, with a summary below."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(str(row[k]) for k in head) + " |" for row in rows]
    closed = sum(r["watertight"] and r["pieces"] == 1 for r in rows)
    ears = sum(min(r["ears_mm"]) > -LOST_EAR_MM for r in rows)
    angles = ", ".join(f"{k[6:]} {np.mean([r[k] for r in rows]):.1f}" for k in head if k.startswith("angle_"))
    simple = sum(r["handles"] == 0 for r in rows)
    lines += [
        "",
        f"{len(rows)} portraits: {closed} closed and in one piece, {simple} without handles, {ears} with",
    ]
    lines += [f"both ears; angle between neighboring triangles, degrees: {angles}"]
    return "\n".join(lines)


def main() -> int:
    """Parse the command line, check, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=ROOT / "out/check")
    parser.add_argument("--count", type=int, default=60, help="number of portraits")
    parser.add_argument("--models", type=Path)
    args = parser.parse_args()

    import cv2

    from core.reconstructor import Reconstructor

    chosen = pictures(args.photos, args.count)
    if not chosen:
        raise SystemExit("no pictures found: name photos or folders with photos")
    reconstructor = Reconstructor.from_pretrained(args.models)
    checked = [check(path, reconstructor) for path in chosen]
    rows = [row for row, _ in checked]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "check.json").write_text(json.dumps(rows, indent=1))
    (args.out / "check.md").write_text(report(rows) + "\n")
    cv2.imwrite(str(args.out / "check.jpg"), np.vstack([sheet for _, sheet in checked])[..., ::-1])
    print(report(rows))
    bad = [
        r["photo"] for r in rows if not r["watertight"] or r["pieces"] > 1 or min(r["ears_mm"]) < -LOST_EAR_MM
    ]
    if bad:
        print("Faulty: " + ", ".join(bad), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
