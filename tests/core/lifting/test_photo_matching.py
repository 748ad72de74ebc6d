"""What two photos of a face show beside each other is found, and brings heads nearer to the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.detection.landmarks import FaceLandmarks
from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose, crop_frame_around
from core.geometry.mesh import shading_normals
from core.geometry.pose import rotation_matrix
from core.geometry.rasterize import fragments, interpolate, z_buffer
from core.lifting.lifter import HeadPrior, LandmarkLifter
from core.lifting.person import PersonPhoto, PersonSolver
from core.lifting.photo_matching import MatchedPhoto, match_sigma
from core.segmentation.segments import Segmentation, SegmentClass, segment_frame

MODELS = Path(__file__).resolve().parents[3] / "models"
SIDE = 400
CAMERA = Camera(900.0, (SIDE - 1) / 2, (SIDE - 1) / 2)
YAWS = (0.0, 40.0, -40.0)


@pytest.fixture(scope="module")
def solver() -> PersonSolver:
    return PersonSolver.load(LandmarkLifter.from_pretrained(MODELS), MODELS)


def pose_at(yaw: float) -> HeadPose:
    """A head turned by degrees."""
    rotation = FRONTAL @ rotation_matrix(np.array([0, 0, np.radians(yaw)]))
    return HeadPose(rotation, np.array([0.0, 0.0, 0.7]) - rotation @ HEAD_CENTER)


def picture(solver, vertices: np.ndarray, pose: HeadPose) -> np.ndarray:
    """A head with freckles, which are where they are on the skin."""
    points = pose.head_to_camera(vertices.astype(np.float64))
    triangles = solver.matcher.triangles
    pixels = CAMERA.project(points)
    triangle, pixel, bary, _ = fragments(pixels, triangles, SIDE)
    rng = np.random.default_rng(0)
    skin = 140 + 40 * rng.random((len(vertices), 3))
    nearness = interpolate(-points[:, 2], triangles, triangle, bary)
    index, color = z_buffer(pixel, nearness, interpolate(skin, triangles, triangle, bary), size=SIDE)
    color = np.where((index >= 0)[..., None].reshape(SIDE * SIDE, 1), color.reshape(-1, 3), 60)
    return color.reshape(SIDE, SIDE, 3).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(solver) -> tuple[np.ndarray, list[PersonPhoto]]:
    """The true identity, and photos whose lifted heads are all the average one."""
    model, template = solver.model, solver.lifter.template
    identity = np.random.default_rng(3).normal(size=len(model.identity))
    neutral = np.zeros(len(model.expression))
    true = model.vertices(identity, neutral)
    taken = []
    for yaw in YAWS:
        pose = pose_at(yaw)
        prior = HeadPrior(crop_frame_around(CAMERA, pose), pose, model.mean, template.landmarks(model.mean))
        face = FaceLandmarks(np.zeros((478, 3), np.float32))
        taken.append(PersonPhoto("a.jpg", face, CAMERA, prior, rgb=picture(solver, true, pose)))
    return identity, taken


def matched(solver, photo: PersonPhoto, segmentation: Segmentation | None = None) -> MatchedPhoto:
    return MatchedPhoto(photo.rgb, photo.camera, photo.prior.pose, solver.model.mean, segmentation)


def test_parallax_finds_what_all_lifted_heads_miss(solver, photos):
    """The freckles of three photos against lifted heads that are all wrong in the same way."""
    identity, taken = photos
    neutral = np.zeros(len(solver.model.expression))
    true = solver.model.vertices(identity, neutral)
    triangles = solver.matcher.triangles
    normals = shading_normals(true.astype(np.float64), triangles)

    def error(chosen: list[PersonPhoto]) -> float:
        head = solver.solve(chosen).views[0].prior.vertices
        off = np.abs(((head - true) * normals).sum(1))[solver.matcher.face]
        return float(np.median(off))

    without = error([replace(photo, rgb=None) for photo in taken])
    assert error(taken) < 0.6 * without


def test_nothing_is_matched_where_something_covers_the_face(solver, photos):
    """All of a photo is a hand; and then all is skin."""
    _, taken = photos
    frame = segment_frame(CAMERA, taken[1].prior.pose)
    counts = []
    for shown in (SegmentClass.SKIN, SegmentClass.OCCLUDER):
        probabilities = np.zeros((len(SegmentClass), 256, 256), np.float32)
        probabilities[shown] = 1
        pair = {
            0: matched(solver, taken[0]),
            1: matched(solver, taken[1], Segmentation(probabilities, frame)),
        }
        found = solver.matcher.match(pair, 0, 1)
        counts.append(0 if found is None else len(found.pixels))
    assert counts[0] > 100
    assert counts[1] == 0


def test_matches_whose_way_back_misses_count_less():
    """As do those at grazing angles and those without contrast."""
    sigma = match_sigma(np.array([0.1, 2.0, 0.1, 0.1]), np.array([0.9, 0.9, 0.4, 0.9]), np.full(4, 0.1))
    assert sigma[1] > 2 * sigma[0]
    assert sigma[2] > sigma[0]
    flat = match_sigma(np.array([0.1]), np.array([0.9]), np.array([0.02]))
    assert flat[0] > sigma[0]
