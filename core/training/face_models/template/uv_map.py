"""The template's own texture coordinates, for rendering and games: the face upright and large, few seams.

The skin is one island that fills the upper part of the square: cut up the middle of the neck and the back of
the head and over the crown, its border is the rectangle's. Below it, in a strip, lie the inside of mouth and
eye sockets, eyeballs, teeth, tongue and lashes. MakeHuman's coordinates stay as a second map.
"""

import numpy as np

from ....geometry.mesh import connected_pieces
from ....template.regions import Regions
from ....template.topology import EYE_LEFT, EYE_RIGHT, INNER, SKIN, HeadTopology
from .slim import RestTriangles, relax, tutte

#: Height of the strip below the skin.
STRIP = 0.145
#: Gap around the islands, of the square: 4 texels of 1024.
GAP = 0.004
#: How much larger than the scalp the face, the ears and the neck are drawn, by length.
FACE_SCALE = 2.2
EAR_SCALE = 1.6
NECK_SCALE = 0.9
#: The cut goes from the neck's back over the crown up to this far forward, y in the head frame, meters.
CUT_FRONT_Y = 0.05
#: Where the cut turns from the rectangle's side to its top, y in the head frame, meters: over the crown.
CORNER_Y = 0.15
#: Weight of the triangles that close holes.
HOLE_WEIGHT = 0.02
#: Half extents (u, v) and centers of the islands in the strip. The subject's left is on the right.
EYE_RADIUS = 0.064
BACK_RADIUS = 0.026
STRIP_ISLANDS = {
    "mouth": ((0.070, 0.070), (0.070, 0.072)),
    "eye_right": ((EYE_RADIUS, EYE_RADIUS), (0.212, 0.072)),
    "eye_left": ((EYE_RADIUS, EYE_RADIUS), (0.346, 0.072)),
    "teeth_upper": ((0.088, 0.032), (0.506, 0.106)),
    "teeth_lower": ((0.088, 0.032), (0.506, 0.036)),
    "tongue": ((0.068, 0.066), (0.670, 0.072)),
    "lashes": ((0.068, 0.066), (0.814, 0.072)),
    "socket_right": ((0.026, 0.026), (0.916, 0.114)),
    "socket_left": ((0.026, 0.026), (0.972, 0.114)),
    "back_right": ((BACK_RADIUS, BACK_RADIUS), (0.916, 0.044)),
    "back_left": ((BACK_RADIUS, BACK_RADIUS), (0.972, 0.044)),
}


