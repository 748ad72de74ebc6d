"""Blender's QuadriFlow, checked for whether it has worked. Needs bpy.

What it does not say (Blender 3.4 to 5.3, editors/object/object_remesh): it answers FINISHED, or in later
versions CANCELLED, and only prints a line, when the mesh is not manifold, has neighbors that face different
ways, or, since 4.x, an edge whose ends differ by less than 1e-4 in each coordinate, in whatever unit. Called
from a script it runs at once and blocks. Its number of faces is a wish; mirroring (use_mesh_symmetry) is on
unless told otherwise, and cuts the mesh where its own coordinates are zero.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import bpy
import numpy as np

from ..blender.scratch_scene import modified
from ..errors import StepError
from . import topology
from .arrays import new_mesh, read_quads, read_triangles
from .cleaning import CleanMesh
from .closest_point import SurfaceQuery, quad_normals

#: Largest side of the mesh that QuadriFlow gets: its edges are longer than the 1e-4 above.
WORK_SIZE = 1000.0
#: How far the number of quads may be from the one wished for.
COUNT_TOLERANCE = 0.15
#: Voxels along the side of a quad. Heads of 200,000 triangles at 5,000 quads, processor seconds: as they are
#: 8.0, decimated to 80,000 11.1, from voxels 7.6, and these alone left no hole at the first attempt; 95 % of
#: the surface were nearer to the result than 0.57, 0.47 and 0.55 mm.
VOXELS_PER_SIDE = 3
#: Triangles for each quad that a mesh is decimated to ...
DECIMATED_TRIANGLES_PER_QUAD = 27
#: ... if it has more than this many for each.
MAX_TRIANGLES_PER_QUAD = 108
#: Triangles for each quad from which on voxels are tried first: at 15,000 quads 36 s and one attempt, instead
#: of 100 s and two from the triangles as they are.
VOXELS_FIRST_TRIANGLES_PER_QUAD = 9
#: Smallest side of a voxel, in mean sides of the mesh's triangles.
MIN_VOXEL_TRIANGLE_SIDES = 1.3
#: How much larger the voxels are where those sizes have failed.
COARSE_VOXEL_FACTOR = 2.0
#: How far 95 % of the points on the source may be from the result, in lengths of a quad's side.
MAX_P95_DISTANCE_SIDES = 0.5
#: How far each point on the source may be from the result, in lengths of a quad's side.
MAX_DISTANCE_SIDES = 4.0
#: How far each vertex of the result may be from the source, in lengths of a quad's side: once in a few times
#: QuadriFlow pulls a single one out by half a head, or by 1.3 (3.4, a neutral head at 3,000 quads). All of
#: five photographed heads' 4,400 to 4,800 lie nearer than 0.5 (4.5), that head's, five times, than 0.6 (3.4).
MAX_VERTEX_DISTANCE_SIDES = 1.0
#: Fraction of the vertices that may be so far out and are put back beside their neighbors.
MAX_SPIKE_FRACTION = 0.005
#: Fraction of the quads that may face the other way than the source.
MAX_FLIPPED_FRACTION = 0.05
#: Points on the source whose distance from the result is measured.
SAMPLES = 8000
#: Corners of the largest hole in its result that is closed here. Seen: 4 and 6.
MAX_HOLE_CORNERS = 12
#: Other numbers of quads, as factors of the one asked for, nearest first, to try where that one fails: which
#: of them QuadriFlow fails at is chance (a neutral head failed at 5,000 and not at 4,000 or 3,000).
OTHER_DENSITIES = (0.9, 1.1, 0.8, 1.25, 0.6, 1.6)
#: Attempts at each of these.
ATTEMPTS_PER_OTHER_DENSITY = 2


@dataclass(frozen=True)
class QuadriflowAttempt:
    """How QuadriFlow is called once."""

    quads: int
    """Number of quads to ask for."""
    seed: int = 0
    keep_sharp: bool = True
    """Whether sharp edges are kept."""
    voxel_factor: float = 0.0
    """First rebuild the mesh from voxels, this many times as large as they are at best; 0: do not."""


@dataclass(frozen=True)
class QuadMesh:
    """What QuadriFlow made.

    Attributes:
        vertices: (N, 3) float64, frame and unit of the source.
        quads: (Q, 4) int32.
        attempts: How often QuadriFlow was called for it.
        p95_distance, max_distance: Of points on the source from the quads, unit of the source.
        problem: None, or why it is no good, as the end of a sentence.
    """

    vertices: np.ndarray
    quads: np.ndarray
    attempts: int = 1
    p95_distance: float = 0.0
    max_distance: float = 0.0
    problem: str | None = None


def remesh(
    source: CleanMesh, quads: int, on_attempt: Callable[[int], object] = lambda number: None
) -> QuadMesh:
    """Cover a manifold with about `quads` quads.

    Args:
        source: The mesh to cover.
        quads: How many are wanted. If QuadriFlow fails at that, others are tried (OTHER_DENSITIES).
        on_attempt: Called with the number of each attempt, from 1, before it begins.

    Raises:
        StepError: QuadriFlow fails at all of them.
    """
    trial = _Trial(source, on_attempt)
    problem = None
    for attempt in chain(_attempts(source, quads), _other_attempts(source, quads)):
        found = trial.run(attempt)
        if found is None:
            continue
        if found.problem is None:
            return found
        problem = problem or found.problem
    raise StepError(
        f"Blender's QuadriFlow could not cover this mesh with {quads} quads, nor with more or fewer: "
        f"{problem or 'it made nothing'}. Repair the mesh first (Remesh in Sculpt Mode makes one closed "
        "surface of it), then try again."
    )


class _Trial:
    """Calls QuadriFlow on one source, and counts how often."""

    def __init__(self, source: CleanMesh, on_attempt: Callable[[int], object]) -> None:
        self._source = source
        self._samples = source.surface.sample(SAMPLES)
        self._on_attempt = on_attempt
        self._count = 0

    def run(self, attempt: QuadriflowAttempt) -> QuadMesh | None:
        """The mesh of an attempt, assessed; None if there is none."""
        prepared = _prepared(self._source, attempt)
        if prepared is None:
            return None
        found, asked = None, attempt.quads
        for _ in range(2):
            self._count += 1
            self._on_attempt(self._count)
            made = run(*prepared, replace(attempt, quads=asked), not self._source.closed)
            if made is None:
                break
            found = assess(made, self._source, self._samples, attempt.quads)
            found = replace(found, attempts=self._count)
            if found.problem is None or abs(len(made[1]) - attempt.quads) <= COUNT_TOLERANCE * attempt.quads:
                break
            # It has its own idea of the number: ask for more, or fewer.
            asked = round(asked * float(np.clip(attempt.quads / len(made[1]), 0.5, 2.0)))
        return found


def _attempts(source: CleanMesh, quads: int) -> Iterator[QuadriflowAttempt]:
    """What to try for one number of quads, the most promising first.

    Voxels rid one closed surface of tunnels that no quad of this size can go through, where QuadriFlow leaves
    holes, and make fewer triangles of many. They would fuse several components, or thicken sheets.
    """
    single = source.closed and source.component_count == 1
    dense = len(source.triangles) > VOXELS_FIRST_TRIANGLES_PER_QUAD * quads
    first, then = (
        (1.0, 0.0) if single and (source.genus > 0 or dense) else (0.0, 1.0 if source.closed else 0.0)
    )
    yield QuadriflowAttempt(quads, voxel_factor=first)
    yield QuadriflowAttempt(quads, seed=1, voxel_factor=first)
    yield QuadriflowAttempt(quads, seed=2, keep_sharp=False, voxel_factor=first)
    if source.closed:
        # Wider tunnels go, and so does what is finer than a quad.
        yield QuadriflowAttempt(quads, seed=3, keep_sharp=False, voxel_factor=COARSE_VOXEL_FACTOR)
    yield QuadriflowAttempt(quads, seed=4, keep_sharp=False, voxel_factor=then)


def _other_attempts(source: CleanMesh, quads: int) -> Iterator[QuadriflowAttempt]:
    """What to try where `quads` cannot be had: other numbers."""
    for factor in OTHER_DENSITIES:
        yield from islice(_attempts(source, round(factor * quads)), ATTEMPTS_PER_OTHER_DENSITY)


def _prepared(source: CleanMesh, attempt: QuadriflowAttempt) -> tuple[np.ndarray, np.ndarray] | None:
    """What QuadriFlow gets: the source, rebuilt from voxels or decimated; None if nothing is left."""
    if attempt.voxel_factor:
        side = float(np.sqrt(source.area / attempt.quads))
        grain = float(np.sqrt(2 * source.area / len(source.triangles)))
        size = attempt.voxel_factor * max(side / VOXELS_PER_SIDE, MIN_VOXEL_TRIANGLE_SIDES * grain)
        made = _modified(source, "REMESH", mode="VOXEL", voxel_size=size)
    elif len(source.triangles) > MAX_TRIANGLES_PER_QUAD * attempt.quads:
        made = _modified(
            source, "DECIMATE", ratio=DECIMATED_TRIANGLES_PER_QUAD * attempt.quads / len(source.triangles)
        )
    else:
        return source.vertices, source.triangles
    if not len(made[1]) or not topology.is_manifold(made[1]):
        return None if attempt.voxel_factor else (source.vertices, source.triangles)
    return made


def run(
    vertices: np.ndarray, triangles: np.ndarray, attempt: QuadriflowAttempt, borders: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Run QuadriFlow once.

    Args:
        vertices: (N, 3) float, any frame and unit.
        triangles: (M, 3) int vertices of a manifold mesh.
        attempt: How.
        borders: Whether borders are to be kept.

    Returns:
        (N', 3) vertices in the same frame, and (Q, 4) int quads; None if QuadriFlow makes nothing.
    """
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
                use_preserve_sharp=attempt.keep_sharp,
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


