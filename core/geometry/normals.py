"""Normals of meshes."""

import numpy as np


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) float32 unit normals at the vertices (V, 3), the triangles' (T, 3) weighted by area."""
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    corner = triangles.ravel()
    normals = np.stack(
        [np.bincount(corner, np.repeat(face[:, axis], 3), len(vertices)) for axis in range(3)], 1
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    # Vertices without area get some direction, as renderers and file formats want unit vectors.
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), (0, -1, 0)).astype(np.float32)
