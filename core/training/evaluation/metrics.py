"""How far a reconstructed head is from the true one.

Two conventions, both used by the tables of `scripts/training/evaluate.py`:

* aligned (as NoW does, and as the scan's scorer): a similarity from 23 stable landmarks, then similarity ICP
  on the true face region, then the distance from each point of the region to the mesh. Shape only.
* placed: nothing is fitted. Both heads are where and as large as the photo shows them and turned as they
  are; only the distance from the camera, which no photo shows, is taken from the reconstruction: the mean
  depth of the 68 landmarks. Shape and pose.

S. Sanyal et al., "Learning to Regress 3D Face Shape and Expression from an Image without 3D Supervision",
CVPR 2019 (NoW).
"""

from dataclasses import dataclass, replace

import numpy as np

from ...geometry.frames import CROP_SIZE, VOXELS_PER_METER, Camera, CropFrame
from ...geometry.mesh import unit_vectors, vertex_normals
from ...geometry.pose import umeyama
from ..rasterize import front_and_back, occupancy_columns

#: MediaPipe's landmarks that a face keeps whatever it expresses (of the scan's scorer).
STABLE = np.array(
    [33, 133, 362, 263, 1, 168, 61, 291, 152, 10, 234, 454, 98, 327, 70, 300, 4, 5, 6, 199, 175, 0, 17]
)
#: Rounds of ICP, at most.
ICP_ROUNDS = 20
#: Fraction of the points, the nearest ones, that a round uses.
ICP_KEPT = 0.95
#: Change of scale and rotation in a round below which the rest of the rounds would change nothing.
ICP_STILL = 2e-5
#: Fewer landmarks than this on a mesh cannot align it.
FEWEST_LANDMARKS = 8
#: Fraction of the true points' extent, around them, within which triangles of the mesh are searched.
REACH = 0.2


@dataclass(frozen=True)
class Estimate:
    """A reconstructed head in the camera frame of the camera that was assumed, meters.

    vertices: (N, 3) float64; faces: (M, 3) int32, outward, what is measured; solid_faces: those of the closed
    mesh, None where there is no such mesh. landmarks: (478, 3) float64, NaN where the mesh has none;
    landmarks68: (68, 3) float64.
    """

    vertices: np.ndarray
    faces: np.ndarray
    landmarks: np.ndarray
    landmarks68: np.ndarray
    solid_faces: np.ndarray | None


@dataclass(frozen=True)
class TrueHead:
    """The true head in the true camera's frame, meters.

    points: (P, 3) float64, evenly spread over the face region, with normals (P, 3). vertices (V, 3) and
    triangles (T, 3): the closed head; region: (T,) bool, the face's triangles. landmarks: (478, 3);
    landmarks68: (68, 3). neck: (4, 3) three points of the plane that cuts the neck, then one of the head.
    camera: the true one.
    """

    points: np.ndarray
    normals: np.ndarray
    vertices: np.ndarray
    triangles: np.ndarray
    region: np.ndarray
    landmarks: np.ndarray
    landmarks68: np.ndarray
    neck: np.ndarray
    camera: Camera


@dataclass(frozen=True)
class AlignedError:
    """distance: (P,) mm from each true point to the aligned mesh; normal: (P,) degrees there, 0 to 90."""

    distance: np.ndarray
    normal: np.ndarray


@dataclass(frozen=True)
class PlacedError:
    """distance: (P,) mm from each true point to the mesh; depth: mean absolute difference of the fronts over
    the face, mm; iou: of the solids down to the neck, NaN for an open mesh; rotation: degrees between the two
    faces.
    """

    distance: np.ndarray
    depth: float
    iou: float
    rotation: float


