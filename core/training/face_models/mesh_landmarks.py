"""Finds where the face detector's 478 landmarks are on a head mesh: render it, detect, cast back, average.

Used for the template (the landmarks are part of its file) and for face models that the template is
registered to. The mesh is painted in a plain way (skin, lips, brows, eyes), which is enough for the detector.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...detection.mediapipe_topology import FIRST_IRIS, LANDMARK_COUNT
from ...geometry.mesh import vertex_normals

RENDER_SIZE = 640
#: Half angles, from the eyeball's center, of the painted iris and pupil, radians.
_IRIS_ANGLE = np.radians(26.0)
_PUPIL_ANGLE = np.radians(11.0)


def face_mesh_triangles() -> np.ndarray:
    """(852, 3) int32 triangles of MediaPipe's face mesh, whose tessellation lists three edges a triangle."""
    from mediapipe.tasks.python.vision import FaceLandmarksConnections

    edges = FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION
    return np.array(
        [[edges[i].start, edges[i + 1].start, edges[i + 2].start] for i in range(0, len(edges), 3)], np.int32
    )


@dataclass(frozen=True)
class PaintedHead:
    """A head to render for the detector. Head frame, meters.

    vertices (N, 3); triangles (T, 3) outward; eyeball (T,) int: 0 none, 1 left, 2 right; lip (N,) 0..1: how
    red; brows: list of (n, 2) polylines in x, z.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    eyeball: np.ndarray
    lip: np.ndarray
    brows: list[np.ndarray]

    def colors(self, index: np.ndarray, bary: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Colors of points of the surface.

        Args:
            index: (M,) int triangles.
            bary: (M, 3) barycentric coordinates on them.
            points: (M, 3) where these are, head frame, meters.

        Returns:
            (M, 3) RGB 0..1, about linear.
        """
        color = np.tile([0.80, 0.60, 0.50], (len(index), 1))
        lip = (self.lip[self.triangles[index]] * bary).sum(1)[:, None]
        color = color * (1 - lip) + lip * np.array([0.62, 0.32, 0.31])
        for brow in self.brows:
            near = _distance_to_polyline(points[:, [0, 2]], brow)
            fraction = (np.clip((0.0045 - near) / 0.002, 0, 1) * (points[:, 1] < 0.02) * 0.8)[:, None]
            color = color * (1 - fraction) + fraction * np.array([0.16, 0.10, 0.07])
        for side in (1, 2):
            on = self.eyeball[index] == side
            if not on.any():
                continue
            ball = np.unique(self.triangles[self.eyeball == side])
            center = (self.vertices[ball].min(0) + self.vertices[ball].max(0)) / 2
            ray = points[on] - center
            angle = np.arccos(np.clip(-ray[:, 1] / np.linalg.norm(ray, axis=1), -1, 1))[:, None]
            eye = np.where(angle < _IRIS_ANGLE, [0.25, 0.15, 0.08], [0.88, 0.86, 0.84])
            color[on] = np.where(angle < _PUPIL_ANGLE, 0.03, eye)
        return color


def _distance_to_polyline(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    best = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        t = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)[:, None]
        best = np.minimum(best, np.linalg.norm(points - a - t * (b - a), axis=1))
    return best


@dataclass(frozen=True)
class Rendering:
    """One picture: rgb (H, W, 3) uint8; index (H, W) int32 triangle or -1; bary (H, W, 3).

    eye_index and eye_bary are the same without the skin: lids hide a part of each iris that landmarks lie on.
    """

    rgb: np.ndarray
    index: np.ndarray
    bary: np.ndarray
    eye_index: np.ndarray
    eye_bary: np.ndarray


def render(
    head: PaintedHead, rotation: np.ndarray, distance: float = 0.9, light: np.ndarray | None = None
) -> Rendering:
    """Render a head from the front (-y).

    Args:
        head: the head.
        rotation: (3, 3) by which it is rotated in the head frame.
        distance: of the camera from the head's middle, meters.
        light: (3,) toward the light, head frame; None: from above, the front and the subject's left.

    Returns:
        The picture and what each of its pixels shows.
    """
    from ..rasterize import rasterize_perspective

    light = np.array([0.3, -1.0, 0.5]) if light is None else light
    middle = np.array([0.0, 0.05, -0.02])
    turned = (head.vertices - middle) @ rotation.T
    focal = RENDER_SIZE * distance / 0.36
    depth = distance + turned[:, 1]
    half = (RENDER_SIZE - 1) / 2
    screen = np.stack([half + focal * turned[:, 0] / depth, half - focal * turned[:, 2] / depth, depth], 1)
    index, bary, _ = rasterize_perspective(
        screen.astype(np.float32), head.triangles, RENDER_SIZE, RENDER_SIZE
    )
    picture = np.full((RENDER_SIZE, RENDER_SIZE, 3), 0.55)
    hit = index >= 0
    corners, weights = head.triangles[index[hit]], bary[hit]
    points = (head.vertices[corners] * weights[..., None]).sum(1)
    normals = vertex_normals(turned, head.triangles)
    normal = (normals[corners] * weights[..., None]).sum(1)
    shade = 0.45 + 0.55 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    picture[hit] = head.colors(index[hit], weights, points) * shade[:, None]
    balls = np.flatnonzero(head.eyeball)
    eye_index, eye_bary, _ = rasterize_perspective(
        screen.astype(np.float32), head.triangles[balls], RENDER_SIZE, RENDER_SIZE
    )
    eye_index = np.where(eye_index >= 0, balls[eye_index], -1)
    return Rendering((np.clip(picture, 0, 1) * 255).astype(np.uint8), index, bary, eye_index, eye_bary)


