"""What can be measured of one head without knowing the truth: how well photo, landmarks, prior and surface
agree. `core.quality.report` classifies heads by it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ..detection.detector import FaceLandmarks
from ..geometry.frames import VOLUME_CENTER_Z, VOXELS_PER_METER, Camera
from ..geometry.pose import angle_between, umeyama
from ..lifting.lifter import HeadPrior, LandmarkLifter
from ..surface.isosurface import Isosurface
from ..volume.guidance import DEPTH_UNIT, Guidance
from .image import shading_residual, sharpness, truncation

#: What a redetection that finds no face counts as, about the worst of those that find it: fraction of the
#: face's size, degrees, and mm.
MISSED_ERROR = 0.1
MISSED_TURN_DEG = 15.0
MISSED_SHAPE_MM = 3.0
#: Heights in the head frame, meters, between upper, middle and lower face.
FACE_BANDS_Z = (0.005, -0.045)
#: Errors where nothing can be compared: % of the face's size, and mm.
NO_LANDMARKS_ERROR = 100.0
NO_FACE_MM = 1000.0
#: Confidence from which on a vertex of the surface counts as visible.
VISIBLE_CONFIDENCE = 0.5
#: Names of measures in face.json and quality_calibration.json, where they are others.
FILE_KEYS = {
    "redetection_error": "looks_disagree",
    "redetection_turn_deg": "looks_turn_deg",
    "redetection_shape_mm": "looks_shape_mm",
    "visible_fraction": "seen_share",
    "truncation": "cut_share",
}
_NAMES = {key: name for name, key in FILE_KEYS.items()}


def measure_key(name: str) -> str:
    """A measure's name in files."""
    return FILE_KEYS.get(name, name)


def measure_name(key: str) -> str:
    """The inverse of `measure_key`."""
    return _NAMES.get(key, key)


@dataclass(frozen=True)
class LiftedDetections:
    """Heads lifted from detections of one face, all in the same quick way.

    Attributes:
        detected: From the landmarks that the head was made from.
        redetected: From those redetections that found the face.
    """

    detected: HeadPrior
    redetected: Sequence[HeadPrior]


@dataclass(frozen=True)
class QualityInputs:
    """All that is known when a head has been made.

    Attributes:
        rgb: (H, W, 3) uint8, the photo.
        camera: Its camera.
        face: The landmarks that the head was made from.
        redetections: (distance in sizes of the face, landmarks) of each further detection of the face.
        lifter: What lifts landmarks.
        prior: The head that it gave.
        guidance: The maps that the network saw.
        crop: (192, 192, 3) uint8, the crop.
        isosurface: The surface.
        confidence: (N,) float32, 0..1, of its vertices.
        landmark_points: (478, 3) float32 on the surface, head frame, meters, NaN where it has none.
        lifted: What `lift_detections` gives, if it was asked already.
    """

    rgb: np.ndarray
    camera: Camera
    face: FaceLandmarks
    redetections: Sequence[tuple[float, FaceLandmarks]]
    lifter: LandmarkLifter
    prior: HeadPrior
    guidance: Guidance
    crop: np.ndarray
    isosurface: Isosurface
    confidence: np.ndarray
    landmark_points: np.ndarray
    lifted: LiftedDetections | None = None


