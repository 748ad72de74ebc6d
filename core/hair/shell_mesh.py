"""The hair's surface as a closed mesh of a few thousand triangles."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from ..geometry.decimation import cluster_vertices
from ..geometry.mesh import connected_pieces, neighbor_mean, shading_normals, unit_vectors, vertex_normals
from ..geometry.visibility import ramp, ray_cosines
from ..image.sampling import sample_image
from ..template.regions import at_ears
from .groom import outer_triangles
from .masks import HairMaps
from .rim import Rim, thinned
from .skin import Skin
from .volume import BELOW_SKIN, HairVolume, hidden_by

#: Distance from the skin, meters, below which a vertex belongs to the shell's inner side.
INNER = 0.0006
#: What is farther from the skin than this in the end, meters, is seen, and no inner side.
ON_SKIN = 0.0002
#: From this height over the neck's lower end, meters, on the skin hides what is on it.
BEHIND_NECK = 0.015
#: How high up the neck, meters from its lower end, one sees into it from below; and how far over its skin the
#: shell's inner side is there, meters.
NECK_HEIGHT = 0.11
OVER_NECK = 0.0012
#: A piece of hair has at least this fraction of all vertices.
SMALLEST_PIECE = 0.05
#: By the volume's coarse distance, points nearer to the skin than this, meters, may be in it; and in ears'
#: folds, which the distance is too coarse for.
NEAR_SKIN = 0.006
NEAR_EARS = 0.012
#: Pieces that rise less than this over the skin, meters, are none.
LOWEST_PIECE = 0.0015
#: Steps back onto the isosurface after decimation.
PROJECTIONS = 3
#: Least square of the field's slope there: where it is flat, a step would lead anywhere.
LEAST_GRADIENT = 0.2
#: How deep in the skin the inner side may lie, meters, when all is done.
DEEPEST = 0.0012
#: Below cards the shell is moved in by this fraction of the hair's thickness, meters at most.
INSET_FRACTION = 0.25
MOST_INSET = 0.0012
#: Depths at which the hair's thickness is felt out for that, meters.
INSET_PROBES = (0.002, 0.004, 0.006, 0.008)
#: Height over the skin, meters, that the shell keeps when it is moved in: below it, skin would show through.
SKIN_CLEARANCE = 0.001
#: Meters up to which the skin is searched for there: its samples are some millimeters apart.
CLEARANCE_REACH = 0.008
#: Distances from the photo's outline, meters, between which that begins.
INSET_FROM = (0.002, 0.007)
#: Rings of vertices on both sides of the rim that stay finer than others.
RIM_RINGS = 5
#: Cosines between normal and ray from which to which the surface is seen as it is; elsewhere it is smoothed
#: in so many rounds.
RIDGES_SEEN = (0.15, 0.4)
RIDGE_ROUNDS = 6
#: By how much each round of smoothing goes forth and back.
FAIRING_FACTORS = (0.6, -0.62)
#: Rounds in which the shell's rim is smoothed, and moved to where the photo has it.
RIM_ROUNDS = 4
#: The same where the photo sees the skin at a slant: rounds more, and cosines between which it does not.
SLANTED_RIM_ROUNDS = 12
RIM_FACED = (0.25, 0.55)
#: Rings of the outside next to the rim that are smoothed with it there, and rounds of that.
EDGE_RINGS = 6
EDGE_ROUNDS = 20
#: Height over the skin, meters, that they keep where they have it.
EDGE_CLEARANCE = 0.002
#: Farthest that the rim is moved, meters.
RIM_REACH = 0.005
#: Step of the differences by which the way to the photo's outline is found, meters.
RIM_STEP = 0.001
#: Least square of the slope of the distance to the outline: on skin that is seen too flat, it leads nowhere.
LEAST_SLOPE = 0.1
#: Weight of the volume's gradient beside the mesh's normals.
GRADIENT_WEIGHT = 0.7


@dataclass(frozen=True)
class ShellMesh:
    """The shell without colors.

    Attributes:
        vertices: (N, 3) float64, head frame, meters.
        triangles: (M, 3) int32, counterclockwise from outside.
        normals: (N, 3) float32 unit vectors.
        inner: (N,) bool, on the skin, which hides them; below the neck there is none.
        inset: (N,) float32, meters, how far in each may be moved below cards.
        rim: Where it meets the skin; None if it does not, or has no thickness to lose there.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    inner: np.ndarray
    inset: np.ndarray
    rim: Rim | None = None


