"""Cuts head and neck out of MakeHuman's base mesh; see `build` for what becomes of them."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..makehuman import BaseMesh
from ..mesh_topology import boundary_loops

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: MakeHuman's average face is small and held a little high beside face models made from scans: turned about
#: x and scaled by what the registration to ICT-FaceKit finds (a similarity over 468 landmarks).
PITCH_DEGREES = -2.4
SCALE = 1.085
#: Height (head frame, meters) at which the neck is cut.
NECK_CUT_Z = -0.172
#: The cut keeps this near (meters, horizontally) to the neck's middle, so that no shoulders are left.
NECK_RADIUS = 0.09
#: Mid-front vertices of MakeHuman's rings around the neck, from the highest down; the first one stays in
#: place.
NECK_RINGS = (803, 809, 815, 1522, 1524, 1526)
#: Rings left between the first one and the cut.
NECK_ROWS = 5
PART_NAMES = ("skin", "inner", "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "lashes")
HELPERS = {
    "helper-l-eye": 2,
    "helper-r-eye": 3,
    "helper-upper-teeth": 4,
    "helper-lower-teeth": 5,
    "helper-tongue": 6,
    "helper-l-eyelashes-1": 7,
    "helper-l-eyelashes-2": 7,
    "helper-r-eyelashes-1": 7,
    "helper-r-eyelashes-2": 7,
}


class _Rings:
    """Walks along edge loops and down columns of a quad mesh."""

    def __init__(self, quads: np.ndarray) -> None:
        self.faces: dict[int, set[int]] = {}
        self.neighbors: dict[int, set[int]] = {}
        for k, quad in enumerate(quads):
            for i in range(4):
                self.faces.setdefault(int(quad[i]), set()).add(k)
                self.neighbors.setdefault(int(quad[i]), set()).update(
                    (int(quad[(i + 1) % 4]), int(quad[(i - 1) % 4]))
                )

    def opposite(self, a: int, b: int) -> int:
        """The vertex that goes straight on from edge a -> b."""
        beside = self.faces[a] & self.faces[b]
        for c in self.neighbors[b]:
            if c != a and not (self.faces[b] & self.faces[c] & beside):
                return c
        raise ValueError(f"no edge goes on from {a} to {b}")

    def loop(self, a: int, b: int) -> list[int]:
        """The closed edge loop through a -> b."""
        loop = [a, b]
        while (c := self.opposite(loop[-2], loop[-1])) != a:
            loop.append(c)
        return loop

    def reached(self, start: np.ndarray, barrier: np.ndarray) -> list[int]:
        """All vertices that edges lead to from `start` without crossing the barrier, both included."""
        todo = [int(v) for v in start]
        found = {*todo, *map(int, barrier)}
        while todo:
            for v in self.neighbors[todo.pop()]:
                if v not in found:
                    found.add(v)
                    todo.append(v)
        return list(found)


@dataclass(frozen=True)
class HeadMesh:
    """What of MakeHuman's mesh the template keeps.

    Attributes:
        combine: Sparse (V, 19158), kept vertices from MakeHuman's (the neck's are slid along their columns).
        drop: (V, 3) meters, head frame, added to the neutral head: brings the neck's end onto the plane of
            the cut.
        quads: (F, 4) int32.
        face_part: (F,) int8, indices into PART_NAMES.
        uv: (U, 2) float32, MakeHuman's.
        quad_uv: (F, 4) int32, indices into `uv`.
        mirror: (V,) int32, the vertex on the other side.
        loops: Vertices of the named edge loops: lips, neck, lid_left, lid_right.
    """

    combine: "csr_matrix"
    drop: np.ndarray
    quads: np.ndarray
    face_part: np.ndarray
    uv: np.ndarray
    quad_uv: np.ndarray
    mirror: np.ndarray
    loops: dict[str, np.ndarray]

    def part_vertices(self, name: str) -> np.ndarray:
        """(n,) vertices of a part's quads."""
        return np.unique(self.quads[self.face_part == PART_NAMES.index(name)])