def small_rotations(count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Rotations (3, 3) within about 25 degrees of yaw, 12 of pitch and 8 of roll; each with its mirror
    image.
    """
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(seed)
    for _ in range(count // 2):
        yaw, pitch, roll = rng.uniform(-1, 1, 3) * (25, 12, 8)
        for side in (1, -1):
            yield Rotation.from_euler("yxz", [side * roll, pitch, side * yaw], degrees=True).as_matrix()


def cast_landmarks(
    head: PaintedHead,
    detect: Callable[[np.ndarray], np.ndarray | None],
    count: int = 40,
    min_intersections: int = 5,
) -> tuple[np.ndarray, np.ndarray]:
    """Where a detector's landmarks lie on a head, over pictures of it in some poses.

    Args:
        head: the head.
        detect: maps rgb (H, W, 3) uint8 to landmarks (478, 2 or more), pixels, or to None.
        count: pictures.
        min_intersections: in how many pictures a landmark has to lie on the head.

    Returns:
        Median positions (478, 3), head frame, meters, NaN where a landmark was found too rarely, and their
        median distances (478,) from these, meters.

    Raises:
        ValueError: the detector finds no face in any picture.
    """
    intersections: list[list[np.ndarray]] = [[] for _ in range(LANDMARK_COUNT)]
    pictures = 0
    for rotation in small_rotations(count):
        rendering = render(head, rotation)
        landmarks = detect(rendering.rgb)
        if landmarks is None:
            continue
        pictures += 1
        pixels = np.round(landmarks[:, :2]).astype(int)
        for k, (x, y) in enumerate(pixels):
            if not (0 <= x < RENDER_SIZE and 0 <= y < RENDER_SIZE):
                continue
            iris = k >= FIRST_IRIS
            triangle = (rendering.eye_index if iris else rendering.index)[y, x]
            if triangle < 0 or iris != bool(head.eyeball[triangle]):
                continue
            bary = (rendering.eye_bary if iris else rendering.bary)[y, x]
            intersections[k].append(bary @ head.vertices[head.triangles[triangle]])
    if not pictures:
        raise ValueError("the detector finds no face on the painted head")
    positions, spread = np.full((LANDMARK_COUNT, 3), np.nan), np.full(LANDMARK_COUNT, np.nan)
    for k, points in enumerate(intersections):
        if len(points) >= min_intersections:
            positions[k] = np.median(points, axis=0)
            spread[k] = np.median(np.linalg.norm(np.array(points) - positions[k], axis=1))
    return positions, spread


def symmetrize(positions: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Average landmarks with the mirror images of their counterparts.

    Args:
        positions: (478, 3) head frame, meters; NaN where unknown.
        mirror: (478,) int, each landmark's counterpart on the other side.

    Returns:
        (478, 3) head frame, meters; NaN where both are.
    """
    both = np.stack([positions, positions[mirror] * np.array([-1, 1, 1])])
    valid = np.isfinite(both)
    return np.where(valid, both, 0).sum(0) / np.where(valid.any(0), valid.sum(0), np.nan)


def snap(
    positions: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, allowed: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest points of a mesh to landmarks.

    Args:
        positions: (L, 3), NaN where unknown.
        vertices: (V, 3) float64, in the same frame.
        triangles: (T, 3) int.
        allowed: maps a landmark's number to the triangles (n,) int that it may lie on.

    Returns:
        Triangles (L,) int32, -1 where unknown, and barycentric coordinates (L, 3) float32.
    """
    import igl

    faces, bary = np.full(len(positions), -1, np.int32), np.zeros((len(positions), 3), np.float32)
    for k in np.flatnonzero(np.isfinite(positions[:, 0])):
        subset = allowed(int(k))
        point = np.ascontiguousarray(positions[k : k + 1])
        _, face, closest = igl.point_mesh_squared_distance(
            point, vertices, triangles[subset].astype(np.int64)
        )[:3]
        faces[k] = subset[int(np.ravel(face)[0])]
        bary[k] = barycentric(np.asarray(closest).reshape(3), vertices[triangles[faces[k]]])
    return faces, bary


def replace_outliers(positions: np.ndarray, limit: float = 0.04) -> np.ndarray:
    """Move landmarks that lie far from their neighbors on the detector's mesh to these neighbors' median.

    A ray through the slit between lid and eyeball passes through the head and meets its other side.

    Args:
        positions: (478, 3) head frame, meters.
        limit: greatest distance from the neighbors' median, meters.

    Returns:
        (478, 3) the corrected positions.
    """
    triangles = face_mesh_triangles()
    corrected = positions.copy()
    for k in np.unique(triangles):
        around = np.setdiff1d(triangles[(triangles == k).any(1)], k)
        middle = np.nanmedian(positions[around], 0)
        if np.linalg.norm(positions[k] - middle) > limit:
            corrected[k] = middle
    return corrected


def barycentric(point: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates of a point in a triangle's plane, clipped to the triangle.

    Args:
        point: (3,), any frame and unit.
        corners: (3, 3), a corner a row.

    Returns:
        (3,) weights of the corners, sum 1.
    """
    weights = np.linalg.lstsq(np.vstack([corners.T, np.ones(3)]), np.r_[point, 1.0], rcond=None)[0]
    weights = np.clip(weights, 0, None)
    return weights / weights.sum()


def detector(models_dir: Path) -> Callable[[np.ndarray], np.ndarray | None]:
    """What maps rgb to (478, 3) photo pixels of the largest face, or None."""
    from ...detection.detector import FaceDetector

    finder = FaceDetector.from_pretrained(models_dir)

    def detect(rgb: np.ndarray) -> np.ndarray | None:
        faces = finder.detect(rgb, max_faces=1, thorough=False)
        return faces[0].points if faces else None

    return detect