def extract_shell(
    volume: HairVolume, skin: Skin, triangles: int, maps: HairMaps, soft: bool = True
) -> ShellMesh | None:
    """The shell of a volume.

    Args:
        volume: Of the hair.
        skin: Of the head.
        triangles: About how many the shell gets.
        maps: What the photo shows.
        soft: Whether it rises from nothing at its rim; otherwise none is looked for.

    Returns:
        The shell; None if the volume is empty.
    """
    found = _isosurface(volume)
    if found is None:
        return None
    vertices, faces, inner = _decimated(*found, skin, triangles)
    outer = np.flatnonzero(~inner)
    vertices[outer] = _on_isosurface(volume, vertices[outer])
    vertices = _without_ridges(vertices, faces, inner, skin, maps)
    vertices = out_of_skin(vertices, skin)
    vertices = out_of_skin(_with_smooth_rim(vertices, faces, inner, skin, maps), skin)
    vertices = out_of_skin(_with_smooth_edge(vertices, faces, inner, skin, maps), skin)
    rim = _rim(vertices, faces, inner, skin) if soft else None
    leaning = np.zeros_like(vertices)
    if rim is not None:
        vertices, leaning = thinned(vertices, faces, inner, rim, skin, maps)
        vertices = out_of_skin(vertices, skin)
    normals = _normals(volume, vertices, faces, inner, leaning)
    clearance, _ = skin.distance(vertices, CLEARANCE_REACH)
    inset = np.where(inner, 0, _inset(volume, vertices, normals, clearance, maps)).astype(np.float32)
    inner = inner & (clearance < ON_SKIN)
    rim = _rim(vertices, faces, inner, skin) if soft else None
    on_skin, inner = inner, inner & skin.hides(vertices, BEHIND_NECK)
    vertices = _with_clear_neck(vertices, faces, on_skin, volume, skin)
    return ShellMesh(vertices, faces.astype(np.int32), normals.astype(np.float32), inner, inset, rim)


def _isosurface(volume: HairVolume) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The surface of the volume's large pieces: vertices (N, 3), triangles (M, 3), and heights (N,) over the
    skin, meters; None if there is none.
    """
    from skimage.measure import marching_cubes

    grid = volume.grid
    field = np.pad(volume.field, 1, constant_values=-grid.cell)
    if not (field > 0).any():
        return None
    points, faces, _, _ = marching_cubes(field, 0.0)
    vertices = (points - 1) * grid.cell + grid.origin
    vertices, faces, height = _large_pieces(vertices, faces[:, ::-1], grid.sample(volume.skin, vertices))
    return (vertices, faces, height) if len(faces) else None


def _decimated(
    vertices: np.ndarray, faces: np.ndarray, height: np.ndarray, skin: Skin, triangles: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """About so many triangles: vertices (N, 3), triangles (M, 3), and which vertices (N,) are on the skin."""
    inner = height < INNER
    if len(faces) <= triangles:
        return vertices, faces, inner
    coarse, fine = _coarse_and_fine(faces, inner)
    coarse &= skin.hides(vertices, NECK_HEIGHT)
    clusters = cluster_vertices(vertices, faces, triangles, coarse, fine)
    inner = clusters.mean(inner.astype(float))[:, 0] > 0.5
    return clusters.mean(vertices), _closed(clusters.faces), inner


def _rim(vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, skin: Skin) -> Rim | None:
    """The rim of a shell, where there is skin."""
    rim = Rim.of(vertices, faces, inner, skin)
    return None if rim is None else rim.beside_skin(skin)


def _on_isosurface(volume: HairVolume, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) near the volume's surface, moved onto it."""
    grid = volume.grid
    for _ in range(PROJECTIONS):
        gradient = grid.gradient(volume.field, points)
        step = grid.sample(volume.field, points) / np.maximum((gradient**2).sum(1), LEAST_GRADIENT)
        points = points - np.clip(step, -grid.cell, grid.cell)[:, None] * gradient
    return points


