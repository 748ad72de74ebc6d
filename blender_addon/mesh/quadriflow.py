"""Blender's QuadriFlow, made to tell when it has not worked. Needs bpy.

What it does not say (Blender 3.4 to 5.0, editors/object/object_remesh): it answers FINISHED, or in later
versions CANCELLED, and only prints a line, when the mesh is not manifold, has neighbours that face different
ways, or, since 4.x, an edge whose ends differ by less than 1e-4 in each coordinate, in whatever unit. Called
from a script it runs at once and blocks. Its number of faces is a wish; mirroring (use_mesh_symmetry) is on
unless told otherwise, and cuts the mesh at its own zero.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import bpy
import numpy as np

from ..blender.scratch_scene import modified
from ..errors import StepError
from . import topology
from .arrays import new_mesh, read_quads, read_triangles
from .cleaning import CleanMesh
from .closest_point import Surface, quad_normals

#: Largest side of the mesh that QuadriFlow gets: its edges are longer than the 1e-4 above.
WORK_SIZE = 1000.0
#: How far the number of quads may be from the one wished for.
COUNT_TOLERANCE = 0.15
#: Voxels along the side of a quad. Triangles for each quad that are plenty, and how many times more are
#: thinned out. Heads of 200,000 triangles at 5,000 quads, processor seconds: as they are 8.0, thinned out to
#: 80,000 11.1, from voxels 7.6, and these alone left no hole at the first try; 95 % of the surface were
#: nearer to the result than 0.57, 0.47 and 0.55 mm.
VOXELS, DENSE, MANY = 3, 27, 4
#: Triangles for each quad from which on voxels are tried first, no smaller than so many sides of a triangle:
#: at 15,000 quads 36 s and one try, instead of 100 s and two from the triangles as they are.
FINE, COARSER = 9, 1.3
#: How much larger the voxels are where those sizes have failed.
COARSE = 2.0
#: Of points on the source, how far from the result 95 % and all may be at most, in lengths of a quad's side.
NEAR, FARTHEST = 0.5, 4.0
#: Share of the quads that may face the other way than the source.
TURNED = 0.05
SAMPLES = 8000
#: Corners of the largest hole in its work that is closed here. Seen: 4 and 6.
LARGEST_HOLE = 12


@dataclass(frozen=True)
class Attempt:
    """How QuadriFlow is asked. sharp: keep sharp edges; voxels: first make the mesh anew from voxels, this
    many times as large as they are at best.
    """

    quads: int
    seed: int = 0
    sharp: bool = True
    voxels: float = 0.0


@dataclass(frozen=True)
class QuadMesh:
    """vertices (N, 3) float64, frame of the source; quads (Q, 4) int32; attempts: how often it was tried;
    distances to the source in its units, of 95 % and of all points; problem: None, or why it is no good.
    """

    vertices: np.ndarray
    quads: np.ndarray
    attempts: int = 1
    near: float = 0.0
    farthest: float = 0.0
    problem: str | None = None


def remesh(source: CleanMesh, quads: int) -> QuadMesh:
    """Cover a manifold with about `quads` quads. Raises StepError if QuadriFlow cannot."""
    surface = Surface(source.vertices, source.triangles)
    samples = surface.sample(SAMPLES)
    problem, tried = "it made nothing", 0
    for attempt in _attempts(source, quads):
        prepared = _prepared(source, attempt)
        if prepared is None:
            continue
        wish = quads
        for _ in range(2):
            tried += 1
            made = run(*prepared, replace(attempt, quads=wish), not source.closed)
            if made is None:
                break
            found = judge(made, source, surface, samples, quads)
            if found.problem is None:
                return replace(found, attempts=tried)
            problem = found.problem
            if abs(len(made[1]) - quads) <= COUNT_TOLERANCE * quads:
                break
            # It has its own idea of the number: ask for more, or less.
            wish = round(wish * float(np.clip(quads / len(made[1]), 0.5, 2.0)))
    raise StepError(
        f"Blender's QuadriFlow could not cover this mesh with {quads} quads: {problem}. Try another number "
        "of quads, or repair the mesh first (Remesh in Sculpt Mode makes one closed surface of it)."
    )


def _attempts(source: CleanMesh, quads: int) -> Iterator[Attempt]:
    """What to try, the likeliest first.

    Voxels rid one closed surface of tunnels that no quad of this size can go through, where QuadriFlow leaves
    holes, and make fewer triangles of many. They would fuse several parts, or thicken sheets.
    """
    lone = source.closed and source.parts == 1
    voxels = lone and (source.handles > 0 or len(source.triangles) > FINE * quads)
    first, then = (1.0, 0.0) if voxels else (0.0, 1.0 if source.closed else 0.0)
    yield Attempt(quads, voxels=first)
    yield Attempt(quads, seed=1, voxels=first)
    yield Attempt(quads, seed=2, sharp=False, voxels=first)
    if source.closed:
        # Wider tunnels go, and so does what is finer than a quad.
        yield Attempt(quads, seed=3, sharp=False, voxels=COARSE)
    yield Attempt(quads, seed=4, sharp=False, voxels=then)


def _prepared(source: CleanMesh, attempt: Attempt) -> tuple[np.ndarray, np.ndarray] | None:
    """What QuadriFlow gets: the source, made anew from voxels or thinned out; None if nothing is left."""
    if attempt.voxels:
        side = float(np.sqrt(source.area / attempt.quads))
        grain = float(np.sqrt(2 * source.area / len(source.triangles)))
        size = attempt.voxels * max(side / VOXELS, COARSER * grain)
        made = _modified(source, "REMESH", mode="VOXEL", voxel_size=size)
    elif len(source.triangles) > MANY * DENSE * attempt.quads:
        made = _modified(source, "DECIMATE", ratio=DENSE * attempt.quads / len(source.triangles))
    else:
        return source.vertices, source.triangles
    if not len(made[1]) or not topology.is_manifold(made[1]):
        return None if attempt.voxels else (source.vertices, source.triangles)
    return made


def run(
    vertices: np.ndarray, triangles: np.ndarray, attempt: Attempt, borders: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices and quads that QuadriFlow makes of triangles, or None if it makes nothing."""
    middle = (vertices.max(0) + vertices.min(0)) / 2
    scale = WORK_SIZE / max(float(np.ptp(vertices, axis=0).max()), 1e-300)
    mesh = new_mesh("photobust remesh", (vertices - middle) * scale, triangles)
    worker = bpy.data.objects.new(mesh.name, mesh)
    try:
        override = bpy.context.temp_override(active_object=worker, object=worker)
        with override, contextlib.suppress(RuntimeError):  # which is "Remeshing failed"
            bpy.ops.object.quadriflow_remesh(
                mode="FACES",
                target_faces=attempt.quads,
                seed=attempt.seed,
                use_mesh_symmetry=False,
                use_preserve_sharp=attempt.sharp,
                use_preserve_boundary=borders,
            )
        mesh = worker.data
        # Not what it answers counts: where it has not worked, the triangles are still there.
        if len(mesh.loops) != 4 * len(mesh.polygons) or not len(mesh.polygons):
            return None
        made, quads = read_quads(mesh)
        if not np.isfinite(made).all():
            return None
        return made / scale + middle, quads
    finally:
        bpy.data.objects.remove(worker)
        bpy.data.meshes.remove(mesh)