def assess(
    made: tuple[np.ndarray, np.ndarray],
    source: CleanMesh,
    samples: np.ndarray,
    wanted: int,
) -> QuadMesh:
    """Measure what QuadriFlow made against its source.

    Args:
        made: Vertices (N, 3) float64 and quads (Q, 4), in the frame of the source.
        source: What was to be covered.
        samples: (P, 3) points on the source.
        wanted: Number of quads asked for.

    Returns:
        The mesh, small holes closed; its `problem` says what is wrong with it.
    """
    vertices, quads = _without_unused_vertices(*made)
    if source.closed:
        quads = close_holes(quads)
    count, surface = len(quads), source.surface
    if abs(count - wanted) > COUNT_TOLERANCE * wanted:
        return QuadMesh(vertices, quads, problem=f"it made {count} quads")
    if not topology.is_manifold(quads):
        return QuadMesh(vertices, quads, problem="its quads do not join to one sheet")
    if source.closed and topology.count_border_edges(quads):
        return QuadMesh(vertices, quads, problem="it left holes")
    side = float(np.sqrt(source.area / count))
    vertices = without_spikes(vertices, quads, surface, MAX_VERTEX_DISTANCE_SIDES * side)
    distances = SurfaceQuery(vertices, topology.triangulated(quads)).distance(samples)
    p95, farthest = float(np.percentile(distances, 95)), float(distances.max())
    problem = None
    if p95 > MAX_P95_DISTANCE_SIDES * side or farthest > MAX_DISTANCE_SIDES * side:
        problem = "it left parts of the mesh uncovered"
    elif surface.distance(vertices).max() > MAX_VERTEX_DISTANCE_SIDES * side:
        problem = "it made spikes"
    else:
        middles = vertices[quads].mean(1)
        cosine = (surface.normals(surface.closest(middles).triangle) * quad_normals(vertices, quads)).sum(1)
        if (cosine < 0).mean() > MAX_FLIPPED_FRACTION:
            problem = "many of its quads are folded over"
    return QuadMesh(vertices, quads, p95_distance=p95, max_distance=farthest, problem=problem)


