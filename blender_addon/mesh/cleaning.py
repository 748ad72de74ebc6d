"""Makes a manifold of any mesh, so that it can be remeshed. Needs bpy."""

from dataclasses import dataclass
from functools import cached_property

import bpy

import bmesh  # isort: skip  # after bpy, which brings it
import numpy as np

from ..errors import StepError
from . import topology
from .arrays import new_mesh, normals_of, read_triangles
from .closest_point import SurfaceQuery

#: Vertices nearer than this fraction of the mesh's size are one: far below what anybody models, and above the
#: rounding of single-precision coordinates (6e-8).
WELD_FRACTION = 1e-6
#: A triangle is a sliver, and dissolved, if its height is less than this fraction of the mesh's size.
SLIVER_FRACTION = 1e-6


@dataclass(frozen=True)
class CleanMesh:
    """A manifold, borders allowed. vertices (N, 3) float64, triangles (M, 3) int32, in the frame of the
    source. repairs: what was wrong with the source, in words, empty if nothing was.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    repairs: tuple[str, ...]

    @cached_property
    def edges(self) -> topology.Edges:
        """Of the triangles."""
        return topology.edges_of(self.triangles)

    @cached_property
    def closed(self) -> bool:
        """Whether it has no border."""
        return not (self.edges.faces == 1).any()

    @cached_property
    def component_count(self) -> int:
        """How many connected components it has."""
        return int(topology.face_components(self.triangles, self.edges).max()) + 1

    @cached_property
    def genus(self) -> int:
        """How many tunnels go through it, if it is closed: components - Euler characteristic / 2."""
        used = np.count_nonzero(np.bincount(self.triangles.ravel()))
        euler = used - len(self.edges.vertices) + len(self.triangles)
        return self.component_count - euler // 2

    @cached_property
    def surface(self) -> SurfaceQuery:
        """The same, for queries."""
        return SurfaceQuery(self.vertices, self.triangles)

    @cached_property
    def area(self) -> float:
        """Of all triangles, square units of the vertices."""
        return float(np.linalg.norm(normals_of(self.vertices, self.triangles), axis=1).sum() / 2)


def clean(vertices: np.ndarray, triangles: np.ndarray, smallest: float, hole: float) -> CleanMesh:
    """Make a manifold of triangles (M, 3) over vertices (N, 3).

    Args:
        vertices: (N, 3) float64, any frame and unit.
        triangles: (M, 3) int.
        smallest: Area, in that unit squared, below which a connected component is removed.
        hole: Length of a border, in that unit, below which it is closed.

    Raises:
        StepError: There is nothing to work on, or nothing is left.
    """
    repairs = []
    size = _size(vertices, triangles)
    vertices, triangles, welded = _weld(vertices, triangles, size)
    if welded:
        repairs.append("double vertices or faces without area")
    first = _first_of_rows(np.sort(triangles, axis=1))
    if len(first) < len(triangles):
        repairs.append("faces that were there twice")
        triangles = triangles[first]
    edges = topology.edges_of(triangles)
    oriented = topology.orient(triangles, edges)
    if not np.array_equal(oriented, triangles):
        repairs.append("normals that point in different directions")
        triangles, edges = oriented, topology.edges_of(oriented)
    if not topology.is_manifold(triangles, edges):
        repairs.append("edges or corners that more than two faces share")
        triangles, origin = topology.cut(triangles, edges)
        vertices, edges = vertices[origin], topology.edges_of(triangles)
    vertices, triangles, closed = _close_holes(vertices, triangles, edges, hole)
    if closed:
        repairs.append(f"{closed} small hole{'s' * (closed != 1)}")
        edges = topology.edges_of(triangles)
    triangles, dropped = _drop_small(vertices, triangles, edges, smallest)
    if dropped:
        repairs.append(f"{dropped} part{'s' * (dropped != 1)} smaller than a face to be made, left out")
    if not len(triangles):
        raise StepError("Nothing of this mesh is large enough for so few quads: ask for more.")
    vertices, triangles = _compact(vertices, triangles)
    return CleanMesh(vertices, triangles.astype(np.int32), tuple(repairs))


def _first_of_rows(rows: np.ndarray) -> np.ndarray:
    """Where each row of integers (N, C) comes for the first time, in the order of the rows."""
    order = np.lexsort(rows.T)  # equal rows stay in their order
    new = np.ones(len(rows), bool)
    new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    return np.sort(order[new])


def _size(vertices: np.ndarray, triangles: np.ndarray) -> float:
    if not len(triangles):
        raise StepError("This mesh has no faces: there is nothing to retopologize.")
    used = vertices[np.unique(triangles)]
    if not np.isfinite(used).all():
        raise StepError("Some vertices of this mesh have coordinates that are no numbers: delete them.")
    size = float(np.linalg.norm(np.ptp(used, axis=0)))
    if size <= 0 or not np.linalg.norm(normals_of(vertices, triangles), axis=1).any():
        raise StepError("The faces of this mesh have no area: is its scale 0?")
    return size


def _weld(vertices: np.ndarray, triangles: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Merge what lies in the same place, and dissolve faces without area, by Blender's own tools."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    longest = np.sqrt(np.max([((p - q) ** 2).sum(1) for p, q in ((a, b), (b, c), (c, a))], axis=0))
    shortest = np.sqrt(np.min([((p - q) ** 2).sum(1) for p, q in ((a, b), (b, c), (c, a))], axis=0))
    height = np.linalg.norm(np.cross(b - a, c - a), axis=1) / np.maximum(longest, 1e-300)
    used = np.unique(triangles)
    cells = np.round(vertices[used] / (WELD_FRACTION * size)).astype(np.int64)
    if (
        shortest.min() > WELD_FRACTION * size
        and height.min() > SLIVER_FRACTION * size
        and len(_first_of_rows(cells)) == len(used)
    ):
        return (*_compact(vertices, triangles), False)
    mesh = new_mesh("photobust cleaning", *_compact(vertices, triangles))
    made = bmesh.new()
    try:
        made.from_mesh(mesh)
        bmesh.ops.remove_doubles(made, verts=made.verts, dist=WELD_FRACTION * size)
        bmesh.ops.dissolve_degenerate(made, dist=SLIVER_FRACTION * size, edges=made.edges)
        bmesh.ops.triangulate(made, faces=made.faces)
        loose = [vertex for vertex in made.verts if not vertex.link_faces]
        bmesh.ops.delete(made, geom=loose, context="VERTS")
        made.to_mesh(mesh)
        left = read_triangles(mesh)
    finally:
        made.free()
        bpy.data.meshes.remove(mesh)
    if not len(left.triangles):
        raise StepError("The faces of this mesh have no area: is its scale 0?")
    # What cannot be dissolved, such as a lone face without area, goes.
    areas = np.linalg.norm(normals_of(left.vertices, left.triangles), axis=1)
    return left.vertices, left.triangles[areas > (SLIVER_FRACTION * size) ** 2], True


def _close_holes(
    vertices: np.ndarray, triangles: np.ndarray, edges: topology.Edges, longest: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Close borders shorter than `longest` with a fan about their middle."""
    if not (edges.faces == 1).any():
        return vertices, triangles, 0
    fans: list[tuple[int, int, int]] = []
    middles: list[np.ndarray] = []
    component = topology.face_components(triangles, edges)
    owner = np.zeros(len(vertices), np.int64)
    owner[triangles] = component[:, None]
    areas = np.bincount(component, np.linalg.norm(normals_of(vertices, triangles), axis=1) / 2)
    for loop in topology.border_loops(triangles, edges):
        points = vertices[loop]
        around = float(np.linalg.norm(points - np.roll(points, -1, axis=0), axis=1).sum())
        # A border that goes round all of a part, such as a leaf's, is no hole in it.
        if around > longest or around**2 / (4 * np.pi) > 0.25 * areas[owner[loop[0]]]:
            continue
        middle = len(vertices) + len(middles)
        middles.append(points.mean(0))
        fans += [(end, start, middle) for start, end in zip(loop, loop[1:] + loop[:1], strict=True)]
    if not fans:
        return vertices, triangles, 0
    return (
        np.concatenate([vertices, np.array(middles)]),
        np.concatenate([triangles, np.array(fans, triangles.dtype)]),
        len(middles),
    )


def _drop_small(
    vertices: np.ndarray, triangles: np.ndarray, edges: topology.Edges, smallest: float
) -> tuple[np.ndarray, int]:
    label = topology.face_components(triangles, edges)
    areas = np.bincount(label, np.linalg.norm(normals_of(vertices, triangles), axis=1) / 2)
    small = areas < smallest
    return triangles[~small[label]], int(small.sum())


def _compact(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the vertices that no triangle has."""
    used, index = np.unique(triangles, return_inverse=True)
    return vertices[used], index.reshape(triangles.shape)