def _normals(
    volume: HairVolume, vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, leaning: np.ndarray
) -> np.ndarray:
    """(N, 3) unit normals: outside with the volume's gradient, at the rim what they lean to (N, 3)."""
    geometric = vertex_normals(vertices, faces)
    gradient = -volume.grid.gradient(volume.field, vertices)
    gradient = unit_vectors(gradient, 1e-6)
    normals = np.where(inner[:, None], geometric, geometric + GRADIENT_WEIGHT * gradient)
    normals = unit_vectors(normals)
    normals = normals * (1 - np.linalg.norm(leaning, axis=1, keepdims=True)) + leaning
    normals = unit_vectors(normals)
    degenerate = np.linalg.norm(normals, axis=1) < 0.5
    normals[degenerate] = shading_normals(vertices, faces)[degenerate]
    return normals


def _inset(
    volume: HairVolume, vertices: np.ndarray, normals: np.ndarray, clearance: np.ndarray, maps: HairMaps
) -> np.ndarray:
    """(N,) meters that vertices may be moved in below cards; `clearance`: (N,) meters over the skin."""
    thick = _thickness(volume, vertices, normals)
    inset = np.clip(INSET_FRACTION * thick, 0, MOST_INSET)
    # Not where it is the photo's outline.
    inset *= ramp(sample_image(maps.hull, maps.pixels_of(vertices)[0]), *INSET_FROM)
    # The field goes on below the skin, so the thickness of cropped hair says too much.
    return np.minimum(inset, np.maximum(clearance - SKIN_CLEARANCE, 0))


