"""Measures what the bones and the levels of detail of heads do.

    python scripts/benchmark/rig.py RESULTS      folders with head.npz below RESULTS

For each head: how far the lips' rim is from jawOpen when the jaw's bone turns by its full angle; how much of
the neck's volume is lost when the head turns by 45 degrees and nods by 30; how much farther eyeballs come out
of the lids when they turn by 25 degrees; how many vertices of the teeth come through the skin while the jaw
opens by up to 25 degrees; how far the outlines of the levels of detail are from the head's.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.heads.head_npz import HeadData, read_head
from core.runtime.weights import models_folder
from core.template.lods import DetailTopology
from core.template.topology import HeadTopology
from core.wrapping.skeleton import BONES, Rig

EYE_DEG = 25
JAW_DEG = (0, 8, 16, 25)
#: Head turned and nodding, degrees; how it is spread over neck_01, neck_02 and head.
TURN_DEG = 45
NOD_DEG = 30
SPREADS = {"head": (0.0, 0.0, 1.0), "spread": (1 / 3, 1 / 3, 1 / 3)}
#: Meters around the lips in which skin may be before teeth, and how far behind teeth it counts.
AROUND_LIPS = 0.05
BEHIND_TEETH = 0.012
#: Directions that outlines are looked at from, degrees about the vertical axis and above the horizon; from
#: the opposite side they are the same.
VIEWS_DEG = (*((turn, 0) for turn in range(0, 180, 30)), *((turn, 30) for turn in range(-180, 180, 30)))
#: Blendshapes at 1 in which outlines are looked at, beside the neutral head.
OUTLINE_SHAPES = ("jawOpen", "mouthSmileLeft", "mouthPucker", "eyeBlinkLeft")
SHAPE_VIEWS_DEG = VIEWS_DEG[:6:2]
#: Side of a pixel, meters.
PIXEL = 0.0001
#: Free space around the head in these pictures, meters, and bits of fractions of pixels.
MARGIN = 0.004
FRACTION_BITS = 4


def depth_of(points: np.ndarray, ball: np.ndarray, center: np.ndarray) -> np.ndarray:
    """How deep points lie below a surface around a center.

    Args:
        points: (n, 3), meters.
        ball: (m, 3) points of the surface.
        center: (3,).

    Returns:
        (n,) meters.
    """
    outward = ball - center
    radius = np.linalg.norm(outward, axis=1)
    to = points - center
    length = np.linalg.norm(to, axis=1)
    near = np.argsort(-(to / length[:, None]) @ (outward / radius[:, None]).T, axis=1)[:, :3]
    return radius[near].mean(1) - length


def skin_behind(points: np.ndarray, triangles: np.ndarray, reach: float) -> np.ndarray:
    """Whether a triangle is behind points, along y.

    Args:
        points: (n, 3), meters.
        triangles: (T, 3, 3).
        reach: How far behind at most, meters.

    Returns:
        (n,) bool.
    """

    def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a[..., 0] * b[..., 2] - a[..., 2] * b[..., 0]

    a, b, c = triangles.transpose(1, 0, 2)
    at = points[:, None]
    area = cross(b - a, c - a)
    u, v = cross(b - at, c - at) / area, cross(c - at, a - at) / area
    depth = u * a[:, 1] + v * b[:, 1] + (1 - u - v) * c[:, 1] - at[..., 1]
    inside = (u >= 0) & (v >= 0) & (u + v <= 1)
    return (inside & (depth > 0) & (depth < reach)).any(1)


def volume(vertices: np.ndarray, quads: np.ndarray) -> float:
    """Of what quads enclose, each of their open rims closed by a fan around its middle.

    Args:
        vertices: (V, 3), meters.
        quads: (n, 4).
    """
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    there = {tuple(edge) for edge in edges.tolist()}
    rim = np.array([edge for edge in there if edge[::-1] not in there])
    graph = csr_matrix((np.ones(len(rim)), rim.T), (len(vertices), len(vertices)))
    label = connected_components(graph, directed=False)[1]
    middle = np.array([vertices[rim[label[rim[:, 0]] == ring, 0]].mean(0) for ring in label[rim[:, 0]]])
    corners = vertices[triangles]
    caps = np.stack([vertices[rim[:, 1]], vertices[rim[:, 0]], middle], 1)
    return float(sum(np.linalg.det(part).sum() for part in (corners, caps)) / 6)


def neck_quads(topology: HeadTopology, rig: Rig) -> np.ndarray:
    """(n, 4) the skin that the bones below the head move for the most part."""
    neck = rig.dense_weights()[:, : BONES.index("head")].sum(1) > 0.5
    quads = topology.quads[topology.faces_of("skin")]
    return quads[neck[quads].all(1)]


def turned_head(fractions: Sequence[float]) -> dict[str, np.ndarray]:
    """Rotations of the neck's bones and the head's, which take these fractions of the turn and the nod."""
    return {
        bone: Rotation.from_euler("zx", [TURN_DEG * fraction, NOD_DEG * fraction], degrees=True).as_matrix()
        for bone, fraction in zip(("neck_01", "neck_02", "head"), fractions, strict=True)
    }


def outlines(
    vertices: np.ndarray,
    triangles: np.ndarray,
    levels: Sequence[tuple[np.ndarray, np.ndarray]],
    views: Sequence[tuple[float, float]] = VIEWS_DEG,
) -> list[np.ndarray]:
    """How far the outlines of levels of detail are from the head's.

    Args:
        vertices: (V, 3), meters.
        triangles: (T, 3) the head's.
        levels: (K, 3) vertices and (n, 3) triangles of each level.
        views: Degrees, as VIEWS_DEG.

    Returns:
        For each level the distances, meters, of the head's outline from the level's and the other way round.
    """
    import cv2

    found: list[list[np.ndarray]] = [[] for _ in levels]
    for turn_deg, tilt_deg in views:
        plane = Rotation.from_euler("zx", [-turn_deg, -tilt_deg], degrees=True).as_matrix()[[0, 2]].T
        projected = vertices @ plane
        low = projected.min(0) - MARGIN
        size = np.ceil((np.ptp(projected, axis=0) + 2 * MARGIN) / PIXEL).astype(int)
        lines = []
        for points, part in ((vertices, triangles), *levels):
            pixels = np.round((points @ plane - low) / PIXEL * (1 << FRACTION_BITS)).astype(np.int32)
            covered = np.zeros(size[::-1], np.uint8)
            for triangle in pixels[part]:
                cv2.fillConvexPoly(covered, triangle, (255,), cv2.LINE_8, FRACTION_BITS)
            contours = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
            outline = max(contours, key=len)[:, 0]
            apart = np.full(size[::-1], 255, np.uint8)
            apart[outline[:, 1], outline[:, 0]] = 0
            lines.append((outline, cv2.distanceTransform(apart, cv2.DIST_L2, 5) * PIXEL))
        (outline, distance), *others = lines
        for level, (others_outline, others_distance) in enumerate(others):
            found[level] += [
                others_distance[outline[:, 1], outline[:, 0]],
                distance[others_outline[:, 1], others_outline[:, 0]],
            ]
    return [np.concatenate(parts) for parts in found]


def measure(data: HeadData, topology: HeadTopology) -> Mapping[str, float]:
    """The figures of a head, by what they are called."""
    rig = Rig(**vars(data.rig))
    vertices = data.neutral.astype(np.float64)
    found: dict[str, float] = {}
    opening = data.blendshapes[data.blendshape_names.index("jawOpen")]
    opened = rig.posed(vertices, {"jaw": turn("x", rig.jaw_open_deg)})
    apart = np.linalg.norm(opened - vertices - opening, axis=1)
    found["lips mm"] = apart[topology.lips].max() * 1000
    quads = neck_quads(topology, rig)
    for name, fractions in SPREADS.items():
        change = volume(rig.posed(vertices, turned_head(fractions)), quads) / volume(vertices, quads) - 1
        found[f"neck {name} %"] = change * 100
    found["eyes mm"] = max(
        eye_emergence(rig, vertices, topology, bone, axis, degrees)
        for bone in ("eye.L", "eye.R")
        for axis in "xz"
        for degrees in (-EYE_DEG, EYE_DEG)
    )
    found["teeth"] = sum(teeth_through_skin(rig, vertices, topology, degrees) for degrees in JAW_DEG)
    shapes = {"": vertices}
    for name in OUTLINE_SHAPES:
        shapes[f"{name} "] = vertices + data.blendshapes[data.blendshape_names.index(name)]
    for name, shape in shapes.items():
        levels = [DetailTopology(**vars(level)).mesh(shape, data.quads) for level in data.levels]
        views = SHAPE_VIEWS_DEG if name else VIEWS_DEG
        for number, distances in enumerate(outlines(shape, topology.triangles, levels, views), 1):
            found[f"{name}LOD{number} mean mm"] = distances.mean() * 1000
            found[f"{name}LOD{number} 99 % mm"] = np.quantile(distances, 0.99) * 1000
            found[f"{name}LOD{number} max mm"] = distances.max() * 1000
    return found


def eye_emergence(
    rig: Rig, vertices: np.ndarray, topology: HeadTopology, bone: str, axis: str, degrees: float
) -> float:
    """How much farther an eyeball comes out of its lids when it turns, millimeters; 0 if it does not."""
    left = bone.endswith("L")
    eyeball = topology.vertices_of("eye_left" if left else "eye_right")
    lids = topology.lid_left if left else topology.lid_right
    posed, center = rig.posed(vertices, {bone: turn(axis, degrees)}), rig.heads[BONES.index(bone)]
    before, after = (depth_of(points[lids], points[eyeball], center).max() for points in (vertices, posed))
    return float(max(after - max(before, 0), 0) * 1000)


def teeth_through_skin(rig: Rig, vertices: np.ndarray, topology: HeadTopology, degrees: float) -> int:
    """How many vertices of the teeth are before the skin when the jaw opens."""
    posed = rig.posed(vertices, {"jaw": turn("x", degrees)})
    triangles = topology.triangles.reshape(-1, 2, 3)[topology.faces_of("skin")].reshape(-1, 3)
    middle = vertices[topology.lips].mean(0)
    around = np.linalg.norm(vertices[triangles].mean(1) - middle, axis=1) < AROUND_LIPS
    teeth = posed[topology.vertices_of("teeth_upper", "teeth_lower")]
    return int(skin_behind(teeth, posed[triangles[around]], BEHIND_TEETH).sum())


def turn(axis: str, degrees: float) -> np.ndarray:
    """(3, 3) a rotation about an axis."""
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("results", type=Path, help="folder with results, or one result")
    options = parser.parse_args()
    files = sorted(options.results.rglob("head.npz"))
    if not files:
        parser.error(f"there is no head.npz below {options.results}")
    topology = HeadTopology.load(models_folder())
    rows = []
    for path in files:
        rows.append(measure(read_head(path), topology))
        line = "  ".join(f"{name} {value:.2f}" for name, value in rows[-1].items())
        print(f"{path.parent.name}: {line}", flush=True)
    print(
        "  ".join(
            f"{name} {min(r[name] for r in rows):.2f}..{max(r[name] for r in rows):.2f}" for name in rows[0]
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
