"""How far the template's points are open to the surroundings, and how thick the head is behind them."""

import numba as nb
import numpy as np

from ....geometry.mesh import shading_normals
from ....template.topology import LASHES, SKIN, HeadTopology

#: Directions that the surroundings are looked at in.
DIRECTIONS = 128
#: Meters by which rays begin off the surface.
OFFSET = 2e-4
#: Meters within which something hides the surroundings: neither a room nor the shoulders are known.
REACH = 0.08
#: Thickness, meters, that is as good as none: light does not get through.
OPAQUE = 0.02
#: Cosine with the inward normal from which on a ray counts for the thickness.
INWARD_COSINE = 0.85
#: Cosine between normal and ray from which on a ray counts as leaving the surface.
MIN_COSINE = 0.05


def occlusion_and_thickness(topology: HeadTopology) -> tuple[np.ndarray, np.ndarray]:
    """Look from the vertices of the average head, the eyes and mouth closed as they are.

    Args:
        topology: The head's.

    Returns:
        (V,) float32 0 (enclosed) to 1 (open), weighted by the cosine as diffuse light is; and (V,) float32
        meters, the mean length of rays inward from the skin, at most OPAQUE, which other parts have.
    """
    vertices = topology.vertices.astype(np.float64)
    normals = shading_normals(topology.vertices, topology.triangles).astype(np.float64)
    opaque = np.repeat(topology.face_part != topology.part_names.index(LASHES), 2)
    corners = vertices[topology.triangles[opaque]]
    directions = sphere_directions(DIRECTIONS)
    openness = np.empty(len(vertices))
    _openness(vertices, normals, corners, directions, openness)
    skin = topology.vertices_of(SKIN)
    of_skin = np.repeat(topology.face_part == topology.part_names.index(SKIN), 2)
    thickness = np.full(len(vertices), OPAQUE)
    found = np.empty(len(skin))
    _thickness(vertices[skin], normals[skin], vertices[topology.triangles[of_skin]], directions, found)
    thickness[skin] = found
    return openness.astype(np.float32), thickness.astype(np.float32)


def sphere_directions(count: int) -> np.ndarray:
    """Directions all around, evenly (a Fibonacci lattice).

    Args:
        count: How many.

    Returns:
        (count, 3) float64 unit vectors.
    """
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    angle = np.pi * (1 + np.sqrt(5)) * k
    r = np.sqrt(1 - z**2)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], 1)


@nb.njit(cache=True, fastmath=True)
def _first_hit(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, corners: np.ndarray, reach: float
) -> float:
    """Length of a ray to the first triangle (T, 3, 3) that it meets, at most `reach` (Moeller-Trumbore)."""
    nearest = reach
    for t in range(corners.shape[0]):
        ax, ay, az = corners[t, 0, 0], corners[t, 0, 1], corners[t, 0, 2]
        ux, uy, uz = corners[t, 1, 0] - ax, corners[t, 1, 1] - ay, corners[t, 1, 2] - az
        vx, vy, vz = corners[t, 2, 0] - ax, corners[t, 2, 1] - ay, corners[t, 2, 2] - az
        px, py, pz = dy * vz - dz * vy, dz * vx - dx * vz, dx * vy - dy * vx
        det = ux * px + uy * py + uz * pz
        if abs(det) < 1e-14:
            continue
        sx, sy, sz = ox - ax, oy - ay, oz - az
        u = (sx * px + sy * py + sz * pz) / det
        if u < 0 or u > 1:
            continue
        qx, qy, qz = sy * uz - sz * uy, sz * ux - sx * uz, sx * uy - sy * ux
        v = (dx * qx + dy * qy + dz * qz) / det
        if v < 0 or u + v > 1:
            continue
        length = (vx * qx + vy * qy + vz * qz) / det
        if 0 < length < nearest:
            nearest = length
    return nearest


@nb.njit(cache=True, fastmath=True)
def _openness(
    points: np.ndarray, normals: np.ndarray, corners: np.ndarray, directions: np.ndarray, out: np.ndarray
) -> None:
    for i in range(points.shape[0]):
        x, y, z = points[i] + OFFSET * normals[i]
        total, unhidden = 0.0, 0.0
        for k in range(directions.shape[0]):
            d = directions[k]
            cosine = d[0] * normals[i, 0] + d[1] * normals[i, 1] + d[2] * normals[i, 2]
            if cosine < MIN_COSINE:
                continue
            total += cosine
            unhidden += cosine * _first_hit(x, y, z, d[0], d[1], d[2], corners, REACH) / REACH
        out[i] = unhidden / total


@nb.njit(cache=True, fastmath=True)
def _thickness(
    points: np.ndarray, normals: np.ndarray, corners: np.ndarray, directions: np.ndarray, out: np.ndarray
) -> None:
    for i in range(points.shape[0]):
        x, y, z = points[i] - OFFSET * normals[i]
        total, count = 0.0, 0
        for k in range(directions.shape[0]):
            d = directions[k]
            inward = -(d[0] * normals[i, 0] + d[1] * normals[i, 1] + d[2] * normals[i, 2])
            if inward < INWARD_COSINE:
                continue
            total += _first_hit(x, y, z, d[0], d[1], d[2], corners, OPAQUE)
            count += 1
        out[i] = total / max(count, 1)