def _coarse_and_fine(faces: np.ndarray, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool: vertices on the skin, where nobody sees them; and those near the rim on both sides of it."""
    near = np.zeros(len(inner), bool)
    border = faces[inner[faces].any(1) & ~inner[faces].all(1)]
    near[border] = True
    near = _with_rings(near, faces)
    return inner & ~near, near


def _with_rings(chosen: np.ndarray, faces: np.ndarray, rings: int = RIM_RINGS) -> np.ndarray:
    """(N,) bool: chosen vertices, and the rings of others around them."""
    chosen = chosen.copy()
    for _ in range(rings):
        chosen[faces[chosen[faces].any(1)]] = True
    return chosen


def _without_ridges(
    vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, skin: Skin, maps: HairMaps
) -> np.ndarray:
    """The vertices (N, 3), smooth where the photo sees the surface at a grazing angle or not at all.

    There each step of the photo's outline goes on as a ridge along the rays.
    """
    normals = vertex_normals(vertices, faces)
    normals = unit_vectors(normals)
    near_rim = _with_rings(inner, faces)
    rotated = normals @ maps.pose.rotation.T
    grazing = 1 - ramp(ray_cosines(maps.pose.head_to_camera(vertices), rotated), *RIDGES_SEEN)
    weight = (grazing * ~near_rim)[:, None]
    smooth = _faired(vertices, neighbor_mean(faces, len(vertices)), weight, RIDGE_ROUNDS)
    # Ears make ridges, too, and would come through.
    near = np.flatnonzero(~inner & at_ears(vertices))
    height, _ = skin.distance(vertices[near])
    smooth[near] = _kept_over_skin(smooth[near], height, skin)
    return smooth


def _kept_over_skin(points: np.ndarray, height: np.ndarray, skin: Skin) -> np.ndarray:
    """Points (N, 3) that were at heights (N,) over the skin, lifted where they no longer cover it."""
    below, nearest = skin.distance(points)
    lift = np.clip(np.minimum(height, EDGE_CLEARANCE) - below, 0, EDGE_CLEARANCE)
    return np.asarray(points + lift[:, None] * skin.normals_at(nearest))


def _with_clear_neck(
    vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, volume: HairVolume, skin: Skin
) -> np.ndarray:
    """The vertices (N, 3), with the inner side over the skin of the neck, which one sees into from below.

    In the skin it would come through in scraps, as its triangles are larger than the neck's.
    """
    chosen = inner & ~_with_rings(~inner, faces, 1)
    chosen &= skin.hides(vertices, -BEHIND_NECK) & ~skin.hides(vertices, NECK_HEIGHT)
    index = np.flatnonzero(chosen)
    distance, nearest = skin.distance(vertices[index])
    normals = skin.normals_at(nearest)
    base = vertices[index] - distance[:, None] * normals
    thick = _thickness(volume, base, -normals)
    vertices = vertices.copy()
    vertices[index] += np.where(thick > 0, np.minimum(thick / 3, OVER_NECK) - distance, 0)[:, None] * normals
    return vertices


def _with_smooth_rim(
    vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, skin: Skin, maps: HairMaps
) -> np.ndarray:
    """The vertices (N, 3), with the rim, where the outside meets the skin, smooth and as in the photo."""
    edges = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    crossing = edges[inner[edges[:, 0]] & ~inner[edges[:, 1]]]
    rim = np.zeros(len(vertices), bool)
    rim[crossing[:, 0]] = True
    index = np.flatnonzero(rim)
    if not len(index):
        return vertices
    along = edges[rim[edges].all(1)]
    number = np.cumsum(rim) - 1
    rows, columns = number[along].T
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), (len(index), len(index))).tocsr()
    count = np.asarray(links.sum(1))
    points = vertices[index]
    _, nearest = skin.distance(points, RIM_REACH)
    rotated = skin.normals_at(nearest) @ maps.pose.rotation.T
    faced = ramp(ray_cosines(maps.pose.head_to_camera(points), rotated), *RIM_FACED)[:, None]
    for k in range(SLANTED_RIM_ROUNDS + RIM_ROUNDS):
        smoothed = 1 - faced if k < SLANTED_RIM_ROUNDS else 1.0
        mean = (links @ points) / np.maximum(count, 1)
        points = np.where(count >= 2, points + smoothed * (mean - points) / 2, points)
        distance, nearest = skin.distance(points, RIM_REACH)
        normals = skin.normals_at(nearest)
        points -= (distance + BELOW_SKIN / 2)[:, None] * normals
        if k >= SLANTED_RIM_ROUNDS:
            points += faced * _to_outline(points, normals, maps)
    moved = points - vertices[index]
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    moved *= np.minimum(1, RIM_REACH / np.maximum(length, 1e-9))
    result = vertices.copy()
    result[index] += moved
    return result


def _with_smooth_edge(
    vertices: np.ndarray, faces: np.ndarray, inner: np.ndarray, skin: Skin, maps: HairMaps
) -> np.ndarray:
    """The vertices (N, 3), without waves of the outside next to its rim where the photo sees skin at a slant.

    What hangs beside a face has its edge there: cells of the volume that are cut by the photo's outline along
    nearly parallel rays. Smoothed as by `_without_ridges`.
    """
    outside = outer_triangles(faces, inner)
    near = _with_rings(inner, faces, EDGE_RINGS) & ~inner
    index = np.flatnonzero(near)
    if not len(index):
        return vertices
    height, nearest = skin.distance(vertices[index])
    rotated = skin.normals_at(nearest) @ maps.pose.rotation.T
    faced = ramp(ray_cosines(maps.pose.head_to_camera(vertices[index]), rotated), *RIM_FACED)
    weight = np.zeros((len(vertices), 1))
    weight[index, 0] = 1 - faced
    smooth = _faired(vertices, neighbor_mean(outside, len(vertices)), weight, EDGE_ROUNDS)
    # Not into what it covers: ears would come through.
    smooth[index] = _kept_over_skin(smooth[index], height, skin)
    return smooth


def _faired(vertices: np.ndarray, mean: csr_matrix, weight: np.ndarray, rounds: int) -> np.ndarray:
    """Vertices (N, 3), smoothed by weights (N, 1) without getting thinner; `mean`: over their neighbors.

    G. Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
    """
    for _ in range(rounds):
        for factor in FAIRING_FACTORS:
            vertices = vertices + factor * weight * (mean @ vertices - vertices)
    return vertices


def _to_outline(points: np.ndarray, normals: np.ndarray, maps: HairMaps) -> np.ndarray:
    """(N, 3) how far points of the skin are from the photo's outline, along the skin, where it is near."""
    pixels, depth = maps.pixels_of(points)
    value = sample_image(maps.outline, pixels)
    first = np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [1.0, 0, 0], [0, 1.0, 0]))
    first = unit_vectors(first)
    gradient = np.zeros_like(points)
    for axis in (first, np.cross(normals, first)):
        ahead = sample_image(maps.outline, maps.pixels_of(points + RIM_STEP * axis)[0])
        behind = sample_image(maps.outline, maps.pixels_of(points - RIM_STEP * axis)[0])
        gradient += ((ahead - behind) / (2 * RIM_STEP))[:, None] * axis
    slope = (gradient**2).sum(1)
    near = (np.abs(value) < RIM_REACH) & (slope > LEAST_SLOPE) & (hidden_by(maps, pixels, depth) < 0.5)
    return np.asarray(-gradient * (near * value / np.maximum(slope, LEAST_SLOPE))[:, None])


