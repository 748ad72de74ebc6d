"""The closest points on a surface, and which of them a mesh that is wrapped onto it should move to."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .frames import NECK_PLANE_Z
from .mesh import row_dot, vertex_normals

#: Height over the plane that closes the surface's neck, meters, up to which the surface is no skin.
NECK_RIM = 0.004
#: Range of cosines over the least one in which a correspondence's weight grows from 0 to 1.
COSINE_FADE = 0.2
#: Vertices of the surface, by distance, whose triangles a point may be closest to.
NEAREST_VERTICES = 3
#: Points in a leaf of the search tree: three quarters of the time of scipy's default, 16.
LEAF_SIZE = 48
#: Threads of a search in a tree of points: most are in steps that nothing is done beside.
SEARCH_THREADS = 2
#: Number of points below which one thread searches: to start another takes a millisecond.
FEW_POINTS = 20_000
#: Squared lengths below this are none.
DEGENERATE = 1e-20
#: Squared sines below this are none: two edges of a triangle are parallel.
FLAT = 1e-12


def search_threads(count: int) -> int:
    """How many threads look for the neighbors of points; what they find does not depend on it.

    Args:
        count: Number of points.

    Returns:
        The `workers` of scipy's `cKDTree.query`.
    """
    return SEARCH_THREADS if count >= FEW_POINTS else 1


@dataclass(frozen=True)
class Correspondences:
    """Points of a surface, one for each point of a query.

    Attributes:
        points: (N, 3) float64, meters, on the surface.
        normals: (N, 3) float64, the surface's unit normals there.
        weight: (N,) float64, 0..1, how much the correspondence counts: the confidence, faded with distance
            and angle, 0 where the surface has nothing that fits.
        confidence: (N,) float64, 0..1, the surface's alone.
    """

    points: np.ndarray
    normals: np.ndarray
    weight: np.ndarray
    confidence: np.ndarray


class ClosestPointQuery:
    """A surface in the head frame, made ready for many queries.

    Attributes:
        vertices: (V, 3) float64, head frame, meters.
        faces: (T, 3) int32, counterclockwise from outside.
        normals: (V, 3) float64 unit normals.
        confidence: (V,) float64, 0..1.
        skin: (V,) bool, whether the vertex is above the plane that closes the neck.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, confidence: np.ndarray) -> None:
        """Build the search tree.

        Args:
            vertices: (V, 3), head frame, meters.
            faces: (T, 3) int, counterclockwise from outside.
            confidence: (V,) 0..1, how far the photo shows the surface there.
        """
        from scipy.spatial import cKDTree

        self.vertices = vertices.astype(np.float64)
        self.faces = faces
        self.normals = vertex_normals(self.vertices, self.faces)
        self.confidence = confidence.astype(np.float64)
        self.skin = self.vertices[:, 2] > NECK_PLANE_Z + NECK_RIM
        self._tree = cKDTree(self.vertices, LEAF_SIZE, balanced_tree=False, compact_nodes=False)

    def match(
        self,
        points: np.ndarray,
        normals: np.ndarray,
        max_distance: float,
        min_weight: float = 0.0,
        min_cosine: float = 0.5,
    ) -> Correspondences:
        """The closest points whose normals agree.

        Args:
            points: (N, 3) float64, head frame, meters.
            normals: (N, 3) float64 unit normals.
            max_distance: Meters up to which a point of the surface corresponds.
            min_weight: Weight of correspondences that the photo does not show.
            min_cosine: Least cosine between the two normals.

        Returns:
            A correspondence for each point.
        """
        return self.locate(points, 1).match(normals, max_distance, min_weight, min_cosine)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Distances of points from the triangles around the nearest vertices.

        Args:
            points: (N, 3) float64, head frame, meters.

        Returns:
            (N,) float64, meters.
        """
        return np.linalg.norm(self.nearest(points)[0] - points, axis=1)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The closest points on the triangles around the three nearest vertices.

        Args:
            points: (N, 3) float64, head frame, meters.

        Returns:
            The closest points (N, 3) float64 and the triangles (N,) int64 that they are on.
        """
        return self.locate(points).nearest()

    def locate(self, points: np.ndarray, count: int = NEAREST_VERTICES) -> "LocatedPoints":
        """Find the nearest vertices of points once, for several questions about them.

        Args:
            points: (N, 3) float64, head frame, meters.
            count: How many vertices; correspondences need only one.

        Returns:
            What answers them.
        """
        distance, vertices = self._tree.query(
            points, k=np.arange(1, count + 1), workers=search_threads(len(points))
        )
        return LocatedPoints(self, points, distance[:, 0], vertices)

    @cached_property
    def columns(self) -> np.ndarray:
        """(3, V) float64, the vertices' coordinates: columns are looked up faster than rows."""
        return np.ascontiguousarray(self.vertices.T)

    @cached_property
    def face_columns(self) -> np.ndarray:
        """(3, T) int, the faces' corners."""
        return np.ascontiguousarray(self.faces.T, np.intp)

    @cached_property
    def triangles_of(self) -> tuple[np.ndarray, np.ndarray]:
        """Triangles around the vertices: (V + 1,) and (3 T,) int32; those of vertex v are the second array's
        from the first's v-th entry to its next.
        """
        from scipy.sparse import coo_matrix

        corners = np.arange(self.faces.size, dtype=np.int32) // 3
        shape = (len(self.vertices), len(self.faces))
        incidence = coo_matrix((np.ones(len(corners), bool), (self.faces.ravel(), corners)), shape).tocsr()
        return incidence.indptr, incidence.indices


