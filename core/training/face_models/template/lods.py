"""Builds `models/head_lods.npz`: the template with half and a quarter of its triangles.

Edge collapse by quadrics (M. Garland and P. Heckbert, Surface simplification using quadric error metrics,
1997) in which every vertex that stays is one of the template's: so skin weights and texture coordinates of
any head are those of the vertices that stay; then these are moved so that outlines are kept (`lod_stencils`),
by a linear map that blendshapes go through, too. To the quadrics' error comes the distance of the farthest
vertex that is gone, or outlines would suffer where the template is coarse: at the nape one vertex makes
millimeters. Errors count in several shapes of the template at once: people differ, and faces move.
Arrays of the file: see `build_lods`.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from ....template.topology import (
    EYE_LEFT,
    EYE_RIGHT,
    INNER,
    LASHES,
    SKIN,
    TEETH_LOWER,
    TEETH_UPPER,
    TONGUE,
    HeadTopology,
    triangle_corners,
)
from ....wrapping.neck import NeckRing
from .lod_stencils import Samples, fit_stencils, surface_samples

#: The levels, as fractions of the triangles.
RATIOS = (0.5, 0.25)
#: How much an error counts by part: what is inside the mouth is hardly seen, and eyes are looked at.
PART_WEIGHTS = {
    SKIN: 1.0,
    INNER: 0.01,
    EYE_LEFT: 1.5,
    EYE_RIGHT: 1.5,
    TEETH_UPPER: 0.3,
    TEETH_LOWER: 0.3,
    TONGUE: 0.02,
    LASHES: 0.3,
}
#: How much an error counts across borders, seams of texture coordinates and between parts.
BORDER_WEIGHT = 4.0
#: Expressions in which the error counts: blendshapes at 1, all of an entry at once.
EXPRESSIONS = (("jawOpen",), ("mouthSmileLeft", "mouthSmileRight", "browInnerUp"), ("mouthPucker",))
#: How many of the directions in which people differ count, each by so many standard deviations.
IDENTITIES = 3
DEVIATIONS = 2.0
#: How many random people of the template's model count beside them, and how far they are from the average.
PEOPLE = 10
PEOPLE_DEVIATIONS = 1.5
PEOPLE_SEED = 0
#: How much the distance of a vertex that is gone counts if it is on an outline from no side, such as in
#: nostrils and behind ears, and on no lid.
INSIDE_WEIGHT = 0.1
#: How much errors count there that quadrics measure, except around the mouth: so far from the lips' middle,
#: meters.
INSIDE_IMPORTANCE = 0.5
AROUND_MOUTH = 0.035
#: How much the distance counts at the neck, which differs more between heads than the template's model knows.
NECK_WEIGHT = 16.0
#: Height of the neck's upper end, meters, head frame.
NECK_TOP = -0.1
#: Sides that outlines are looked at from: turns about the vertical axis, degrees apart.
OUTLINE_STEP_DEG = 10
#: How near an outline a vertex is on it, meters, and the side of the pixels that show it.
OUTLINE_WIDTH = 0.001
PIXEL = 0.0005
#: Directions in which outlines should be kept: turns about the vertical axis, level and looking up, degrees.
VIEW_STEP_DEG = 30
TILTS_DEG = (0, 30)
#: Expressions of random people in which they should be: one person's, at 1, for each.
FITTED_EXPRESSIONS = (
    ("jawOpen",),
    ("mouthSmileLeft", "mouthSmileRight", "browInnerUp"),
    ("mouthPucker",),
    ("eyeBlinkLeft", "eyeBlinkRight"),
    ("noseSneerLeft", "noseSneerRight"),
)
#: How much the surface counts that is on no outline, and what is on one from so many directions, each: 1.
OFF_OUTLINE_WEIGHT = 0.1
FULL_VIEWS = 2
#: How far a triangle may turn where edges collapse: the least cosine.
MIN_COSINE = 0.25
#: The least that a triangle's shortest height may be of its longest edge.
MIN_ASPECT = 0.04


def build_lods(topology: HeadTopology) -> dict[str, np.ndarray]:
    """All arrays of the file.

    Args:
        topology: The template's.

    Returns:
        For each level k from 1: `corners_k` (T, 3) uint16, for each corner of a triangle a corner of the
        template's quads (4 q + c) that has its vertex and texture coordinates, and `part_k` (T,) int8;
        `stencil_k` (K, N) uint16 and `stencil_weights_k` (K, N) float16 of its vertices (`fit_stencils`); and
        `quads`, those of the template that they were made for.
    """
    shapes = _fitted_shapes(topology)
    samples = _outline_samples(topology, shapes)
    collapser = _EdgeCollapse(topology)
    arrays: dict[str, np.ndarray] = {"quads": topology.quads.astype(np.uint16)}
    whole = len(topology.triangles)
    for level, ratio in enumerate(RATIOS, 1):
        collapser.reduce_to(round(ratio * whole))
        corners, part = collapser.result()
        stencil, weights = fit_stencils(topology, corners, part, shapes, samples)
        arrays |= {
            f"corners_{level}": corners.astype(np.uint16),
            f"part_{level}": part.astype(np.int8),
            f"stencil_{level}": stencil.astype(np.uint16),
            f"stencil_weights_{level}": weights.astype(np.float16),
        }
    return arrays


#: Triangle -> its corners and their texture coordinates after a collapse.
_Change = dict[int, tuple[list[int], list[int]]]


class _EdgeCollapse:
    """The mesh while its edges collapse, the cheapest first; each moves a vertex onto a neighbor."""

    def __init__(self, topology: HeadTopology) -> None:
        self.shapes = _shapes(topology)
        self.triangles = topology.triangles.astype(int).tolist()
        # Corners that are alike in vertex and texture coordinates are one; each stands for its first.
        self.uv = _triangle_corners(topology).tolist()
        self.part = np.repeat(topology.face_part, 2).tolist()
        self.alive = set(range(len(self.triangles)))
        self.around: dict[int, set[int]] = defaultdict(set)
        for index, corners in enumerate(self.triangles):
            for corner in corners:
                self.around[corner].add(index)
        self.creases = self._creases()
        weights = np.array([PART_WEIGHTS[name] for name in topology.part_names])
        self.quadrics = self._quadrics(weights)
        self.importance = np.zeros(self.shapes.shape[1])
        np.maximum.at(self.importance, np.array(self.triangles), weights[np.array(self.part)][:, None])
        self.weight_gone = self.importance.copy()
        inside = ~outline_vertices(topology)
        inside[np.concatenate([topology.lid_left, topology.lid_right])] = False
        self.weight_gone[inside] *= INSIDE_WEIGHT
        mouth = topology.vertices[topology.lips].mean(0)
        far = np.linalg.norm(topology.vertices - mouth, axis=1) > AROUND_MOUTH
        self.importance[inside & far] *= INSIDE_IMPORTANCE
        self.weight_gone[topology.vertices[:, 2] < NECK_TOP] *= NECK_WEIGHT
        # Triangle -> the vertices that are gone and are nearest to it.
        self.gone: dict[int, list[int]] = defaultdict(list)
        # (cost, whether it is known exactly, the vertex that moves, the neighbor that it moves onto)
        self.heap: list[tuple[float, bool, int, int]] = []
        self.costs: dict[tuple[int, int], tuple[float, bool]] = {}
        for vertex in list(self.around):
            self._push_from(vertex)

    def reduce_to(self, count: int) -> None:
        """Collapse edges until so many triangles are left, or no edge can collapse."""
        while len(self.alive) > count and self.heap:
            cost, exact, a, b = heapq.heappop(self.heap)
            if self.costs.get((a, b)) != (cost, exact):
                continue
            change = self._change(a, b)
            if not change:
                self.costs.pop((a, b), None)
            elif exact:
                self._collapse(a, b, change)
            else:  # the quadrics' cost is the least that it can be
                gone = self._vertices_gone(a)
                distances = self._distances(gone, change).min(2).max(0)
                self._push(cost + float((distances**2 * self.weight_gone[gone]).max()), True, a, b)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the triangles (T, 3) and their parts (T,), in the template's order."""
        order = sorted(self.alive)
        return np.array([self.uv[k] for k in order]), np.array([self.part[k] for k in order])

    def _neighbors(self, vertex: int) -> set[int]:
        return {corner for index in self.around[vertex] for corner in self.triangles[index]} - {vertex}

    def _creases(self) -> dict[int, set[int]]:
        """Vertex -> the neighbors along borders, seams of texture coordinates and between parts."""
        sides: dict[tuple[int, int], list[tuple]] = defaultdict(list)
        for index, (corners, uv) in enumerate(zip(self.triangles, self.uv, strict=True)):
            for k in range(3):
                a, b = corners[k], corners[(k + 1) % 3]
                ends = (uv[k], uv[(k + 1) % 3]) if a < b else (uv[(k + 1) % 3], uv[k])
                sides[min(a, b), max(a, b)].append((ends, self.part[index]))
        found: dict[int, set[int]] = defaultdict(set)
        for (a, b), both in sides.items():
            if len(both) != 2 or both[0] != both[1]:
                found[a].add(b)
                found[b].add(a)
        return found

    def _quadrics(self, part_weights: np.ndarray) -> np.ndarray:
        """(V, S, 4, 4) the sums of squared distances from the planes around each vertex, in each shape."""
        found = np.zeros((self.shapes.shape[1], len(self.shapes), 4, 4))
        corners = np.array(self.triangles)
        weight = part_weights[np.array(self.part)]
        p = self.shapes[:, corners]
        normal = np.cross(p[:, :, 1] - p[:, :, 0], p[:, :, 2] - p[:, :, 0])
        area = np.linalg.norm(normal, axis=2, keepdims=True)
        normal /= np.maximum(area, 1e-12)
        plane = np.concatenate([normal, -(normal * p[:, :, 0]).sum(2, keepdims=True)], 2)
        each = np.einsum("sti,stj,st->tsij", plane, plane, np.sqrt(area[..., 0] / 2) * weight)
        for k in range(3):
            np.add.at(found, corners[:, k], each)
        for index, triangle in enumerate(corners.tolist()):
            for k in range(3):
                a, b = triangle[k], triangle[(k + 1) % 3]
                if b in self.creases.get(a, ()):
                    edge = self.shapes[:, b] - self.shapes[:, a]
                    across = np.cross(edge, normal[:, index])
                    length = np.linalg.norm(edge, axis=1, keepdims=True)
                    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
                    wall = np.concatenate([across, -(across * self.shapes[:, a]).sum(1, keepdims=True)], 1)
                    border = BORDER_WEIGHT * weight[index] * length[:, 0]
                    one = np.einsum("si,sj,s->sij", wall, wall, border)
                    found[a] += one
                    found[b] += one
        return found

    def _push_from(self, vertex: int) -> None:
        """Put the collapses of a vertex onto its neighbors on the heap."""
        creases = {other for other in self.creases.get(vertex, ()) if other in self.around}
        if creases and len(creases) != 2:
            return  # a corner of a seam stays
        targets = sorted(creases or self._neighbors(vertex))
        if not targets:
            return
        points = np.concatenate(
            [self.shapes[:, targets].transpose(1, 0, 2), np.ones((len(targets), len(self.shapes), 1))], 2
        )
        quadric = self.quadrics[vertex] + self.quadrics[targets]
        each = np.einsum("tsi,tsij,tsj->ts", points, quadric, points)
        # The mean over the planes, not their sum: where the template is dense, there are more of them. Of all
        # shapes the worst counts.
        total = np.trace(quadric[:, :, :3, :3], axis1=2, axis2=3)
        costs = (each / np.maximum(total, 1e-12)).max(1) * self.importance[vertex]
        # Of edges that cost nothing, such as those of flat places, short ones first.
        costs += 1e-9 * np.linalg.norm(self.shapes[0, targets] - self.shapes[0, vertex], axis=1) ** 2
        for target, cost in zip(targets, costs.tolist(), strict=True):
            self._push(cost, False, vertex, target)

    def _push(self, cost: float, exact: bool, a: int, b: int) -> None:
        self.costs[a, b] = cost, exact
        heapq.heappush(self.heap, (cost, exact, a, b))

    def _vertices_gone(self, a: int) -> list[int]:
        """The vertices that are gone around one that goes, too, and that one."""
        return [a, *(vertex for index in sorted(self.around[a]) for vertex in self.gone[index])]

    def _distances(self, vertices: list[int], change: _Change) -> np.ndarray:
        """(S, n, T) how far vertices are from the triangles of a change, in each shape."""
        corners = [corners for corners, _ in change.values()]
        return _point_triangle_distances(self.shapes[:, vertices], self.shapes[:, corners])

    def _change(self, a: int, b: int) -> "_Change | None":
        """Triangle -> corners and texture coordinates when a moves onto b; None if it must not."""
        shared = self.around[a] & self.around[b]
        common = self._neighbors(a) & self._neighbors(b)
        if len(common) != len(shared):
            return None  # the surface would touch itself
        replaced = {}
        for index in shared:
            corners, uv = self.triangles[index], self.uv[index]
            replaced[uv[corners.index(a)]] = uv[corners.index(b)]
        change = {}
        for index in self.around[a] - shared:
            corners, uv = self.triangles[index], self.uv[index]
            at = corners.index(a)
            if uv[at] not in replaced:
                return None
            moved = [b if corner == a else corner for corner in corners]
            if not self._keeps_shape(corners, moved):
                return None
            change[index] = moved, [replaced[uv[at]] if k == at else corner for k, corner in enumerate(uv)]
        return change

    def _keeps_shape(self, before: list[int], after: list[int]) -> bool:
        """Whether a triangle neither turns over nor becomes a sliver."""
        p, q = self.shapes[:, before], self.shapes[:, after]
        old = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
        new = np.cross(q[:, 1] - q[:, 0], q[:, 2] - q[:, 0])
        size = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
        if ((old * new).sum(1) < MIN_COSINE * size).any():
            return False
        longest = max(float(((q[0, k] - q[0, k - 1]) ** 2).sum()) for k in range(3))
        return float(np.linalg.norm(new[0])) > MIN_ASPECT * longest

    def _collapse(self, a: int, b: int, change: _Change) -> None:
        vertices, indices = self._vertices_gone(a), list(change)
        nearest = self._distances(vertices, change).max(0).argmin(1)
        for index in self.around[a]:
            self.gone.pop(index, None)
        for vertex, at in zip(vertices, nearest.tolist(), strict=True):
            self.gone[indices[at]].append(vertex)
        neighbors = self._neighbors(a)
        for index in self.around[a] - set(change):
            self.alive.discard(index)
            for corner in self.triangles[index]:
                self.around[corner].discard(index)
        for index, (corners, uv) in change.items():
            self.triangles[index], self.uv[index] = corners, uv
            self.around[b].add(index)
        del self.around[a]
        for other in self.creases.pop(a, set()):
            self.creases[other].discard(a)
            if other != b:
                self.creases[other].add(b)
                self.creases[b].add(other)
        self.quadrics[b] += self.quadrics[a]
        for vertex in neighbors:
            for other in self._neighbors(vertex) | {a}:
                self.costs.pop((vertex, other), None)
                self.costs.pop((other, vertex), None)
        for vertex in neighbors:
            self._push_from(vertex)
        for vertex in {other for neighbor in neighbors for other in self._neighbors(neighbor)} - neighbors:
            self._push_from(vertex)