def _thickness(volume: HairVolume, vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N,) meters: how far the hair goes on below each vertex, up to the last of INSET_PROBES."""
    inside = np.ones(len(vertices), bool)
    depth = np.zeros(len(vertices))
    for step in INSET_PROBES:
        inside &= volume.grid.sample(volume.field, vertices - step * normals) > 0
        depth[inside] = step
    return depth


def out_of_skin(points: np.ndarray, skin: Skin, deepest: float = DEEPEST) -> np.ndarray:
    """Points, moved outward where they are too deep in the head.

    Args:
        points: (N, 3), head frame, meters.
        skin: Of the head.
        deepest: How deep they may be, meters.

    Returns:
        (N, 3) float64.
    """
    points = np.array(points, np.float64)
    asked = np.arange(len(points))
    for straight in (True, True, False):
        distance, nearest = skin.distance(points[asked], 0.15)
        deep = distance < -deepest
        if not deep.any():
            break
        # What is not deep stays where it is: only the others are looked at again.
        asked, distance, nearest = asked[deep], distance[deep], nearest[deep]
        normals = skin.normals_at(nearest)
        base = points[asked] - distance[:, None] * normals
        if not straight:  # in folds, such as the ear's, that may lead deeper
            base = skin.samples[nearest]
        points[asked] = base - min(deepest, BELOW_SKIN) * normals
    in_folds = np.flatnonzero(at_ears(points))
    distance, closest, normals = skin.closest(points[in_folds])
    below = distance < -deepest
    points[in_folds[below]] = closest[below] - min(deepest, BELOW_SKIN) * normals[below]
    return points


def _closed(faces: np.ndarray) -> np.ndarray:
    """Triangles (M, 3) of a closed mesh without those that lay upon each other and were merged into one."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, 1)], 2), 2).reshape(-1, 2).astype(np.int64)
    _, index, count = np.unique(edges @ [len(faces) * 4, 1], return_inverse=True, return_counts=True)
    odd = (count % 2 == 1)[index].reshape(-1, 3)
    return faces[~odd.all(1)]


def _large_pieces(
    vertices: np.ndarray, faces: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The large pieces of a mesh that stand off the skin: vertices, faces, the vertices' heights."""
    count = len(vertices)
    pieces, label = connected_pieces(faces, count)
    size = np.bincount(label, minlength=pieces)
    top = np.full(pieces, -np.inf)
    np.maximum.at(top, label, height)
    kept = (size >= SMALLEST_PIECE * count) & (top > LOWEST_PIECE)
    used = kept[label]
    index = np.cumsum(used) - 1
    faces = index[faces[used[faces[:, 0]]]]
    return vertices[used], faces, height[used]