def without_spikes(
    vertices: np.ndarray, quads: np.ndarray, surface: SurfaceQuery, farthest: float
) -> np.ndarray:
    """Put the few vertices back that QuadriFlow has pulled out, so that not all has to be done again.

    Args:
        vertices: (N, 3) float64, frame and unit of the surface.
        quads: (Q, 4) int.
        surface: What they should lie on.
        farthest: From which distance on a vertex is one of these.

    Returns:
        (N, 3) float64: each of them where the surface is closest to the mean of its neighbors; the same
        vertices if there are none, or too many.
    """
    far = surface.distance(vertices) > farthest
    if not far.any() or far.mean() > MAX_SPIKE_FRACTION:
        return vertices
    vertices = vertices.copy()
    links = topology.edges_of(quads).vertices
    links = np.concatenate([links, links[:, ::-1]])
    while far.any():
        # From the rim inward: spikes of several vertices have some whose neighbors are all spikes.
        target, source = links[far[links[:, 0]] & ~far[links[:, 1]]].T
        rim = np.unique(target)
        if not len(rim):
            return vertices
        for vertex in rim:
            vertices[vertex] = vertices[source[target == vertex]].mean(0)
        vertices[rim] = surface.closest(vertices[rim]).point
        far[rim] = False
    return vertices


def close_holes(quads: np.ndarray) -> np.ndarray:
    """Close the small holes that QuadriFlow leaves now and then, in folds, with quads among their corners.

    Args:
        quads: (Q, 4) int vertices.

    Returns:
        (Q', 4) int, the same quads and the new ones; the same alone if the mesh would not be manifold.
    """
    if not topology.is_manifold(quads):
        return quads
    more = []
    for loop in topology.border_loops(quads):
        if len(loop) % 2 == 0 and len(loop) <= MAX_HOLE_CORNERS:
            back = loop[::-1]  # the new faces walk the border the other way than those that are there
            more += [(back[0], *back[k : k + 3]) for k in range(1, len(back) - 2, 2)]
    closed = np.concatenate([quads, np.array(more, quads.dtype).reshape(-1, 4)])
    return closed if topology.is_manifold(closed) else quads


def _without_unused_vertices(vertices: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Remove vertices that no quad uses."""
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