def _point_triangle_distances(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How far points are from triangles.

    Args:
        points: (S, n, 3), meters.
        triangles: (S, T, 3, 3), meters.

    Returns:
        (S, n, T) distances, meters.
    """
    start, side = triangles, np.roll(triangles, -1, 2) - triangles
    normal = np.cross(side[:, :, 0], side[:, :, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
    offset = points[:, :, None, None] - start[:, None]  # (S, n, T, 3, 3)
    inward = np.cross(normal[:, :, None], side)[:, None]
    above = ((offset * inward).sum(4) >= 0).all(3)
    plane = np.abs((offset[:, :, :, 0] * normal[:, None]).sum(3))
    along = (offset * side[:, None]).sum(4) / np.maximum((side * side).sum(3), 1e-18)[:, None]
    apart = offset - np.clip(along, 0, 1)[..., None] * side[:, None]
    edges = np.sqrt((apart * apart).sum(4).min(3))
    return np.where(above, plane, edges)


def _shapes(topology: HeadTopology) -> np.ndarray:
    """(S, V, 3) float64 the shapes of the template in which errors count, meters."""
    base = topology.vertices.astype(np.float64)
    shapes = [base]
    for names in EXPRESSIONS:
        shapes.append(base + sum(topology.blendshapes[topology.blendshape_index(name)] for name in names))
    for direction in topology.identity[:IDENTITIES]:
        shapes += [base + sign * DEVIATIONS * direction for sign in (-1, 1)]
    random = np.random.default_rng(PEOPLE_SEED).normal(size=(PEOPLE, len(topology.identity)))
    shapes += list(base + np.tensordot(PEOPLE_DEVIATIONS * random, topology.identity, 1))
    return np.stack(_leveled(topology, shapes))


def _fitted_shapes(topology: HeadTopology) -> list[np.ndarray]:
    """The average head, and random people with and without an expression, each (V, 3) float64, meters."""
    base = topology.vertices.astype(np.float64)
    random, shapes = np.random.default_rng(PEOPLE_SEED), [base]
    for names in FITTED_EXPRESSIONS:
        coordinates = PEOPLE_DEVIATIONS * random.normal(size=len(topology.identity))
        person = base + np.tensordot(coordinates, topology.identity, 1)
        offsets = [topology.blendshapes[topology.blendshape_index(name)] for name in names]
        shapes += [person, person + sum(offsets)]
    return _leveled(topology, shapes)


def _leveled(topology: HeadTopology, shapes: list[np.ndarray]) -> list[np.ndarray]:
    """The shapes with necks that end as those of wrapped heads do, in a level, evenly spaced ring."""
    neck = NeckRing(topology)
    return [neck.level(shape, np.zeros(len(shape))) for shape in shapes]


def _outline_samples(topology: HeadTopology, shapes: list[np.ndarray]) -> Samples:
    """Points of the surface, which count where they are on outlines; those on none only at vertices."""
    ends, part = surface_samples(topology)
    weights = np.array([PART_WEIGHTS[name] for name in topology.part_names])[part]
    rims = np.zeros(len(topology.vertices), bool)
    rims[np.concatenate([topology.lid_left, topology.lid_right, topology.lips])] = True
    at_vertex = ends[:, 0] == ends[:, 1]
    least = np.where(rims[ends].all(1), 1.0, np.where(at_vertex, OFF_OUTLINE_WEIGHT, 0.0))
    rows = []
    for shape in shapes:
        views = sum(on.astype(int) for on in _on_outlines(topology, shape, shape[ends].mean(1)))
        rows.append(weights * np.maximum(least, np.minimum(views / FULL_VIEWS, FULL_VIEWS)))
    return Samples(ends, part, np.array(rows))


def _on_outlines(topology: HeadTopology, shape: np.ndarray, points: np.ndarray) -> Iterator[np.ndarray]:
    """(n,) bool for each direction: which points of a shape's surface are on its outline."""
    for tilt in np.radians(TILTS_DEG):
        half = 180 if tilt == 0 else 360  # from the opposite side it is the same
        for turn in np.radians(np.arange(0, half, VIEW_STEP_DEG)):
            right = np.array([np.cos(turn), np.sin(turn), 0.0])
            up = np.array([np.sin(turn) * np.sin(tilt), -np.cos(turn) * np.sin(tilt), np.cos(tilt)])
            plane = np.stack([right, up], 1)
            yield _on_outline(shape @ plane, topology.triangles, points @ plane)


def outline_vertices(topology: HeadTopology) -> np.ndarray:
    """(V,) bool: which vertices of the average head are on its outline from some side."""
    vertices = topology.vertices.astype(np.float64)
    found = np.zeros(len(vertices), bool)
    for angle in np.radians(np.arange(0, 180, OUTLINE_STEP_DEG)):
        projected = np.stack(
            [vertices[:, 0] * np.cos(angle) + vertices[:, 1] * np.sin(angle), vertices[:, 2]], 1
        )
        found |= _on_outline(projected, topology.triangles, projected)
    return found


def _on_outline(projected: np.ndarray, triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points (n, 2) of a mesh, whose vertices are seen at (V, 2), meters, are on its outline."""
    import cv2

    low = projected.min(0)
    pixels = np.round((projected - low) / PIXEL).astype(np.int32) + 2
    covered = np.zeros(pixels.max(0)[::-1] + 3, np.uint8)
    for triangle in pixels[triangles]:
        cv2.fillConvexPoly(covered, triangle, (255,))
    depth = cv2.distanceTransform(covered, cv2.DIST_L2, 5)
    at = np.round((points - low) / PIXEL).astype(np.int32) + 2
    return depth[at[:, 1], at[:, 0]] * PIXEL < OUTLINE_WIDTH


def _triangle_corners(topology: HeadTopology) -> np.ndarray:
    """(2 F, 3) int: for each corner of a triangle the first corner of a quad with the same attributes."""
    attributes = np.stack([topology.quads, topology.quad_uv, topology.second_quad_uv], 2).reshape(-1, 3)
    _, first, same = np.unique(attributes, axis=0, return_index=True, return_inverse=True)
    quad_corners = first[same.ravel()].reshape(-1, 4)
    return triangle_corners(quad_corners, topology.quads, topology.triangles)