def judge(
    made: tuple[np.ndarray, np.ndarray], source: CleanMesh, surface: Surface, samples: np.ndarray, wanted: int
) -> QuadMesh:
    """What QuadriFlow made, with what is wrong with it."""
    vertices, quads = _without_strays(*made)
    if source.closed:
        quads = close_holes(quads)
    count = len(quads)
    if abs(count - wanted) > COUNT_TOLERANCE * wanted:
        return QuadMesh(vertices, quads, problem=f"it made {count} quads")
    if not topology.is_manifold(quads):
        return QuadMesh(vertices, quads, problem="its quads do not join to one sheet")
    if source.closed and topology.border_edges(quads):
        return QuadMesh(vertices, quads, problem="it left holes")
    side = float(np.sqrt(source.area / count))
    distances = Surface(vertices, topology.triangulated(quads)).distance(samples)
    near, farthest = float(np.percentile(distances, 95)), float(distances.max())
    problem = None
    if near > NEAR * side or farthest > FARTHEST * side:
        problem = "it left parts of the mesh uncovered"
    else:
        middles = vertices[quads].mean(1)
        facing = (surface.normals(surface.nearest(middles).triangle) * quad_normals(vertices, quads)).sum(1)
        if (facing < 0).mean() > TURNED:
            problem = "many of its quads are folded over"
    return QuadMesh(vertices, quads, near=near, farthest=farthest, problem=problem)


def close_holes(quads: np.ndarray) -> np.ndarray:
    """Close the small holes that QuadriFlow leaves now and then, in folds, with quads among their corners."""
    if not topology.is_manifold(quads):
        return quads
    more = []
    for loop in topology.border_loops(quads):
        if len(loop) % 2 == 0 and len(loop) <= LARGEST_HOLE:
            back = loop[::-1]  # the new faces walk the border the other way than those that are there
            more += [(back[0], *back[k : k + 3]) for k in range(1, len(back) - 2, 2)]
    closed = np.concatenate([quads, np.array(more, quads.dtype).reshape(-1, 4)])
    return closed if topology.is_manifold(closed) else quads


def _without_strays(vertices: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out vertices that no quad has."""
    used, index = np.unique(quads, return_inverse=True)
    return vertices[used], index.reshape(quads.shape).astype(np.int32)


def _modified(source: CleanMesh, kind: str, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles that a modifier makes of a mesh."""
    mesh = new_mesh("photobust remesh", source.vertices, source.triangles)
    made = modified(mesh, kind, **settings)
    try:
        left = read_triangles(made)
    finally:
        bpy.data.meshes.remove(mesh)
        bpy.data.meshes.remove(made)
    return left.vertices, left.triangles
