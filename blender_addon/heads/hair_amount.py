"""How long and how dense hair is: cards and strands are left out and cut, the shell moves in. Needs bpy."""

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree
from mathutils.kdtree import KDTree

from ..blender.coordinates import coordinates

#: The shape keys that move the shell to where hair grows, and make it thin.
SHORT_SHAPE = "Short"
THIN_SHAPE = "Thin"
#: Vertex groups of the cards, and the modifiers that hide cards and their ends by them.
DENSITY = "Density"
LENGTH = "Length"
MASKS = (DENSITY, LENGTH)
#: Roots that a point of the shell is drawn to: the nearest ones.
ROOTS = 8
#: Distance, meters, that roots are told apart by; what is nearer counts alike.
NEAR = 0.02
#: Hair as short as it gets ends so far from its roots, meters: the shell must not touch the skin.
CLEARANCE = 0.0015
#: Distances from roots, meters, between which hair begins to hang rather than to lie.
BESIDE = (0.02, 0.05)
#: What thin hair is of the thickness of full hair.
THIN = 0.4
#: Thickest hair, meters: rays that go on farther have missed the other side.
MOST_THICK = 0.15
#: Hair is no thicker than so many times its typical thickness.
MOST_TYPICAL = 1.5
#: Rounds in which each vertex takes the mean of its own way and its neighbors'.
SMOOTHING = 12


def add_mask(ob: bpy.types.Object, name: str, weights: np.ndarray) -> None:
    """Give cards a vertex group, and a modifier that hides vertices whose weights are below its threshold.

    Args:
        ob: The cards.
        name: One of MASKS.
        weights: (K,) 0..1, of the vertices.
    """
    group = ob.vertex_groups.new(name=name)
    for value in np.unique(weights):
        group.add(np.flatnonzero(weights == value).tolist(), float(value), "REPLACE")
    mask = ob.modifiers.new(name, "MASK")
    mask.vertex_group = name
    mask.threshold = 0.0
    mask.show_viewport = mask.show_render = False


def set_masks(cards: bpy.types.Object, density: float, length: float) -> None:
    """Which of the cards are shown, and how much of their length, 0..1."""
    for name, value in ((DENSITY, density), (LENGTH, length)):
        mask = cards.modifiers.get(name)
        if mask is not None and mask.type == "MASK":
            mask.threshold = 1.0 - value
            mask.show_viewport = mask.show_render = value < 1.0


def set_shell(shell: bpy.types.Object, cards: bpy.types.Object | None, density: float, length: float) -> None:
    """Pull the shell in to where hair of this length and density would have its outline.

    Its shape keys are made when they are needed first: until then it is as the engine built it.

    Args:
        shell: The shell.
        cards: Those of the same hair, which say where it grows; None if there are none.
        density: 0..1 of what the photo gave.
        length: The same.
    """
    if shell.data.shape_keys is None:
        return
    roots = _roots(cards) if cards is not None and length < 1.0 else np.empty((0, 3))
    if _has(shell, SHORT_SHAPE) or len(roots):
        if not _has(shell, SHORT_SHAPE):
            _add_shape(shell, SHORT_SHAPE, _shortened(shell, roots))
        shell.data.shape_keys.key_blocks[SHORT_SHAPE].value = 1.0 - length
    if _has(shell, THIN_SHAPE) or density < 1.0:
        if not _has(shell, THIN_SHAPE):
            _add_shape(shell, THIN_SHAPE, _thinned(shell))
        # Short hair is thinner already.
        shell.data.shape_keys.key_blocks[THIN_SHAPE].value = (1.0 - density) * length


def amount_is_whole(ob: bpy.types.Object) -> bool:
    """Whether a shell or cards have all of their length and density."""
    shapes = [name for name in (SHORT_SHAPE, THIN_SHAPE) if _has(ob, name)]
    if any(ob.data.shape_keys.key_blocks[name].value for name in shapes):
        return False
    return not any(name in ob.modifiers and ob.modifiers[name].threshold for name in MASKS)


def _has(ob: bpy.types.Object, shape: str) -> bool:
    keys = ob.data.shape_keys
    return keys is not None and shape in keys.key_blocks


def _add_shape(shell: bpy.types.Object, name: str, moved: np.ndarray) -> None:
    key = shell.shape_key_add(name=name, from_mix=False)
    key.data.foreach_set("co", np.ascontiguousarray(moved, np.float32).ravel())