def unwrap(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """Lay out the template's surface.

    Args:
        topology: The head's, whose texture coordinates are MakeHuman's.

    Returns:
        (U, 2) float32 texture coordinates, v up, and (F, 4) int32 into them.
    """
    uv: list[np.ndarray] = []
    quad_uv = np.zeros_like(topology.quads)

    def add(faces: np.ndarray, coordinates: np.ndarray, corners: np.ndarray) -> None:
        quad_uv[faces] = corners + sum(len(island) for island in uv)
        uv.append(coordinates)

    skin = topology.faces_of(SKIN)
    add(skin, *_skin(topology, skin))
    for name, faces, loop in _inner_islands(topology):
        add(faces, *_inner(topology, faces, loop, name))
    for name in topology.part_names:
        if name not in (SKIN, INNER):
            faces = topology.faces_of(name)
            add(faces, *_moved(topology, faces, name))
    return np.concatenate(uv).astype(np.float32), quad_uv.astype(np.int32)


def _skin(topology: HeadTopology, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, 2) of the skin and its quads' corners (f, 4)."""
    used, corners = np.unique(topology.quads[faces], return_inverse=True)
    corners = corners.reshape(-1, 4).astype(np.int64)
    local = {int(vertex): k for k, vertex in enumerate(used)}
    path = np.array([local[v] for v in _cut(topology)])
    # All of the cut but its front end is there twice: the copies are the subject's left side's.
    copies = np.arange(len(path) - 1) + len(used)
    twin = dict(zip(path[:-1].tolist(), copies.tolist(), strict=True))
    left = topology.vertices[topology.quads[faces]].mean(1)[:, 0] > 0
    corners[left] = np.vectorize(lambda corner: twin.get(corner, corner))(corners[left])
    vertex = np.concatenate([used, used[path[:-1]]])
    points = topology.vertices[vertex].astype(np.float64)
    triangles = _triangles(topology, faces, corners)
    neck = _from(np.array([local[int(v)] for v in topology.neck]), path[0], points)
    place, fixed = _border(points, neck, path, copies)
    loops = [[local[int(v)] for v in loop] for loop in (topology.lid_left, topology.lid_right, topology.lips)]
    closed, edges, weight = _close_holes(triangles, points, loops)
    scale = np.ones(len(closed))
    scale[: len(triangles)] = _scale(topology)[vertex][triangles].mean(1)
    areas = _areas(points, triangles) * scale[: len(triangles)] ** 2
    size = np.sqrt((1 - 2 * GAP) * (1 - STRIP - 2 * GAP) / areas.sum())
    rest = RestTriangles.of(closed, edges * (size * scale)[:, None], weight)
    count = int(closed.max()) + 1
    border = np.array(list(place))
    start = tutte(count, closed, border, np.stack(list(place.values())))
    held = np.zeros((count, 2), bool)
    held[: len(points)] = fixed
    return relax(rest, start, held)[: len(points)], corners


def _cut(topology: HeadTopology) -> list[int]:
    """Vertices of the skin on the plane of symmetry, from the neck's back over the crown forward."""
    skin = topology.vertices_of(SKIN)
    middle = set(skin[topology.mirror[skin] == skin].tolist())
    quads = topology.quads[topology.faces_of(SKIN)]
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    neighbors: dict[int, set[int]] = {vertex: set() for vertex in middle}
    for a, b in edges.tolist():
        if a in middle and b in middle:
            neighbors[a].add(b)
            neighbors[b].add(a)
    y = topology.vertices[:, 1]
    path = [max(middle & set(topology.neck.tolist()), key=lambda v: y[v])]
    while y[path[-1]] > CUT_FRONT_Y:
        path.append(next(iter(neighbors[path[-1]] - set(path))))
    return path


def _border(
    points: np.ndarray, neck: np.ndarray, path: np.ndarray, copies: np.ndarray
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Where the border's vertices begin, on the rectangle, in order around it; and which coordinates of all
    vertices (n, 2) are kept: those of the border slide along the rectangle's sides.
    """
    turn = int(np.flatnonzero((points[path][:, 1] < CORNER_Y) & (points[path][:, 2] > 0))[0])
    end = path[-1:]
    sides = [
        (np.r_[neck, copies[0]], (0.0, 0.0), (1.0, 0.0)),
        (copies[: turn + 1], (1.0, 0.0), (1.0, 1.0)),
        (np.r_[copies[turn:], end], (1.0, 1.0), (0.5, 1.0)),
        (np.r_[path[turn:-1], end][::-1], (0.5, 1.0), (0.0, 1.0)),
        (path[: turn + 1][::-1], (0.0, 1.0), (0.0, 0.0)),
    ]
    low, extent = np.array([GAP, STRIP + GAP]), np.array([1 - 2 * GAP, 1 - STRIP - 2 * GAP])
    place: dict[int, np.ndarray] = {}
    fixed = np.zeros((len(points), 2), bool)
    for members, start, stop in sides:
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points[members], axis=0), axis=1))]
        for vertex, fraction in zip(members.tolist(), length / length[-1], strict=True):
            place[vertex] = low + extent * (np.array(start) * (1 - fraction) + np.array(stop) * fraction)
            fixed[vertex] |= [start[0] == stop[0], start[1] == stop[1]]
    fixed[end] = True
    return place, fixed


def _from(loop: np.ndarray, first: int, points: np.ndarray) -> np.ndarray:
    """A loop around the neck that begins at a vertex of its back and turns to the subject's right."""
    loop = np.roll(loop, -int(np.flatnonzero(loop == first)[0]))
    return loop if points[loop[1], 0] < 0 else np.r_[loop[:1], loop[:0:-1]]


def _triangles(topology: HeadTopology, faces: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """(2 f, 3): the topology's triangles of quads, in other corners (f, 4)."""
    triangles = topology.triangles.reshape(-1, 2, 3)[faces]
    where = (topology.quads[faces][:, None, None, :] == triangles[..., None]).argmax(3)
    return np.take_along_axis(corners[:, None, :].repeat(2, 1), where, 2).reshape(-1, 3)


def _close_holes(
    triangles: np.ndarray, points: np.ndarray, loops: list[list[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add a fan in each hole: what closes a disk keeps its map bijective.

    Returns:
        Triangles (T, 3), the lengths of their sides 0-1, 0-2 and 1-2 (T, 3), and their weights (T,).
    """
    corners = points[triangles]
    edges = np.stack(
        [np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in ((0, 1), (0, 2), (1, 2))], 1
    )
    weight = np.ones(len(triangles))
    directed = {(int(t[i]), int(t[j])) for t in triangles for i, j in ((0, 1), (1, 2), (2, 0))}
    for middle, loop in enumerate(loops, len(points)):
        ring = np.array(loop if (loop[1], loop[0]) in directed else loop[::-1])
        following = np.roll(ring, -1)
        rim = np.linalg.norm(points[following] - points[ring], axis=1)
        side = np.full(len(ring), max(rim.sum() / (2 * np.pi), 0.6 * rim.max()))
        fan = np.stack([ring, following, np.full(len(ring), middle)], 1)
        triangles = np.concatenate([triangles, fan])
        edges = np.concatenate([edges, np.stack([rim, side, side], 1)])
        weight = np.concatenate([weight, np.full(len(ring), HOLE_WEIGHT)])
    return triangles, edges, weight


def _scale(topology: HeadTopology) -> np.ndarray:
    """(V,) how large each vertex's surroundings are to be drawn."""
    regions = Regions.of(topology)
    face = (1 - regions.scalp) * (1 - regions.ear) * (1 - regions.neck)
    scale = 1 + (FACE_SCALE - 1) * face + (EAR_SCALE - 1) * regions.ear
    return scale + (NECK_SCALE - 1) * regions.neck


def _areas(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,) areas of triangles (T, 3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def _inner_islands(topology: HeadTopology) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, quads and rim of the mouth's inside and of the two eye sockets."""
    faces = topology.faces_of(INNER)
    quads = topology.quads[faces]
    label = connected_pieces(quads, len(topology.vertices))[1]
    rims = {"mouth": topology.lips, "socket_right": topology.lid_right, "socket_left": topology.lid_left}
    return [(name, faces[label[quads[:, 0]] == label[loop[0]]], loop) for name, loop in rims.items()]


def _inner(
    topology: HeadTopology, faces: np.ndarray, loop: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, 2) of an inside, its rim on a circle, and its quads' corners (f, 4)."""
    used, corners = np.unique(topology.quads[faces], return_inverse=True)
    corners = corners.reshape(-1, 4)
    points = topology.vertices[used].astype(np.float64)
    triangles = _triangles(topology, faces, corners)
    ring = np.searchsorted(used, loop)
    directed = {(int(t[i]), int(t[j])) for t in triangles for i, j in ((0, 1), (1, 2), (2, 0))}
    if (int(ring[0]), int(ring[1])) not in directed:
        ring = ring[::-1]
    first = int(np.argmax(points[ring][:, 0]))
    ring = np.roll(ring, -first)
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points[np.r_[ring, ring[:1]]], axis=0), axis=1))]
    angle = 2 * np.pi * length[:-1] / length[-1]
    half, middle = STRIP_ISLANDS[name]
    places = np.stack([np.cos(angle), np.sin(angle)], 1)
    flat = tutte(len(used), triangles, ring, places)
    size = np.sqrt(np.pi / _areas(points, triangles).sum())
    _, edges, weight = _close_holes(triangles, points, [])
    fixed = np.zeros((len(used), 2), bool)
    fixed[ring] = True
    flat = relax(RestTriangles.of(triangles, edges * size, weight), flat, fixed)
    return flat * (np.array(half) - GAP / 2) + np.array(middle), corners


def _moved(topology: HeadTopology, faces: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The coordinates (n, 2) that MakeHuman's map has of a part, moved into the strip, and (f, 4) corners."""
    used, corners = np.unique(topology.quad_uv[faces], return_inverse=True)
    corners = corners.reshape(-1, 4)
    flat = topology.uv[used].astype(np.float64)
    if name not in (EYE_LEFT, EYE_RIGHT):
        return _fitted(flat, name), corners
    count, label = connected_pieces(corners, len(used))
    vertex = np.zeros(len(used), np.int64)
    vertex[corners] = topology.quads[faces]
    forward = np.bincount(label, topology.vertices[vertex, 1], count) / np.bincount(label, minlength=count)
    front = (forward < topology.vertices[vertex, 1].mean())[label]
    flat[front] = _fitted(flat[front], name)
    flat[~front] = _fitted(flat[~front], name.replace("eye", "back"))
    return flat, corners


def _fitted(flat: np.ndarray, name: str) -> np.ndarray:
    """Coordinates scaled and moved into their island of the strip."""
    half, middle = STRIP_ISLANDS[name]
    low, high = flat.min(0), flat.max(0)
    scale = ((np.array(half) - GAP / 2) / ((high - low) / 2)).min()
    return np.asarray((flat - (low + high) / 2) * scale + np.array(middle))