@dataclass(frozen=True)
class Measures:
    """Figures of one head.

    Attributes:
        face_height_px: Longer side of the landmarks' box, photo pixels.
        detection_score: 0..1, how well the detector's own detections agree.
        redetection_error: Mean distance of further detections' landmarks from those used, % of the face's
            size, a tenth of it where no face was found.
        redetection_turn_deg: Turn of the heads lifted from these detections against this one, mean, degrees.
        redetection_shape_mm: How far their vertices are from its, mean, mm, in the head frame.
        landmark_error: Root mean square distance of the surface's landmarks, projected into the photo, from
            the detected ones, % of the face's size.
        landmark_error_worst: The same in the worst sixth of the face.
        template_distance_mm: Root mean square distance of the detected landmarks, with their depth, from the
            prior's after a similarity, mm.
        network_moved_mm: Mean distance by which the network moved the face's surface along the rays, mm.
        silhouette_iou: Of the surface's outline and the prior's, 0..1.
        face_region_iou: Of the outlines of the detected landmarks and of the surface's, 0..1.
        shading_residual: What smooth light on this surface leaves unexplained of the face's brightness, of
            its mean, 0..1.
        sharpness: Log10 of the crop's fine contrast over its contrast, see `core.quality.image`.
        yaw_deg: Of the head, degrees.
        pitch_deg: Of the head, degrees.
        roll_deg: Of the head, degrees.
        visible_fraction: Of the surface's vertices, 0..1.
        truncation: Fraction of the face's box beyond the photo's edge, 0..1.
        focal_known: 1 if the focal length comes from EXIF or the user, else 0.
        perspective: 1 / distance of the camera, 1/m.
        landmarks_on_surface: How many of the 478.
    """

    face_height_px: float
    detection_score: float
    redetection_error: float
    redetection_turn_deg: float
    redetection_shape_mm: float
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
    visible_fraction: float
    truncation: float
    focal_known: float
    perspective: float
    landmarks_on_surface: float

    @classmethod
    def names(cls) -> list[str]:
        """The measures' names in the code."""
        return [field.name for field in fields(cls)]

    def document(self) -> dict[str, float]:
        """All measures under the names that files have for them."""
        return {measure_key(name): float(value) for name, value in asdict(self).items()}

    def rounded(self) -> dict[str, float]:
        """`document`, rounded."""
        return {key: round(value, 4) for key, value in self.document().items()}


def measure(inputs: QualityInputs) -> Measures:
    """Measure one head."""
    prior, face = inputs.prior, inputs.face
    yaw, pitch, roll = prior.pose.angles
    redetection_error, turn, shape = compare_redetections(inputs)
    error, worst = landmark_errors(inputs)
    moved, silhouette = compare_prior(inputs)
    return Measures(
        face_height_px=face.size,
        detection_score=face.score,
        redetection_error=redetection_error,
        redetection_turn_deg=turn,
        redetection_shape_mm=shape,
        landmark_error=error,
        landmark_error_worst=worst,
        template_distance_mm=template_distance(inputs),
        network_moved_mm=moved,
        silhouette_iou=silhouette,
        face_region_iou=face_region_iou(inputs),
        shading_residual=shading_residual(inputs.crop, inputs.isosurface.front, face_mask(inputs.guidance)),
        sharpness=sharpness(inputs.crop, face_mask(inputs.guidance)),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        visible_fraction=float((inputs.confidence > VISIBLE_CONFIDENCE).mean()),
        truncation=truncation(face.box, inputs.rgb.shape),
        focal_known=float(inputs.camera.source != "default"),
        perspective=1.0 / prior.frame.distance,
        landmarks_on_surface=float(np.isfinite(inputs.landmark_points[:, 0]).sum()),
    )


def face_mask(guidance: Guidance) -> np.ndarray:
    """(192, 192) bool, crop frame: where the detected face mesh lies."""
    return np.asarray(np.abs(guidance.maps[:3]).sum(0) > 0)


def lift_detections(
    face: FaceLandmarks,
    redetections: Sequence[tuple[float, FaceLandmarks]],
    lifter: LandmarkLifter,
    camera: Camera,
    rgb: np.ndarray,
) -> LiftedDetections:
    """Lift a face and those redetections that found it, of one crop and without their shading: that takes
    longer than the rest of a lift, and what is compared are detections.

    Args:
        face: As it was detected.
        redetections: As in `QualityInputs`.
        lifter: What lifts them.
        camera: Of the photo.
        rgb: (H, W, 3) uint8, the photo.
    """
    found = [again for distance, again in redetections if distance < MISSED_ERROR]
    detected, *redetected = (lifter.lift(one, camera, rgb, refined=False) for one in (face, *found))
    return LiftedDetections(detected, redetected)


