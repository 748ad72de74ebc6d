"""What can be measured of one head without knowing the truth: how well picture, landmarks, lifted head and
surface agree. Nothing here is a judgement; `core.quality.report` makes one of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..detection.detector import FaceLandmarks
from ..geometry.frames import VOLUME_CENTRE_Z, VOXELS_PER_METRE, Camera
from ..geometry.pose import similarity
from ..lifting.lifter import HeadPrior, LandmarkLifter
from ..surface.isosurface import Isosurface
from ..volume.guidance import DEPTH_UNIT, Guidance
from .image import cut_share, shading_residual, sharpness

#: What a look that sees no face counts as: this share of the face's size away, turned and shaped so
#: differently (about what the worst of the looks that do see it give).
UNSEEN_LOOK, UNSEEN_TURN_DEG, UNSEEN_SHAPE_MM = 0.1, 15.0, 3.0
#: How many landmarks a face has.
LANDMARKS = 478
#: Heights in the head frame, metres, between the upper, middle and lower part of the face.
PARTS_Z = (0.005, -0.045)


@dataclass(frozen=True)
class QualityInputs:
    """All that is known when a head has been made.

    rgb: (H, W, 3) uint8, the photo; looks: (distance in sizes of the face, what it saw) of each further look
    at the face; crop: (192, 192, 3) uint8; confidence: (N,) float32 of the surface's vertices;
    landmark_points: (478, 3) float32 on the surface, head frame, metres, NaN where it has none.
    """

    rgb: np.ndarray
    camera: Camera
    face: FaceLandmarks
    looks: Sequence[tuple[float, FaceLandmarks]]
    lifter: LandmarkLifter
    lifted: HeadPrior
    guidance: Guidance
    crop: np.ndarray
    shape: Isosurface
    confidence: np.ndarray
    landmark_points: np.ndarray


@dataclass(frozen=True)
class Measures:
    """Figures of one head.

    face_height_px: longer side of the landmarks' box, photo pixels. detection_score: 0..1, how well the
    detector's own looks agree. looks_disagree: mean distance of further looks' landmarks from those used, %
    of the face's size, a tenth of it where a look saw no face. looks_turn_deg, looks_shape_mm: how much the
    heads lifted from these looks are turned against this one, mean, degrees, and how far their vertices are
    from its, mean, mm, in the head frame. landmark_error, landmark_error_worst: root mean square distance of
    the surface's landmarks, projected into the photo, from the detected ones, % of the face's size, and the
    same in the worst sixth of the face. template_distance_mm: root mean square distance of the detected
    landmarks, with their depth, from the lifted head's after a similarity, mm. network_moved_mm: mean
    distance by which the network moved the face's surface along the rays, mm. silhouette_iou: of the
    surface's outline and the lifted head's, 0..1. face_region_iou: of the outlines of the detected landmarks
    and of the surface's, 0..1. shading_residual: what smooth light on this surface leaves unexplained of the
    face's brightness, in parts of its mean, 0..1. sharpness: log10 of the crop's fine contrast over its
    contrast, see `core.quality.image`. yaw_deg, pitch_deg, roll_deg: of the lifted pose. seen_share: of the
    surface's vertices, 0..1. cut_share: of the box of the face beyond the photo's edge, 0..1. focal_known: 1
    if the focal length comes from EXIF or the user, else 0. perspective: 1 / distance of the camera, 1/m.
    landmarks_on_surface: how many of the 478.
    """

    face_height_px: float
    detection_score: float
    looks_disagree: float
    looks_turn_deg: float
    looks_shape_mm: float
    landmark_error: float
    landmark_error_worst: float
    template_distance_mm: float
    network_moved_mm: float
    silhouette_iou: float
    face_region_iou: float
    shading_residual: float
    sharpness: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    seen_share: float
    cut_share: float
    focal_known: float
    perspective: float
    landmarks_on_surface: float

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    def rounded(self) -> dict[str, float]:
        """For JSON."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}


