"""Blender's meshes as numpy arrays, and back. Needs bpy."""

from dataclasses import dataclass

import bpy
import numpy as np

from ..blender import compat


@dataclass(frozen=True)
class TriangleMesh:
    """A mesh, cut into triangles, which know where in Blender's mesh they come from.

    vertices (N, 3) float64, in whatever frame the owner says; triangles (M, 3) int32 into them; corners
    (M, 3) int32 into the mesh's loops; faces (M,) int32 into its polygons.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    corners: np.ndarray
    faces: np.ndarray


def read_triangles(mesh: bpy.types.Mesh) -> TriangleMesh:
    """The triangles that Blender draws a mesh with, vertices in the mesh's own frame."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    return TriangleMesh(
        read(mesh.vertices, "co", 3, np.float32).astype(np.float64),
        read(mesh.loop_triangles, "vertices", 3, np.int32, count),
        read(mesh.loop_triangles, "loops", 3, np.int32, count),
        read(mesh.loop_triangles, "polygon_index", 1, np.int32, count),
    )


def read(
    collection: bpy.types.bpy_prop_collection, name: str, width: int, kind: type, count: int = -1
) -> np.ndarray:
    """A property of all items of a collection: (count,) if `width` is 1, else (count, width)."""
    values: np.ndarray = np.empty(width * (len(collection) if count < 0 else count), kind)
    collection.foreach_get(name, values)
    return values if width == 1 else values.reshape(-1, width)


def read_quads(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) float64 and quads (Q, 4) int32 of a mesh that has only quads."""
    corners = read(mesh.loops, "vertex_index", 1, np.int32)
    return read(mesh.vertices, "co", 3, np.float32).astype(np.float64), corners.reshape(-1, 4)


def active_colors(mesh: bpy.types.Mesh) -> bpy.types.Attribute | None:
    """The colors that a mesh is rendered with, if it has any."""
    colors = mesh.color_attributes
    index = colors.render_color_index
    return colors[index] if 0 <= index < len(colors) else None


def new_mesh(name: str, vertices: np.ndarray, faces: np.ndarray) -> bpy.types.Mesh:
    """Make a mesh data-block.

    Args:
        name: Its name.
        vertices: (N, 3) float.
        faces: (M, n) int vertices, all with n corners.

    Returns:
        The mesh.
    """
    mesh = bpy.data.meshes.new(name)
    count, size = faces.shape
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(count * size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(count)
    mesh.polygons.foreach_set("loop_start", np.arange(0, count * size, size, dtype=np.int32))
    compat.set_face_sizes(mesh, size)
    mesh.update(calc_edges=True)
    return mesh


def normals_of(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Compute normals of triangles.

    Args:
        vertices: (N, 3) float, any frame and unit.
        triangles: (M, 3) int vertices.

    Returns:
        (M, 3) float64, as long as twice the triangles' areas.
    """
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)
