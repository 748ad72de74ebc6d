"""Lets hair go with a head whose shape is corrected, until the engine makes it anew. Needs bpy."""

import uuid
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils.kdtree import KDTree

from ..blender.coordinates import coordinates, read_vectors
from .hair import hair_of

#: Vertices of the head that a point of the hair goes with: the nearest ones.
NEIGHBORS = 6
#: Distance, meters, that neighbors are told apart by; what is nearer counts alike.
NEAR = 0.01
#: The custom property of a hair's data by which its binding is found again.
BINDING = "photobust_hair_binding"
#: Bindings that are kept.
MAX_KEPT = 16


@dataclass(frozen=True)
class Binding:
    """What the points of a hair object go with.

    Attributes:
        neighbors: (N, NEIGHBORS) int, vertices of the head.
        weights: (N, NEIGHBORS) float32, 1 in all.
    """

    neighbors: np.ndarray
    weights: np.ndarray

    def carried(self, offset: np.ndarray) -> np.ndarray:
        """How far the points go with the head.

        Args:
            offset: (V, 3) float, how far the head's vertices move, meters.

        Returns:
            (N, 3) float32, meters.
        """
        moved = offset.astype(np.float32)[self.neighbors] * self.weights[..., None]
        return np.asarray(moved.sum(1))


_kept: dict[str, Binding] = {}


def follow(head: bpy.types.Object, before: np.ndarray, offset: np.ndarray) -> None:
    """Move a head's hair with its skin.

    Args:
        head: The head.
        before: (V, 3) where its vertices were, its own frame, meters.
        offset: (V, 3) how far they have moved.
    """
    for ob in hair_of(head):
        data = ob.data
        if data.library is not None:
            continue
        if isinstance(data, bpy.types.Mesh):
            _move_mesh(data, before, offset)
        else:
            _move_curves(data, before, offset)


def _move_mesh(mesh: bpy.types.Mesh, before: np.ndarray, offset: np.ndarray) -> None:
    points = coordinates(mesh.vertices)
    carried = _binding(mesh, points, before).carried(offset)
    for key in mesh.shape_keys.key_blocks if mesh.shape_keys is not None else ():
        _set_vectors(key.data, "co", coordinates(key.data) + carried)
    _set_vectors(mesh.vertices, "co", points + carried)
    mesh.update()


def _move_curves(curves: bpy.types.ID, before: np.ndarray, offset: np.ndarray) -> None:
    """Strands go with their roots, or they would be stretched."""
    points = read_vectors(curves.position_data, "vector")
    first = np.empty(len(curves.curves) + 1, np.int32)
    curves.curve_offset_data.foreach_get("value", first)
    carried = _binding(curves, points[first[:-1]], before).carried(offset)
    _set_vectors(curves.position_data, "vector", points + np.repeat(carried, np.diff(first), axis=0))
    curves.update_tag()


def _binding(data: bpy.types.ID, points: np.ndarray, before: np.ndarray) -> Binding:
    """What points (N, 3) of a hair go with; found once for each hair, which takes a moment."""
    known = _kept.get(str(data.get(BINDING, "")))
    if known is not None and len(known.neighbors) == len(points):
        return known
    tree = KDTree(len(before))
    for index, vertex in enumerate(before.tolist()):
        tree.insert(vertex, index)
    tree.balance()
    found = [tree.find_n(point, NEIGHBORS) for point in points.tolist()]
    neighbors = np.array([[index for _, index, _ in near] for near in found]).reshape(-1, NEIGHBORS)
    distance = np.array([[far for *_, far in near] for near in found], np.float32).reshape(-1, NEIGHBORS)
    weights = 1 / (distance + NEAR) ** 2
    binding = Binding(neighbors, weights / weights.sum(1, keepdims=True))
    name = uuid.uuid4().hex
    data[BINDING] = name
    while len(_kept) >= MAX_KEPT:
        del _kept[next(iter(_kept))]
    _kept[name] = binding
    return binding


def _set_vectors(collection: bpy.types.bpy_prop_collection, name: str, values: np.ndarray) -> None:
    collection.foreach_set(name, np.ascontiguousarray(values, np.float32).ravel())
