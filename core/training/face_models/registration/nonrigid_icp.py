"""Registers the template to ICT-FaceKit, so that its sampled heads can be carried over to the template.

The template's skin is fitted to the face model's neutral head once, by non-rigid ICP that starts from
landmarks; every vertex then keeps its point on the face model's surface. A cache, never shipped (see
`Registration`).
"""

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags, vstack
from scipy.sparse.linalg import splu, spsolve
from scipy.spatial import cKDTree

from ....geometry.mesh import triangle_normals, vertex_normals
from ..mesh_topology import graph_laplacian

#: Stiffness of the skin from the first to the last rounds.
STIFFNESS = (30.0, 10.0, 4.0, 1.5, 0.6, 0.25)
#: Rounds with each stiffness.
ROUNDS_EACH = 6
#: Greatest distance of a correspondence, meters.
REACH = 0.02
#: Least cosine between the normals of a correspondence.
AGREEMENT = 0.5


class ClosestPointSurface:
    """Nearest points on a mesh, only where the normals agree."""

    def __init__(self, vertices: np.ndarray, triangles: np.ndarray) -> None:
        self.vertices, self.triangles = vertices, triangles
        normal = triangle_normals(vertices, triangles)
        self.normals = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
        self.tree = cKDTree(vertices[triangles].mean(1))

    def nearest(
        self, points: np.ndarray, normals: np.ndarray, agreement: float = AGREEMENT, candidates: int = 48
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Closest points of the surface whose normals agree.

        Args:
            points: (n, 3), the surface's frame and unit.
            normals: (n, 3) unit normals at the points.
            agreement: least cosine between these and the surface's.
            candidates: triangles, those with the nearest centers, that are tried for each point.

        Returns:
            Triangles (n,), closest points (n, 3), and distances (n,), inf where no triangle near agrees.
        """
        from trimesh.triangles import closest_point

        found = self.tree.query(points, candidates)[1]
        count = len(points)
        corners = self.vertices[self.triangles[found]].reshape(-1, 3, 3)
        closest = closest_point(corners, np.repeat(points, candidates, 0)).reshape(count, candidates, 3)
        distance = np.linalg.norm(closest - points[:, None], axis=2)
        distance[(self.normals[found] * normals[:, None]).sum(2) < agreement] = np.inf
        best = distance.argmin(1)
        rows = np.arange(count)
        return found[rows, best], closest[rows, best], distance[rows, best]


def barycentric_coordinates(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates of points in triangles, clipped to these.

    Args:
        points: (n, 3), any frame and unit.
        corners: (n, 3, 3), the corners of each point's triangle.

    Returns:
        (n, 3) weights of the corners, sum 1.
    """
    from trimesh.triangles import points_to_barycentric

    weights = np.nan_to_num(points_to_barycentric(corners, points, method="cramer"), nan=1 / 3)
    weights = np.clip(weights, 0, 1)
    return weights / weights.sum(1, keepdims=True)


def _chains(loop: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two halves of a closed loop, each from its largest to its smallest x, ends included."""
    loop = np.roll(loop, -int(np.argmax(x)))
    turn = int(np.argmin(np.roll(x, -int(np.argmax(x)))))
    return loop[: turn + 1], np.r_[loop[turn:], loop[0]][::-1]


def match_loops(
    ours: np.ndarray, our_points: np.ndarray, theirs: np.ndarray, their_points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where our loop's vertices lie on their loop: at the same fraction of the length of its halves.

    Both loops run the same way round.

    Args:
        ours: (a,) int, vertices of our loop in order.
        our_points: (n, 3) all vertices of our mesh, head frame, meters.
        theirs: (b,) int, vertices of their loop in order.
        their_points: (N, 3) all vertices of their mesh, head frame, meters.

    Returns:
        Our vertices (m,), the edges (m, 2) of their loop, and how far along these, (m,) 0..1.
    """
    vertices, edges, fractions = [], [], []
    mine = _chains(ours, our_points[ours, 0])
    other = _chains(theirs, their_points[theirs, 0])
    for number, (a, b) in enumerate(zip(mine, other, strict=True)):
        la = np.r_[0, np.cumsum(np.linalg.norm(np.diff(our_points[a], axis=0), axis=1))]
        lb = np.r_[0, np.cumsum(np.linalg.norm(np.diff(their_points[b], axis=0), axis=1))]
        at = la / la[-1] * lb[-1]
        k = np.clip(np.searchsorted(lb, at, side="right") - 1, 0, len(b) - 2)
        ends = slice(None) if number == 0 else slice(1, -1)
        vertices.append(a[ends])
        edges.append(np.stack([b[k], b[k + 1]], 1)[ends])
        fractions.append(((at - lb[k]) / (lb[k + 1] - lb[k]))[ends])
    return np.concatenate(vertices), np.concatenate(edges), np.concatenate(fractions)


def fit_skin(
    start: np.ndarray,
    triangles: np.ndarray,
    edges: np.ndarray,
    mirror: np.ndarray,
    skin: np.ndarray,
    surface: ClosestPointSurface,
    soft: tuple[np.ndarray, np.ndarray, np.ndarray],
    hard: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Non-rigid ICP: a smooth displacement toward nearest points with agreeing normals, and landmarks.

    B. Amberg et al., "Optimal Step Nonrigid ICP Algorithms for Surface Registration", CVPR 2007, with a
    Laplacian in the place of affine transformations.

    Args:
        start: (n, 3) vertices of the moving mesh, meters.
        triangles: (t, 3) of the moving mesh.
        edges: (e, 2) of the moving mesh.
        mirror: (n,) each vertex's counterpart on the other side.
        skin: (n,) bool, the vertices that are drawn to the surface.
        surface: the fixed mesh.
        soft: points of the moving mesh as vertices (k, 3) and barycentric coordinates (k, 3), and their
            targets (k, 3).
        hard: vertices (m,) and their targets (m, 3).

    Returns:
        (n, 3) the fitted vertices, symmetric.
    """
    count = len(start)
    smooth = graph_laplacian(edges, count)
    rows = np.repeat(np.arange(len(soft[0])), 3)
    marks = csr_matrix((soft[1].ravel(), (rows, soft[0].ravel())), (len(soft[0]), count))
    fixed = csr_matrix((np.ones(len(hard[0])), (np.arange(len(hard[0])), hard[0])), (len(hard[0]), count))
    moved = start.copy()
    for level, stiffness in enumerate(STIFFNESS):
        mark_weight = 3.0 * 0.45**level
        for _ in range(ROUNDS_EACH):
            normals = vertex_normals(moved, triangles)
            _, closest, distance = surface.nearest(moved, normals)
            weight = np.where(skin & (distance < REACH), 1.0 / (1.0 + (distance / 0.006) ** 2), 0.0)
            weight[~np.isfinite(distance)] = 0.0
            weight[hard[0]] = 0.0
            closest = np.where(weight[:, None] > 0, closest, moved)
            system = vstack(
                [stiffness * smooth, diags(np.sqrt(weight)), mark_weight * marks, 10.0 * fixed]
            ).tocsr()
            right = np.concatenate(
                [
                    np.zeros((count, 3)),
                    np.sqrt(weight)[:, None] * (closest - start),
                    mark_weight * (soft[2] - marks @ start),
                    10.0 * (hard[1] - start[hard[0]]),
                ]
            )
            normal_matrix = (system.T @ system + 1e-9 * diags(np.ones(count))).tocsc()
            moved = start + splu(normal_matrix).solve(system.T @ right)
            moved = (moved + moved[mirror] * np.array([-1, 1, 1])) / 2
    return moved


def harmonic_followers(
    edges: np.ndarray, followers: np.ndarray, leaders: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each follower's displacement as a harmonic mean of the displacements of the leaders it is joined to.

    Args:
        edges: (E, 2) int of the mesh.
        followers: (f,) int vertices.
        leaders: (l,) int vertices.
        count: number of vertices.

    Returns:
        Rows (k,) int32, columns (k,) int32 and values (k,) of a sparse (count, count) matrix, rows of sum 1.
    """
    smooth = graph_laplacian(edges, count)
    inside = smooth[followers][:, followers].tocsc()
    weights = -spsolve(inside, smooth[followers][:, leaders].tocsc())
    weights = coo_matrix(weights)
    keep = weights.data > 1e-4
    rows, cols, data = followers[weights.row[keep]], leaders[weights.col[keep]], weights.data[keep]
    total = np.bincount(rows, data, count)
    return rows.astype(np.int32), cols.astype(np.int32), data / total[rows]
