"""The table that the quality report is calibrated on: measures of reconstructions of held-out synthetic
pictures, some of them degraded, beside their true errors.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...detection.detector import FaceDetector, FaceLandmarks
from ...errors import ReconstructionError
from ...geometry.frames import Camera
from ...lifting.lifter import LandmarkLifter
from ...quality.measures import QualityInputs, measure
from ...surface.isosurface import Isosurface, extract_isosurface
from ...surface.landmarks import landmarks_on_surface
from ...surface.prior_mesh import PriorMesh
from ...surface.vertex_colors import vertex_visibility
from ...volume.predictor import VolumePredictor
from ..data.shards import Shard, shard_paths
from ..evaluation.ground_truth import TrueHeads
from ..evaluation.methods import Case
from ..evaluation.metrics import Estimate, find_alignment, place_true_head
from ..synthesis.sample import Sample

#: The shards keep only pictures whose face was found where it is. For what else users bring, this fraction of
#: the pictures is degraded in one way each, and in the last one landmarks are put where the face is not.
FLAWS = {"none": 0.55, "small": 0.12, "blurred": 0.1, "cut": 0.1, "covered": 0.08, "wrong": 0.05}
SEED = 7
#: Faces that are made small get a height, pixels, between these.
SMALL_PX = (42.0, 120.0)


@dataclass(frozen=True)
class Degraded:
    """A picture with a flaw: the sample with its changed picture and camera; amount: of the flaw, 0..1."""

    flaw: str
    amount: float
    sample: Sample


def degrade_sample(sample: Sample, rng: np.random.Generator) -> Degraded:
    """The sample with one flaw or none, at random."""
    flaw = str(rng.choice(list(FLAWS), p=list(FLAWS.values())))
    low, high = sample.landmarks[:, :2].min(0), sample.landmarks[:, :2].max(0)
    size = float((high - low).max())
    picture, camera = sample.picture, sample.scene.camera
    amount, zoom = float(rng.random()), 1.0
    if flaw == "small":
        height = SMALL_PX[1] * (SMALL_PX[0] / SMALL_PX[1]) ** amount
        picture, zoom = shrunk(picture, min(1.0, height / size))
        camera = Camera(
            camera.focal_px * zoom,
            (camera.cx + 0.5) * zoom - 0.5,
            (camera.cy + 0.5) * zoom - 0.5,
            camera.source,
        )
    elif flaw == "blurred":
        picture = cv2.GaussianBlur(picture, (0, 0), 0.01 * 8**amount * size)
    elif flaw == "cut":
        picture, corner = cut(picture, low, high, int(rng.integers(4)), 0.02 + 0.38 * amount)
        camera = replace(camera, cx=camera.cx - corner[0], cy=camera.cy - corner[1])
    elif flaw == "covered":
        picture = covered(picture, (low + high) / 2, size, 0.15 + 0.45 * amount, rng)
    scene = replace(sample.scene, camera=camera, assumed_focal_px=sample.scene.assumed_focal_px * zoom)
    return Degraded(flaw, amount, replace(sample, picture=picture, scene=scene))


def shrunk(picture: np.ndarray, zoom: float) -> tuple[np.ndarray, float]:
    """A picture made smaller.

    Args:
        picture: (H, W, 3) uint8, square.
        zoom: by about which factor, at most 1.

    Returns:
        (h, h, 3) uint8, and the exact factor.
    """
    side = max(16, round(picture.shape[1] * zoom))
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), side / picture.shape[1]


def cut(
    picture: np.ndarray, low: np.ndarray, high: np.ndarray, side: int, fraction: float
) -> tuple[np.ndarray, tuple[int, int]]:
    """The picture without what lies beyond a fraction of the face's box, from one of four sides.

    Args:
        picture: (H, W, 3) uint8.
        low: (2,) the box's smallest x and y, pixels.
        high: (2,) its greatest.
        side: 0 left, 1 right, 2 top, 3 bottom.
        fraction: of the box that is cut off.

    Returns:
        (h, w, 3) uint8, and the corner (x, y) of the picture at which it begins.
    """
    height, width = picture.shape[:2]
    x0 = int(low[0] + fraction * (high - low)[0]) if side == 0 else 0
    x1 = int(high[0] - fraction * (high - low)[0]) if side == 1 else width
    y0 = int(low[1] + fraction * (high - low)[1]) if side == 2 else 0
    y1 = int(high[1] - fraction * (high - low)[1]) if side == 3 else height
    x0, y0 = max(x0, 0), max(y0, 0)
    return np.ascontiguousarray(picture[y0 : max(y1, y0 + 16), x0 : max(x1, x0 + 16)]), (x0, y0)


def covered(
    picture: np.ndarray, center: np.ndarray, size: float, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """The picture with a plain ellipse over a part of the face.

    Args:
        picture: (H, W, 3) uint8.
        center: (2,) of the face, pixels.
        size: of the face, pixels.
        fraction: of this, about the ellipse's axes.
        rng: random numbers.

    Returns:
        (H, W, 3) uint8.
    """
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5) * size
    middle = center + distance * np.array([np.cos(angle), np.sin(angle)])
    axes = (int(fraction * size / 2 * rng.uniform(0.7, 1.4)), int(fraction * size / 2))
    color = [int(v) for v in rng.integers(20, 235, 3)]
    picture = picture.copy()
    cv2.ellipse(
        picture,
        (int(middle[0]), int(middle[1])),
        axes,
        float(rng.uniform(0, 180)),
        0,
        360,
        color,
        cv2.FILLED,
    )
    return picture


def misplaced(face: FaceLandmarks, amount: float, rng: np.random.Generator) -> FaceLandmarks:
    """Landmarks moved, turned in the picture and scaled away from the face that was found.

    Args:
        face: as detected.
        amount: 0 (a little) to 1 (a lot).
        rng: random numbers.
    """
    points = face.points.astype(np.float64)
    center, size = points.mean(0), face.size
    angle = np.radians((10 + 40 * amount) * rng.choice([-1, 1]))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    move = np.append(rng.normal(0, 0.05 + 0.15 * amount, 2) * size, 0)
    points = (points - center) @ turn.T * np.exp(rng.normal(0, 0.15)) + center + move
    return replace(face, points=points.astype(np.float32))


class TableBuilder:
    """Reconstructs pictures as the engine does and writes down measures and true errors."""

    def __init__(
        self, detector: FaceDetector, lifter: LandmarkLifter, predictor: VolumePredictor, truths: TrueHeads
    ) -> None:
        self.detector, self.lifter, self.predictor, self.truths = detector, lifter, predictor, truths

    def row(self, index: int, sample: Sample) -> dict[str, Any]:
        """One picture: what it is and, where a head came out, its "measures" and "errors"."""
        rng = np.random.default_rng([SEED, index])
        degraded = degrade_sample(sample, rng)
        sample = degraded.sample
        row: dict[str, Any] = {
            "index": index,
            "flaw": degraded.flaw,
            "amount": round(degraded.amount, 3),
            "source": sample.source,
            "true_yaw": round(float(sample.scene.pose.angles[0]), 2),
        }
        face = self._find(sample.picture)
        if face is None:
            return row
        if degraded.flaw == "wrong":
            face = misplaced(face, degraded.amount, rng)
        camera = sample.scene.assumed_camera
        known = sample.scene.assumed_focal_px == sample.scene.camera.focal_px
        camera = replace(camera, source="exif" if known else "default")
        redetections = self.detector.redetect(sample.picture, face)
        if degraded.flaw == "wrong":
            # Scored as the detector scores its own detections.
            nearest = min(distance for distance, _ in redetections)
            face = replace(face, score=max(0.0, 1 - 10 * nearest))
        try:
            inputs, estimate = self._reconstruct(sample, face, camera, redetections)
            errors = true_errors(estimate, self.truths, sample, camera, index)
        except (ReconstructionError, ValueError) as error:
            return {**row, "failed": str(error)}
        measures = measure(inputs).document()
        return {**row, "measures": measures, "errors": errors}

    def _find(self, picture: np.ndarray) -> FaceLandmarks | None:
        from ...reconstructor.inputs import SMALLEST_FACE

        faces = self.detector.detect(picture, max_faces=1)
        return faces[0] if faces and faces[0].size >= SMALLEST_FACE else None

    def _reconstruct(
        self,
        sample: Sample,
        face: FaceLandmarks,
        camera: Camera,
        redetections: list[tuple[float, FaceLandmarks]],
    ) -> tuple[QualityInputs, Estimate]:
        """What `core.reconstructor` does, without colors."""
        start = Case(
            sample.picture, face.points, camera, self.lifter, face.attempt, face.profile_points
        ).start
        prior, guidance = start.head, start.guidance
        frame, pose = prior.frame, prior.pose
        volume = self.predictor.predict(start.crop, guidance)
        shape = extract_isosurface(volume, frame, pose, PriorMesh.of(prior, self.lifter.template))
        ibug = self.lifter.template.landmarks68(prior.vertices.astype(np.float64))
        points = np.concatenate([prior.landmarks.astype(np.float64), ibug])
        found = landmarks_on_surface(shape, camera.project(pose.head_to_camera(points)), points, frame, pose)
        landmarks, marks = found[: len(prior.landmarks)], found[len(prior.landmarks) :].astype(np.float64)
        marks = np.where(np.isfinite(marks), marks, ibug)
        inputs = QualityInputs(
            sample.picture,
            camera,
            face,
            redetections,
            self.lifter,
            prior,
            guidance,
            start.crop,
            shape,
            confidence(shape, prior.frame.crop_to_photo(shape.volume_points[:, :2]), sample.picture.shape),
            landmarks,
        )
        estimate = Estimate(
            pose.head_to_camera(shape.vertices.astype(np.float64)),
            shape.faces,
            pose.head_to_camera(landmarks.astype(np.float64)),
            pose.head_to_camera(marks),
            None,
        )
        return inputs, estimate


def confidence(shape: Isosurface, points: np.ndarray, picture: tuple[int, ...]) -> np.ndarray:
    """As `core.surface.vertex_colors.color_from_photo`'s, but 0 for what it copies to hidden vertices.

    Args:
        shape: the surface.
        points: (N, 2) its vertices, photo frame, pixels.
        picture: height and width, pixels, first.

    Returns:
        (N,) float32 0..1.
    """
    trust, cosine = vertex_visibility(shape)
    inside = ((points >= -0.5) & (points <= [picture[1] - 0.5, picture[0] - 0.5])).all(1)
    return np.where(inside, trust * (0.5 + 0.5 * cosine), np.float32(0))


def true_errors(
    estimate: Estimate, truths: TrueHeads, sample: Sample, camera: Camera, index: int
) -> dict[str, float]:
    """Mean distance of the true face from the surface.

    Args:
        estimate: the reconstructed head.
        truths: knows the samples' true heads.
        sample: what was reconstructed.
        camera: that the reconstruction assumed.
        index: of the sample, the seed of the points that are compared.

    Returns:
        mm, "placed" where the reconstruction has it, and "aligned" by a similarity.
    """
    true = truths.of(sample, np.random.default_rng(index))
    found = find_alignment(estimate, true.points, true.landmarks)
    aligned = found.mesh.nearest(found.to_mesh(true.points))[0] * found.scale * 1000
    placed, size = place_true_head(true, estimate, camera)
    distance = found.mesh.nearest(placed.points)[0] / size * 1000
    return {"placed": float(distance.mean()), "aligned": float(aligned.mean())}


class HeldOut:
    """The held-out pictures, in the order in which they are best used.

    order: (N,) numbers of those whose true heads are known, the bins of yaw in turn for as long as they last,
    so that turned faces, which are rare among those that are found, count.
    """

    def __init__(self, folder: Path) -> None:
        self._shards = [Shard(path) for path in shard_paths(folder, "eval")]
        self._places = [(shard, i) for shard in self._shards for i in range(len(shard))]
        bins: dict[int, list[int]] = {}
        for number, (shard, i) in enumerate(self._places):
            sample = shard.sample(i, picture=False)
            if not sample.turned:  # the true heads of portraits turned in 3D are not known
                bins.setdefault(sample.yaw_bin, []).append(number)
        rounds = zip_longest(*(bins[name] for name in sorted(bins)))
        self.order = [number for numbers in rounds for number in numbers if number is not None]

    def __getitem__(self, number: int) -> Sample:
        shard, i = self._places[number]
        return shard.sample(i)


def read_table(path: Path) -> dict[int, dict[str, Any]]:
    """The rows that were written so far by number; a last line that was cut off is left out."""
    rows = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            rows[int(row["index"])] = row
    return rows


def write_table(path: Path, held_out: HeldOut, count: int, builder: TableBuilder) -> Iterator[int]:
    """Write the rows of the first `count` pictures that are not there yet, and give how many there are."""
    done = read_table(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in done.values()), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        for position, number in enumerate(held_out.order[:count], 1):
            if number in done:
                continue
            file.write(json.dumps(builder.row(number, held_out[number])) + "\n")
            file.flush()
            yield position