def to_head_frame(points: np.ndarray) -> np.ndarray:
    """MakeHuman's axes and unit to the head frame's, origin untouched.

    Args:
        points: (..., 3) points or directions, MakeHuman's frame, dm.

    Returns:
        (..., 3) in the head frame's axes, meters.
    """
    angle = np.radians(PITCH_DEGREES)
    cos, sin = np.cos(angle), np.sin(angle)
    axes = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return points @ (0.1 * SCALE * turn @ axes).T


def eye_corner_origin(points: np.ndarray, corners: tuple[int, int]) -> np.ndarray:
    """Move vertices so that the middle between two of them is the origin.

    Args:
        points: (..., V, 3), any unit.
        corners: the two vertices: the eyes' outer corners.

    Returns:
        (..., V, 3) the moved vertices.
    """
    middle = (points[..., corners[0], :] + points[..., corners[1], :]) / 2
    return points - middle[..., None, :]


def cut_head(base: BaseMesh, cavity: np.ndarray, average: np.ndarray) -> HeadMesh:
    """Cut the head out of the base mesh.

    Args:
        base: MakeHuman's base mesh.
        cavity: (n,) int faces inside the mouth and the eye sockets, of `MakeHuman.cavity_faces`.
        average: (19158, 3) the average person, MakeHuman's frame, dm.

    Returns:
        What the template keeps.

    Raises:
        ValueError: the mesh isn't the one that the neck's rings were found on.
    """
    body = base.groups == "body"
    inner = np.zeros(len(base.quads), bool)
    inner[cavity] = True
    lid_loops = [lp for lp in boundary_loops(base.quads[inner]) if len(lp) == 28]
    corners = [max(lp, key=lambda v: abs(average[v, 0])) for lp in lid_loops]
    placed = to_head_frame(average)
    placed = placed - placed[corners].mean(0)

    rings = _Rings(base.quads[body])
    columns = _neck_columns(rings, average)
    weights, shift = _slide_columns(placed, columns)
    kept_rings = columns[: NECK_ROWS + 1]
    drop = np.zeros((len(average), 3))
    for row in range(1, NECK_ROWS + 1):
        drop[kept_rings[row], 2] = shift * (row / NECK_ROWS) ** 2

    reached = np.zeros(len(average), bool)
    reached[rings.reached(kept_rings[0], kept_rings[-1])] = True
    part = np.full(len(base.quads), -1)
    skin = body & reached[base.quads].all(1)
    part[skin] = np.where(inner[skin], 1, 0)
    for group, number in HELPERS.items():
        part[base.groups == group] = number
    uv, quad_uv = _neck_uv(base, columns, weights, np.flatnonzero(part == 0))

    faces = np.flatnonzero(part >= 0)
    faces = faces[np.argsort(part[faces], kind="stable")]
    old = np.unique(base.quads[faces])
    new = np.full(len(average), -1)
    new[old] = np.arange(len(old))
    used_uv, quad_uv = np.unique(quad_uv[faces], return_inverse=True)
    lips = next(lp for lp in boundary_loops(base.quads[inner]) if len(lp) == 38)
    named = {"lips": lips, "neck": kept_rings[-1]}
    for loop in lid_loops:
        named["lid_left" if average[loop[0], 0] > 0 else "lid_right"] = loop
    return HeadMesh(
        _neck_combinations(len(average), columns, weights)[old],
        drop[old],
        new[base.quads[faces]].astype(np.int32),
        part[faces].astype(np.int8),
        uv[used_uv].astype(np.float32),
        quad_uv.reshape(-1, 4).astype(np.int32),
        new[base.mirror[old]].astype(np.int32),
        {name: new[np.array(loop)].astype(np.int32) for name, loop in named.items()},
    )