@dataclass(frozen=True)
class LocatedPoints:
    """Points whose nearest vertices on a surface are known.

    Attributes:
        surface: The surface.
        points: (N, 3) float64, head frame, meters.
        distance: (N,) float64, meters from the nearest vertex.
        vertices: (N, k) int, the nearest vertices, the nearest first.
    """

    surface: ClosestPointQuery
    points: np.ndarray
    distance: np.ndarray
    vertices: np.ndarray

    def match(
        self, normals: np.ndarray, max_distance: float, min_weight: float = 0.0, min_cosine: float = 0.5
    ) -> Correspondences:
        """`ClosestPointQuery.match` of the points.

        Args:
            normals: (N, 3) float64 unit normals.
            max_distance: Meters up to which a point of the surface corresponds.
            min_weight: Weight of correspondences that the photo does not show.
            min_cosine: Least cosine between the two normals.

        Returns:
            A correspondence for each point.
        """
        surface, nearest = self.surface, self.vertices[:, 0]
        normal = surface.normals[nearest]
        # Exact enough: triangles are 1.5 mm, so the plane of the nearest vertex is the surface.
        offset = row_dot(surface.vertices[nearest] - self.points, normal)
        cosine = row_dot(normal, normals)
        fits = (self.distance < max_distance) & (cosine > min_cosine) & surface.skin[nearest]
        fade = np.clip(2 * (1 - self.distance / max_distance), 0, 1)
        fade = fade * np.clip((cosine - min_cosine) / COSINE_FADE, 0, 1)
        confidence = surface.confidence[nearest]
        weight = np.where(fits, np.maximum(confidence, min_weight) * fade, 0)
        return Correspondences(self.points + offset[:, None] * normal, normal, weight, confidence)

    def part(self, chosen: np.ndarray) -> "LocatedPoints":
        """Some of the points, with the closest points that have been found for them.

        Args:
            chosen: (M,) int.
        """
        part = LocatedPoints(self.surface, self.points[chosen], self.distance[chosen], self.vertices[chosen])
        found, on = self._found
        part.__dict__["_found"] = found[chosen], on[chosen]
        return part

    @cached_property
    def _found(self) -> tuple[np.ndarray, np.ndarray]:
        """Closest points (N, 3) and triangles (N,) as far as they have been asked for; the others' are -1."""
        return np.empty((len(self.points), 3)), np.full(len(self.points), -1, np.int64)

    def nearest(self, chosen: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The closest points on the triangles around the nearest vertices.

        Args:
            chosen: The points that are asked about.

        Returns:
            For M chosen points the closest points (M, 3) float64 and their triangles (M,) int64.
        """
        found, on = self._found
        asked = np.zeros(len(on), bool)
        asked[chosen] = True
        new = np.flatnonzero(asked & (on < 0))
        found[new], on[new] = self._nearest(new)
        return found[chosen], on[chosen]

    def _nearest(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        surface, points, vertices = self.surface, self.points[chosen], self.vertices[chosen]
        first, triangles = surface.triangles_of
        begin, count = first[vertices].ravel(), (first[vertices + 1] - first[vertices]).ravel()
        candidate = np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(count.sum())
        triangle = triangles[candidate]
        count = count.reshape(vertices.shape).sum(1)
        point = np.repeat(np.arange(len(points)), count)
        corners = surface.columns.take(surface.face_columns.take(triangle, 1), 1).transpose(1, 0, 2)
        weights, square = _closest_weights(np.ascontiguousarray(points.T).take(point, 1), corners)
        # Around a vertex without triangles there is nothing but itself.
        found, on = surface.vertices[vertices[:, 0]], np.zeros(len(points), np.int64)
        some = np.flatnonzero(count)
        if len(some):
            least = np.full(len(points), np.inf)
            least[some] = np.minimum.reduceat(square, (np.cumsum(count) - count)[some])
            closest = np.flatnonzero(square == least[point])[::-1]  # of several the first is written last
            found[point[closest]] = np.einsum(
                "kn,kcn->nc", weights.take(closest, 1), corners.take(closest, 2)
            )
            on[point[closest]] = triangle[closest]
        return found, on


def closest_on_triangle(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The point of each triangle that is closest to its point.

    Args:
        points: (N, 3) float64, any frame and unit.
        corners: (N, 3, 3) float64, one triangle a point.

    Returns:
        (N, 3) float64.
    """
    return np.einsum("nk,nkc->nc", closest_weights(points, corners)[0], corners)


def closest_weights(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the point of each triangle is that is closest to its point.

    Args:
        points: (N, 3) float64, any frame and unit.
        corners: (N, 3, 3) float64, one triangle a point.

    Returns:
        Barycentric coordinates (N, 3), and the squares (N,) of the distances.
    """
    columns = np.ascontiguousarray(corners.transpose(1, 2, 0))
    weights, square = _closest_weights(np.ascontiguousarray(points.T), columns)
    return np.ascontiguousarray(weights.T), square


def _closest_weights(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`closest_weights` by columns, several times as fast: of points (3, N) and corners (3, 3, N), corner by
    corner; the coordinates are (3, N).
    """
    a = corners[0]
    ab, ac, ap = corners[1] - a, corners[2] - a, points - a
    bb, bc, cc = _column_dot(ab, ab), _column_dot(ab, ac), _column_dot(ac, ac)
    pb, pc = _column_dot(ap, ab), _column_dot(ap, ac)
    # Weights of corners b and c: of the foot on the plane, else of the nearest of those on the three edges.
    area = bb * cc - bc * bc
    flat = area <= FLAT * bb * cc
    area = np.where(flat, 1, area)
    b, c = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
    square = b * (b * bb + 2 * (c * bc - pb)) + c * (c * cc - 2 * pc)  # less that of a's distance
    outside = np.flatnonzero((b < 0) | (c < 0) | (b + c > 1) | flat)
    bb, bc, cc, pb, pc = (values.take(outside) for values in (bb, bc, cc, pb, pc))
    on_ab = np.clip(pb / np.maximum(bb, DEGENERATE), 0, 1)
    on_ac = np.clip(pc / np.maximum(cc, DEGENERATE), 0, 1)
    on_bc = np.clip((pc - pb + bb - bc) / np.maximum(bb - 2 * bc + cc, DEGENERATE), 0, 1)
    # The squares on the three edges, less that of a's distance; of equal ones the first counts.
    least = on_ab * (on_ab * bb - 2 * pb)
    x, y = on_ab, np.zeros(len(outside))
    of_edge = on_ac * (on_ac * cc - 2 * pc)
    nearer = of_edge < least
    least, x, y = np.where(nearer, of_edge, least), np.where(nearer, 0, x), np.where(nearer, on_ac, y)
    along = 1 - on_bc
    of_edge = along * (along * bb + 2 * (on_bc * bc - pb)) + on_bc * (on_bc * cc - 2 * pc)
    nearer = of_edge < least
    b[outside], c[outside] = np.where(nearer, along, x), np.where(nearer, on_bc, y)
    square[outside] = np.where(nearer, of_edge, least)
    square += _column_dot(ap, ap)
    return np.stack([1 - b - c, b, c]), square


def _column_dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N,) dot products of columns (3, N)."""
    total = one[0] * other[0]
    total += one[1] * other[1]
    total += one[2] * other[2]
    return np.asarray(total)