def compare_redetections(inputs: QualityInputs) -> tuple[float, float, float]:
    """(redetection_error, redetection_turn_deg, redetection_shape_mm), see `Measures`."""
    redetections = inputs.redetections
    if not redetections:
        return 0.0, 0.0, 0.0
    error = 100 * float(np.mean([min(distance, MISSED_ERROR) for distance, _ in redetections]))
    lifted = inputs.lifted or lift_detections(
        inputs.face, redetections, inputs.lifter, inputs.camera, inputs.rgb
    )
    turns = [MISSED_TURN_DEG] * (len(redetections) - len(lifted.redetected))
    shapes = [MISSED_SHAPE_MM] * len(turns)
    for other in lifted.redetected:
        turns.append(angle_between(other.pose.rotation, lifted.detected.pose.rotation))
        away = np.linalg.norm(other.vertices - lifted.detected.vertices, axis=1)
        shapes.append(1000 * float(away.mean()))
    return error, float(np.mean(turns)), float(np.mean(shapes))


def landmark_errors(inputs: QualityInputs) -> tuple[float, float]:
    """(landmark_error, landmark_error_worst), see `Measures`."""
    points = inputs.prior.pose.head_to_camera(inputs.landmark_points.astype(np.float64))
    square = np.square(inputs.camera.project(points) - inputs.face.points[:, :2]).sum(1)
    known = np.isfinite(square)
    if not known.any():
        return NO_LANDMARKS_ERROR, NO_LANDMARKS_ERROR
    x, z = inputs.lifter.canonical[:, 0], inputs.lifter.canonical[:, 2]
    sixth = np.digitize(z, FACE_BANDS_Z[::-1]) * 2 + (x > 0)
    worst = max(float(square[known & (sixth == k)].mean()) for k in range(6) if (known & (sixth == k)).any())
    percent = 100 / inputs.face.size
    return percent * float(np.sqrt(square[known].mean())), percent * float(np.sqrt(worst))


def template_distance(inputs: QualityInputs) -> float:
    """template_distance_mm, see `Measures`."""
    detected = inputs.face.points.astype(np.float64)
    points = inputs.prior.landmarks.astype(np.float64)
    scale, rotation, offset = umeyama(detected, points)
    return 1000 * float(np.sqrt(np.square(scale * detected @ rotation.T + offset - points).sum(1).mean()))


def compare_prior(inputs: QualityInputs) -> tuple[float, float]:
    """(network_moved_mm, silhouette_iou), see `Measures`."""
    maps, front = inputs.guidance.maps, inputs.isosurface.front
    covered, before = np.isfinite(front), maps[6] > 0
    iou = (covered & before).sum() / max((covered | before).sum(), 1)
    both = face_mask(inputs.guidance) & covered & before
    if not both.any():
        return NO_FACE_MM, float(iou)
    prior = maps[4][both] * DEPTH_UNIT + VOLUME_CENTER_Z
    moved = np.abs(front[both] - prior).mean() / VOXELS_PER_METER
    return 1000 * float(moved), float(iou)


def face_region_iou(inputs: QualityInputs) -> float:
    """face_region_iou, see `Measures`: convex outlines, drawn in the crop."""
    import cv2

    known = np.isfinite(inputs.landmark_points[:, 0])
    if known.sum() < 3:
        return 0.0
    points = inputs.prior.pose.head_to_camera(inputs.landmark_points[known].astype(np.float64))
    masks = []
    for pixels in (inputs.camera.project(points), inputs.face.points[:, :2].astype(np.float64)):
        hull = cv2.convexHull(inputs.prior.frame.photo_to_crop(pixels).astype(np.float32))
        mask = np.zeros(inputs.crop.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round(hull * 16).astype(np.int32), (1,), shift=4)
        masks.append(mask > 0)
    surface, detected = masks
    return float((surface & detected).sum() / max((surface | detected).sum(), 1))