class MeshDistance:
    """Nearest points on the part of a mesh that lies near some points."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, near: np.ndarray) -> None:
        import igl

        reach = REACH * np.ptp(near, axis=0).max()
        some = ((vertices > near.min(0) - reach) & (vertices < near.max(0) + reach)).all(1)
        keep = faces[some[faces].all(1)]
        used, inverse = np.unique(keep if len(keep) else faces, return_inverse=True)
        self.vertices = np.ascontiguousarray(vertices[used], np.float64)
        self.faces = np.ascontiguousarray(inverse.reshape(-1, 3), np.int64)
        self.tree = igl.AABB()
        self.tree.init(self.vertices, self.faces)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nearest points of the mesh.

        Args:
            points: (P, 3), the mesh's frame and unit.

        Returns:
            Distances (P,), triangles (P,) int and closest points (P, 3).
        """
        squared, face, closest = self.tree.squared_distance(
            self.vertices, self.faces, np.ascontiguousarray(points, np.float64)
        )
        return np.sqrt(squared), face, closest

    def normals(self, face: np.ndarray, closest: np.ndarray) -> np.ndarray:
        """Normals of the mesh, interpolated.

        Args:
            face: (P,) int triangles.
            closest: (P, 3) points on these, the mesh's frame and unit.

        Returns:
            (P, 3) unit normals.
        """
        normals = vertex_normals(self.vertices, self.faces)
        picked = self.vertices[self.faces[face]]
        areas = [
            np.linalg.norm(
                np.cross(picked[:, (k + 1) % 3] - closest, picked[:, (k + 2) % 3] - closest), axis=1
            )
            for k in range(3)
        ]
        mixed = sum(a[:, None] * normals[self.faces[face, k]] for k, a in enumerate(areas))
        return unit_vectors(mixed, 1e-15)


@dataclass(frozen=True)
class Alignment:
    """true = scale * rotation @ estimate + offset, and the part of the mesh that it was found with."""

    scale: float
    rotation: np.ndarray
    offset: np.ndarray
    mesh: MeshDistance

    def to_mesh(self, points: np.ndarray) -> np.ndarray:
        """Move points of the true head into the mesh's frame.

        Args:
            points: (P, 3), the true head's frame and unit.

        Returns:
            (P, 3), the mesh's frame and unit.
        """
        return (points - self.offset) @ self.rotation / self.scale


def find_alignment(estimate: Estimate, points: np.ndarray, landmarks: np.ndarray) -> Alignment:
    """The similarity that brings a mesh to true points: landmarks first, then ICP.

    The scan's scorer moves the mesh to the points; here the points are moved to the mesh, whose search tree
    then lasts for all rounds.

    Args:
        estimate: the reconstructed head.
        points: (P, 3) of the true face, any frame and unit.
        landmarks: (478, 3) of the true head, in the same.

    Returns:
        The alignment with the mesh's search tree.

    Raises:
        ValueError: the mesh has too few of the stable landmarks.
    """
    ids = STABLE[np.isfinite(estimate.landmarks[STABLE]).all(1) & np.isfinite(landmarks[STABLE]).all(1)]
    if len(ids) < FEWEST_LANDMARKS:
        raise ValueError(f"only {len(ids)} of {len(STABLE)} stable landmarks are on the mesh")
    fit = umeyama(estimate.landmarks[ids], landmarks[ids])
    near = (points - fit[2]) @ fit[1] / fit[0]
    found = Alignment(*fit, MeshDistance(estimate.vertices, estimate.faces, near))
    for _ in range(ICP_ROUNDS):
        distance, _, closest = found.mesh.nearest(found.to_mesh(points))
        keep = distance < np.quantile(distance, ICP_KEPT)
        before = found.scale * found.rotation
        found = Alignment(*umeyama(closest[keep], points[keep]), found.mesh)
        if np.abs(found.scale * found.rotation - before).max() < ICP_STILL * found.scale:
            break
    return found