def measure(e: QualityInputs) -> Measures:
    """All figures of one head."""
    yaw, pitch, roll = e.lifted.pose.angles
    size = e.face.size
    disagree, turn, differ = compare_looks(e)
    error, worst = landmark_errors(e)
    moved, silhouette = compare_template(e)
    return Measures(
        face_height_px=size,
        detection_score=e.face.score,
        looks_disagree=disagree,
        looks_turn_deg=turn,
        looks_shape_mm=differ,
        landmark_error=error,
        landmark_error_worst=worst,
        template_distance_mm=template_distance(e),
        network_moved_mm=moved,
        silhouette_iou=silhouette,
        face_region_iou=face_region_iou(e),
        shading_residual=shading_residual(e.crop, e.shape.front, face_mask(e.guidance)),
        sharpness=sharpness(e.crop, face_mask(e.guidance)),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        seen_share=float((e.confidence > 0.5).mean()),
        cut_share=cut_share(e.face.box, e.rgb.shape),
        focal_known=float(e.camera.source != "default"),
        perspective=1.0 / e.lifted.frame.distance,
        landmarks_on_surface=float(np.isfinite(e.landmark_points[:, 0]).sum()),
    )


def face_mask(guidance: Guidance) -> np.ndarray:
    """(192, 192) bool, crop frame: where the detected face mesh lies."""
    return np.asarray(np.abs(guidance.maps[:3]).sum(0) > 0)


def compare_looks(e: QualityInputs) -> tuple[float, float, float]:
    """(looks_disagree, looks_turn_deg, looks_shape_mm), see `Measures`."""
    if not e.looks:
        return 0.0, 0.0, 0.0
    disagree = 100 * float(np.mean([min(distance, UNSEEN_LOOK) for distance, _ in e.looks]))
    seen = [e.lifter.lift(face, e.camera, e.rgb) for distance, face in e.looks if distance < UNSEEN_LOOK]
    turns = [UNSEEN_TURN_DEG] * (len(e.looks) - len(seen))
    shapes = [UNSEEN_SHAPE_MM] * len(turns)
    for other in seen:
        turns.append(angle_between(other.pose.rotation, e.lifted.pose.rotation))
        shapes.append(1000 * float(np.linalg.norm(other.vertices - e.lifted.vertices, axis=1).mean()))
    return disagree, float(np.mean(turns)), float(np.mean(shapes))


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    """Degrees between two rotations (3, 3)."""
    return float(np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


def landmark_errors(e: QualityInputs) -> tuple[float, float]:
    """(landmark_error, landmark_error_worst), see `Measures`."""
    points = e.lifted.pose.head_to_camera(e.landmark_points.astype(np.float64))
    away = np.square(e.camera.project(points) - e.face.points[:, :2]).sum(1)
    known = np.isfinite(away)
    if not known.any():
        return 100.0, 100.0
    x, z = e.lifter.canonical[:, 0], e.lifter.canonical[:, 2]
    part = np.digitize(z, PARTS_Z[::-1]) * 2 + (x > 0)
    worst = max(float(away[known & (part == k)].mean()) for k in range(6) if (known & (part == k)).any())
    to_share = 100 / e.face.size
    return to_share * float(np.sqrt(away[known].mean())), to_share * float(np.sqrt(worst))


def template_distance(e: QualityInputs) -> float:
    """template_distance_mm, see `Measures`."""
    points = e.face.points.astype(np.float64)
    places = e.lifted.landmarks.astype(np.float64)
    scale, rotation, offset = similarity(points, places)
    return 1000 * float(np.sqrt(np.square(scale * points @ rotation.T + offset - places).sum(1).mean()))


def compare_template(e: QualityInputs) -> tuple[float, float]:
    """(network_moved_mm, silhouette_iou), see `Measures`."""
    there, before = np.isfinite(e.shape.front), e.guidance.maps[6] > 0
    iou = (there & before).sum() / max((there | before).sum(), 1)
    both = face_mask(e.guidance) & there & before
    if not both.any():
        return 1000.0, float(iou)
    template = e.guidance.maps[4][both] * DEPTH_UNIT + VOLUME_CENTRE_Z
    moved = np.abs(e.shape.front[both] - template).mean() / VOXELS_PER_METRE
    return 1000 * float(moved), float(iou)


def face_region_iou(e: QualityInputs) -> float:
    """face_region_iou, see `Measures`: convex outlines, drawn in the crop."""
    import cv2

    known = np.isfinite(e.landmark_points[:, 0])
    if known.sum() < 3:
        return 0.0
    points = e.lifted.pose.head_to_camera(e.landmark_points[known].astype(np.float64))
    masks = []
    for places in (e.camera.project(points), e.face.points[:, :2].astype(np.float64)):
        hull = cv2.convexHull(e.lifted.frame.photo_to_crop(places).astype(np.float32))
        mask = np.zeros(e.crop.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), (1,), shift=4)
        masks.append(mask > 0)
    mine, theirs = masks[0], masks[1]
    return float((mine & theirs).sum() / max((mine | theirs).sum(), 1))