def _neck_columns(rings: _Rings, average: np.ndarray) -> np.ndarray:
    """The neck's rings (rows), each vertex below the one of the ring above: (rings, 42) int."""
    loops = []
    for front in NECK_RINGS:
        side = max(rings.neighbors[front], key=lambda v: average[v, 0])
        loops.append(rings.loop(front, side))
    for upper, lower in itertools.pairwise(loops):
        if any(b not in rings.neighbors[a] for a, b in zip(upper, lower, strict=True)):
            raise ValueError("the rings of the neck are not below one another")
    return np.array(loops)


def _neck_combinations(count: int, columns: np.ndarray, weights: np.ndarray) -> "csr_matrix":
    """Sparse (count, count): each vertex itself, those of the neck slid along their columns."""
    from scipy.sparse import lil_matrix

    combine = lil_matrix((count, count))
    combine.setdiag(1.0)
    for row in range(1, NECK_ROWS + 1):
        for col in range(columns.shape[1]):
            target = columns[row, col]
            combine[target, target] = 0.0
            for k in np.flatnonzero(weights[row, :, col]):
                combine[target, columns[k, col]] = weights[row, k, col]
    return combine.tocsr()


def _slide_columns(placed: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (NECK_ROWS + 1, rings, 42) that spread each column evenly from its first ring to the cut.

    Also the height (42,) meters that each column's end is then still to be moved by to lie in the plane.
    """
    rings, count = columns.shape
    weights = np.zeros((NECK_ROWS + 1, rings, count))
    shift = np.zeros(count)
    middle = placed[columns[0], 1].mean()
    for col in range(count):
        points = placed[columns[:, col]]
        lengths = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
        fine = np.linspace(0, lengths[-1], 2000)
        path = np.stack([np.interp(fine, lengths, axis) for axis in points.T], 1)
        beyond = (path[:, 2] < NECK_CUT_Z) | (np.hypot(path[:, 0], path[:, 1] - middle) > NECK_RADIUS)
        last = int(np.argmax(beyond)) if beyond.any() else len(fine) - 1
        end = fine[last]
        shift[col] = NECK_CUT_Z - path[last, 2]
        for row, at in enumerate(np.linspace(0, end, NECK_ROWS + 1)):
            k = min(int(np.searchsorted(lengths, at, side="right")) - 1, rings - 2)
            fraction = (at - lengths[k]) / (lengths[k + 1] - lengths[k])
            weights[row, k, col] += 1 - fraction
            weights[row, k + 1, col] += fraction
    return weights, shift


def _neck_uv(
    base: BaseMesh, columns: np.ndarray, weights: np.ndarray, skin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Texture coordinates after sliding: each strip between two columns by itself, so that the seam stays
    one.
    """
    count = columns.shape[1]
    where = {int(v): (row, col) for row, ring in enumerate(columns) for col, v in enumerate(ring)}

    def strip_of(quad: np.ndarray) -> int | None:
        cols = sorted({where[int(v)][1] for v in quad if int(v) in where})
        if len(cols) != 2 or not all(int(v) in where for v in quad):
            return None
        return cols[0] if cols[1] - cols[0] == 1 else count - 1

    lookup: dict[tuple[int, int], np.ndarray] = {}
    for quad, corners in zip(base.quads, base.quad_uv, strict=True):
        strip = strip_of(quad)
        if strip is not None:
            for v, c in zip(quad, corners, strict=True):
                lookup[strip, int(v)] = base.uv[c]
    uv, quad_uv = list(base.uv), base.quad_uv.copy()
    made: dict[tuple[int, ...], int] = {}
    for face in skin:
        strip = strip_of(base.quads[face])
        if strip is None:
            continue
        for i, v in enumerate(base.quads[face]):
            row, col = where[int(v)]
            if row == 0:
                continue
            value = sum(
                weights[row, k, col] * lookup[strip, int(columns[k, col])]
                for k in np.flatnonzero(weights[row, :, col])
            )
            key = (int(v), *np.round(value * 1e6).astype(int))
            if key not in made:
                made[key] = len(uv)
                uv.append(value)
            quad_uv[face, i] = made[key]
    return np.array(uv), quad_uv