def aligned_distances(estimate: Estimate, points: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Distances of true points from the aligned mesh.

    Args:
        estimate: the reconstructed head.
        points: (P, 3) of the true face, any frame and unit.
        landmarks: (478, 3) of the true head, in the same.

    Returns:
        (P,) in the points' unit.

    Raises:
        ValueError: the mesh has too few of the stable landmarks.
    """
    found = find_alignment(estimate, points, landmarks)
    return found.mesh.nearest(found.to_mesh(points))[0] * found.scale


def align(estimate: Estimate, true: TrueHead, found: Alignment | None = None) -> AlignedError:
    """Error of the shape alone.

    Args:
        estimate: the reconstructed head.
        true: the true head.
        found: the alignment of both, if it is known already.

    Returns:
        Distances and angles after a similarity, at the true head's points.
    """
    found = found or find_alignment(estimate, true.points, true.landmarks)
    distance, face, closest = found.mesh.nearest(found.to_mesh(true.points))
    cosine = np.abs((found.mesh.normals(face, closest) @ found.rotation.T * true.normals).sum(1))
    return AlignedError(distance * found.scale * 1000, np.degrees(np.arccos(np.clip(cosine, 0, 1))))


def place_true_head(true: TrueHead, estimate: Estimate, camera: Camera) -> tuple[TrueHead, float]:
    """Move the true head to where a camera that is only assumed would have it.

    Args:
        true: the true head, before the true camera.
        estimate: the reconstructed head, before the assumed camera: it says how far away that has the face.
        camera: the assumed one.

    Returns:
        The true head in the frame of the assumed camera, and the factor by which that enlarged it.
    """
    middle, depth = true.landmarks68.mean(0), float(estimate.landmarks68[:, 2].mean())
    size = (true.camera.focal_px / middle[2]) / (camera.focal_px / depth)
    ray_offset = (true.camera.project(middle) - np.array([camera.cx, camera.cy])) / camera.focal_px

    def moved(points: np.ndarray) -> np.ndarray:
        return (points - middle) * size + np.append(ray_offset, 1.0) * depth

    moving = ("points", "vertices", "landmarks", "landmarks68", "neck")
    placed = replace(true, camera=camera, **{name: moved(getattr(true, name)) for name in moving})
    return placed, size


def compare_placed(
    estimate: Estimate, true: TrueHead, frame: CropFrame, face_depth: float, mesh: MeshDistance
) -> PlacedError:
    """Error of shape and pose together.

    Fronts and solids are compared in a crop, for which both heads are moved along the rays, growing with
    their distance, until the face is `face_depth` from the camera; no picture would show that.

    Args:
        estimate: the reconstructed head.
        true: the true head.
        frame: the crop.
        face_depth: distance of the face from the camera in the crop's frame, meters.
        mesh: of the estimate.

    Returns:
        Distances, depth and rotation errors, and the overlap of the solids.
    """
    placed, size = place_true_head(true, estimate, frame.camera)
    distance = mesh.nearest(placed.points)[0] / size * 1000
    zoom = face_depth / float(estimate.landmarks68[:, 2].mean())
    mine, theirs = (
        np.ascontiguousarray(frame.camera_to_volume(v * zoom), np.float32)
        for v in (estimate.vertices, placed.vertices)
    )
    index, _, my_front, _ = front_and_back(mine, estimate.faces, CROP_SIZE)
    their_index, _, their_front, _ = front_and_back(theirs, true.triangles, CROP_SIZE)
    both = (index >= 0) & (their_index >= 0) & true.region[their_index]
    depth = np.abs(my_front - their_front)[both] / VOXELS_PER_METER / (size * zoom) * 1000
    iou = float("nan")
    if estimate.solid_faces is not None:
        plane = plane_through(frame.camera_to_volume(placed.neck * zoom))
        solids = ((mine, estimate.solid_faces), (theirs, true.triangles))
        a, b = (
            occupancy_columns(vertices, triangles, plane, samples=1) > 127 for vertices, triangles in solids
        )
        iou = float((a & b).sum() / max((a | b).sum(), 1))
    _, turn, _ = umeyama(placed.landmarks68, estimate.landmarks68)
    angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    return PlacedError(distance, float(depth.mean()) if len(depth) else float("nan"), iou, float(angle))


def plane_through(points: np.ndarray) -> np.ndarray:
    """The plane through three points.

    Args:
        points: (4, 3), the last one on the plane's positive side.

    Returns:
        (4,) n, d, with n of length 1 and n . p + d > 0 at the fourth point.
    """
    normal = unit_vectors(np.cross(points[1] - points[0], points[2] - points[0]))
    if normal @ (points[3] - points[0]) < 0:
        normal = -normal
    return np.append(normal, -normal @ points[0])


def landmark_error(landmarks68: np.ndarray, true: TrueHead, camera: Camera) -> tuple[float, float]:
    """Normalized mean error of 68 landmarks.

    Divided by the root of the area of the true landmarks' box, hidden ones included, as on AFLW2000-3D (X.
    Zhu et al., "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016). Depths are in pixels at the
    face's distance, their mean taken off.

    Args:
        landmarks68: (68, 3), frame of the assumed camera, meters.
        true: the true head.
        camera: the assumed one.

    Returns:
        The error, %, of their pixels, and that with their depths.
    """
    true_pixels, pixels = true.camera.project(true.landmarks68), camera.project(landmarks68)
    width, height = np.ptp(true_pixels, axis=0)
    flat = pixels - true_pixels

    def depths(points: np.ndarray, focal: float) -> np.ndarray:
        z = points[:, 2]
        return (z - z.mean()) * focal / z.mean()

    deep = depths(landmarks68, camera.focal_px) - depths(true.landmarks68, true.camera.focal_px)
    box = np.sqrt(width * height) / 100
    full = np.column_stack([flat, deep])
    return float(np.linalg.norm(flat, axis=1).mean() / box), float(np.linalg.norm(full, axis=1).mean() / box)