def _shortened(shell: bpy.types.Object, roots: np.ndarray) -> np.ndarray:
    """(N, 3) the shell's points where hair grows: the outline of hair that has no length left.

    Each is drawn to the roots next to it: hair that hangs goes up along itself, hair that lies on the head
    goes down to the skin.
    """
    points = _basis(shell)
    tree = KDTree(len(roots))
    for index, root in enumerate(roots.tolist()):
        tree.insert(root, index)
    tree.balance()
    found = [tree.find_n(point, min(ROOTS, len(roots))) for point in points.tolist()]
    nearest = np.array([[index for _, index, _ in near] for near in found])
    distance = np.array([[far for *_, far in near] for near in found])
    weights = 1 / (distance + NEAR) ** 2
    weights /= weights.sum(1, keepdims=True)
    way = _smoothed(shell, (roots[nearest] * weights[..., None]).sum(1) - points)
    # Beside roots it moves along its normal alone: hairlines stay, and caps of short hair keep their form.
    normals = _normals(shell)
    across = (way * normals).sum(1, keepdims=True) * normals
    length = np.linalg.norm(way, axis=1, keepdims=True)
    way = across + (way - across) * np.clip((length - BESIDE[0]) / (BESIDE[1] - BESIDE[0]), 0, 1)
    length = np.linalg.norm(way, axis=1, keepdims=True)
    return np.asarray(points + way * np.maximum(1 - CLEARANCE / np.maximum(length, 1e-9), 0))


def _thinned(shell: bpy.types.Object) -> np.ndarray:
    """(N, 3) the shell's points where it is thin: both sides come nearer to each other."""
    points, normals = _basis(shell), _normals(shell)
    triangles = _triangles(shell.data)
    tree = BVHTree.FromPolygons(points.tolist(), triangles.tolist())
    depth = np.zeros(len(points))
    for index, (point, normal) in enumerate(zip(points, normals, strict=True)):
        hit = tree.ray_cast((point - 1e-4 * normal).tolist(), (-normal).tolist(), MOST_THICK)
        depth[index] = hit[3] or 0.0
    depth = np.minimum(depth, MOST_TYPICAL * np.median(depth))  # at tips, rays run along the hair
    inward = -_unit(_smoothed(shell, normals, 1))
    return points + inward * _smoothed(shell, depth[:, None]) * (1 - THIN) / 2


def _smoothed(shell: bpy.types.Object, ways: np.ndarray, rounds: int = SMOOTHING) -> np.ndarray:
    """Ways of vertices (N, D) that do not differ much from those of the vertices beside them.

    Vertices in one place, at the seams of the texture, go the same way.
    """
    _, place = np.unique(np.round(_basis(shell), 6), axis=0, return_inverse=True)
    place = place.ravel()
    edges = np.empty(2 * len(shell.data.edges), np.int32)
    shell.data.edges.foreach_get("vertices", edges)
    first, second = place[np.concatenate([edges.reshape(-1, 2), edges.reshape(-1, 2)[:, ::-1]])].T
    ways = _means(ways, place)
    for _ in range(rounds):
        ways = (ways + _means(ways[second], first)) / 2
    return np.asarray(ways[place])


def _means(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(G, D) mean of the values (N, D) of each group (N,)."""
    count = np.maximum(np.bincount(group), 1)
    return np.stack([np.bincount(group, column) for column in values.T], 1) / count[:, None]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _roots(cards: bpy.types.Object) -> np.ndarray:
    """(C, 3) where cards begin, meters, the cards' frame, which is the shell's."""
    group = cards.vertex_groups.get(LENGTH)
    if group is None:
        return np.empty((0, 3))
    at_root = [
        vertex.index
        for vertex in cards.data.vertices
        if any(element.group == group.index and element.weight == 1.0 for element in vertex.groups)
    ]
    return coordinates(cards.data.vertices).astype(np.float64)[at_root]


def _basis(shell: bpy.types.Object) -> np.ndarray:
    return coordinates(shell.data.shape_keys.reference_key.data).astype(np.float64)


def _normals(shell: bpy.types.Object) -> np.ndarray:
    """(N, 3) unit normals of the basis."""
    points, triangles = _basis(shell), _triangles(shell.data)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(triangles.ravel(), across[:, k].repeat(3), len(points)) for k in range(3)], 1
    )
    return _unit(total)


def _triangles(mesh: bpy.types.Mesh) -> np.ndarray:
    """(M, 3) int32."""
    mesh.calc_loop_triangles()
    values = np.empty(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", values)
    return values.reshape(-1, 3)
