"""Bijective parametrizations of meshes: Tutte's embedding, made isometric by SLIM.

SLIM: M. Rabinovich, R. Poranne, D. Panozzo, O. Sorkine-Hornung, Scalable Locally Injective Mappings, ACM TOG
36 (2), 2017, with the symmetric Dirichlet energy. A convex border that is kept, and no triangle that turns
over, make the map bijective.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import splu

#: Weight of staying, of the mean diagonal of the system, so that it is never singular.
PROXIMAL_WEIGHT = 1e-6
#: Steps end at this fraction of the one that would first turn a triangle over.
SAFE_STEP = 0.8
#: Halvings of a step before it is given up.
MAX_HALVINGS = 12
#: Relative gain of energy below which the map is taken as found.
MIN_GAIN = 1e-5
#: Singular values as near to 1 as that have the limit of the weight.
NEAR_ONE = 1e-4


@dataclass(frozen=True)
class RestTriangles:
    """Triangles in their rest shape, each in a plane of its own.

    Attributes:
        triangles: (T, 3) int.
        gradient: (T, 2, 3) float64: the derivatives along the plane's axes of a field on the corners.
        weight: (T,) float64, area times importance.
    """

    triangles: np.ndarray
    gradient: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, triangles: np.ndarray, edges: np.ndarray, weight: np.ndarray) -> "RestTriangles":
        """From the lengths of the sides.

        Args:
            triangles: (T, 3) int.
            edges: (T, 3) lengths of the sides 0-1, 0-2 and 1-2.
            weight: (T,) importance of each, by area.
        """
        a, b, c = edges.T
        x = (a**2 + b**2 - c**2) / (2 * a)
        y = np.sqrt(np.maximum(b**2 - x**2, (1e-2 * a) ** 2))
        shape = np.zeros((len(edges), 2, 2))
        shape[:, 0, 0], shape[:, 0, 1], shape[:, 1, 1] = a, x, y
        inverse = np.linalg.inv(shape)  # columns are the sides
        gradient = np.concatenate(
            [-inverse.sum(1)[:, :, None], inverse[:, 0][:, :, None], inverse[:, 1][:, :, None]], 2
        )
        return cls(triangles, gradient, weight * a * y / 2)

    def jacobians(self, uv: np.ndarray) -> np.ndarray:
        """The Jacobians of a map from the rest shapes.

        Args:
            uv: (V, 2) where the vertices go.

        Returns:
            (T, 2, 2) float64, [component, axis].
        """
        return np.einsum("tak,tkc->tca", self.gradient, uv[self.triangles])

    def energy(self, uv: np.ndarray) -> float:
        """The symmetric Dirichlet energy of a map.

        Args:
            uv: (V, 2) where the vertices go.

        Returns:
            The energy; inf if a triangle is turned over.
        """
        jacobian = self.jacobians(uv)
        det = np.linalg.det(jacobian)
        if (det <= 0).any():
            return np.inf
        return float((self.weight * (jacobian**2).sum((1, 2)) * (1 + 1 / det**2)).sum())


def tutte(count: int, triangles: np.ndarray, border: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Tutte's embedding of a disk.

    Args:
        count: Number of vertices.
        triangles: (T, 3) int.
        border: (B,) int, the vertices of the border.
        places: (B, 2), where they go, on a convex outline, in order.

    Returns:
        (count, 2).
    """
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, 1), axis=0)
    ones = np.ones(len(edges))
    graph = coo_matrix((ones, (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    graph = graph + graph.T
    laplacian = (diags(np.asarray(graph.sum(1)).ravel()) - graph).tocsr()
    free = np.setdiff1d(np.arange(count), border)
    uv = np.zeros((count, 2))
    uv[border] = places
    uv[free] = splu(laplacian[free][:, free].tocsc()).solve(-(laplacian[free][:, border] @ places))
    return uv


def relax(rest: RestTriangles, uv: np.ndarray, fixed: np.ndarray, rounds: int = 200) -> np.ndarray:
    """Make a map as isometric as it can be.

    Args:
        rest: The triangles.
        uv: (V, 2) where to begin, no triangle turned over.
        fixed: (V, 2) bool, coordinates that are kept.
        rounds: The most iterations.

    Returns:
        (V, 2).
    """
    free = np.flatnonzero(~fixed.ravel())
    energy = rest.energy(uv)
    if not np.isfinite(energy):
        raise ValueError("the map to begin with turns triangles over")
    for _ in range(rounds):
        target = _proxy_minimum(rest, uv, free)
        step = min(1.0, SAFE_STEP * _largest_step(uv[rest.triangles], (target - uv)[rest.triangles]))
        for _ in range(MAX_HALVINGS):
            trial = uv + step * (target - uv)
            value = rest.energy(trial)
            if value < energy:
                break
            step /= 2
        else:
            return uv
        gain, uv, energy = (energy - value) / energy, trial, value
        if gain < MIN_GAIN:
            return uv
    return uv


def _proxy_minimum(rest: RestTriangles, uv: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(V, 2): where SLIM's quadratic proxy of the energy is least."""
    jacobian = rest.jacobians(uv)
    left, sigma, right = np.linalg.svd(jacobian)
    rotation = left @ right
    near = np.abs(sigma - 1) < NEAR_ONE
    ratio = np.where(near, 4.0, (sigma - sigma**-3) / np.where(near, 1, sigma - 1))
    weight = (left * np.sqrt(ratio)[:, None, :]) @ left.transpose(0, 2, 1)
    # Rows: W (J - R) of each triangle, four equations in the six coordinates of its corners.
    scale = np.sqrt(rest.weight)[:, None, None, None, None]
    rows = scale * np.einsum("tic,tak->tiakc", weight, rest.gradient)[:, :, :, :, :]
    right_side = np.sqrt(rest.weight)[:, None, None] * (weight @ rotation)
    count = len(rest.triangles)
    columns = 2 * rest.triangles[:, :, None] + np.arange(2)
    columns = np.broadcast_to(columns[:, None, None], rows.shape)
    row = np.broadcast_to(np.arange(4 * count).reshape(count, 2, 2)[..., None, None], rows.shape)
    matrix = csr_matrix((rows.ravel(), (row.ravel(), columns.ravel())), (4 * count, uv.size))
    held = uv.ravel().copy()
    held[free] = 0
    part = matrix[:, free]
    normal = part.T @ part
    proximal = PROXIMAL_WEIGHT * normal.diagonal().mean()
    wanted = part.T @ (right_side.ravel() - matrix @ held) + proximal * uv.ravel()[free]
    result = uv.ravel().copy()
    result[free] = splu((normal + proximal * diags(np.ones(len(free)))).tocsc()).solve(wanted)
    return result.reshape(uv.shape)


def _largest_step(corners: np.ndarray, moves: np.ndarray) -> float:
    """How far triangles (T, 3, 2) can go along moves (T, 3, 2) until the first one has no area."""
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    d_one, d_two = moves[:, 1] - moves[:, 0], moves[:, 2] - moves[:, 0]

    def cross(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return np.asarray(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])

    c, b, a = cross(one, two), cross(one, d_two) + cross(d_one, two), cross(d_one, d_two)
    root = np.sqrt(np.maximum(b**2 - 4 * a * c, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # The stable form of the smaller positive root of a t^2 + b t + c with c > 0.
        first = np.stack([2 * c / (-b + root), 2 * c / (-b - root)])
    first = np.where((b**2 - 4 * a * c < 0) | ~np.isfinite(first) | (first <= 0), np.inf, first)
    return float(first.min())
