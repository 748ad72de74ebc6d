"""Photos of one person are measurements of one identity; who is unlike is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.detection.landmarks import FaceLandmarks
from core.geometry.frames import FRONTAL, HEAD_CENTER, AffineFrame, Camera, HeadPose, crop_frame_around
from core.geometry.pose import rotation_matrix
from core.lifting.hair_contrast import hair_contrast, hair_differs
from core.lifting.lifter import HeadPrior, LandmarkLifter
from core.lifting.person import USED, PersonPhoto, PersonSolver, PhotoView, without_texture
from core.reconstructor.further_photos import doubt_about
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass

MODELS = Path(__file__).resolve().parents[3] / "models"
CAMERA = Camera(1200.0, 320.0, 240.0)


@pytest.fixture(scope="module")
def solver() -> PersonSolver:
    return PersonSolver.load(LandmarkLifter.from_pretrained(MODELS), MODELS)


def lifted(solver, identity, rng, yaw=0.0, face_px=300.0, noise=1.0) -> PersonPhoto:
    """A photo as the lifter would lift it: what it follows of the truth, and noise."""
    model = solver.model
    expression = 0.5 * rng.normal(size=len(model.expression))
    true = (identity @ model.identity + expression @ model.expression) @ solver.to_principal
    # A posterior mean: less than the truth, with as much noise as leaves its residual unknown.
    unknown, axes = solver.unknown, solver.axes
    spread = np.sqrt(unknown * (1 - unknown)) * rng.normal(size=len(true))
    measured = axes @ ((1 - unknown) * (true @ axes) + noise * spread)
    coefficients = measured @ np.linalg.inv(solver.to_principal)
    vertices = model.mean + np.tensordot(coefficients.astype(np.float32), model.components, 1)
    rotation = FRONTAL @ rotation_matrix(np.array([0, 0, np.radians(yaw)]))
    pose = HeadPose(rotation, np.array([0, 0, 0.7]) - rotation @ HEAD_CENTER)
    template = solver.lifter.template
    prior = HeadPrior(crop_frame_around(CAMERA, pose), pose, vertices, template.landmarks(vertices))
    points = np.zeros((478, 3), np.float32)
    points[0, 1] = face_px
    return PersonPhoto(
        "photo.jpg", FaceLandmarks(points), CAMERA, prior, pattern=pattern_of(solver, identity, rng)
    )


def pattern_of(solver, identity, rng) -> np.ndarray:
    """Colors that go with an identity, as pictures show them."""
    found = solver.descriptor.pattern
    own = identity[: len(found.between)] * np.sqrt(found.between) + rng.normal(size=len(found.between))
    return found.mean + np.linalg.pinv(found.matrix).T @ own


def neutral_error(solver, found, true) -> float:
    """Mean distance, mm, of two neutral heads' vertices."""
    zero = np.zeros(len(solver.model.expression))
    difference = solver.model.vertices(found, zero) - solver.model.vertices(true, zero)
    return float(np.linalg.norm(difference, axis=1).mean() * 1000)


def test_several_photos_are_nearer_to_the_truth_than_one(solver):
    """Five people, three photos each."""
    single, together = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        identity = rng.normal(size=len(solver.model.identity))
        photos = [lifted(solver, identity, rng, yaw) for yaw in (0, 40, -40)]
        single += [neutral_error(solver, solver.solve([photo]).identity, identity) for photo in photos]
        together.append(neutral_error(solver, solver.solve(photos).identity, identity))
    assert np.mean(together) < 0.9 * np.mean(single)


def test_each_photo_keeps_an_expression_and_a_pose_of_its_own(solver):
    rng = np.random.default_rng(7)
    identity = rng.normal(size=len(solver.model.identity))
    photos = [lifted(solver, identity, rng, yaw) for yaw in (-30, 30)]
    shape = solver.solve(photos)
    for view, photo in zip(shape.views, photos, strict=True):
        assert view.prior.pose.angles[0] == pytest.approx(photo.prior.pose.angles[0], abs=5)
        moved = CAMERA.project(view.prior.pose.head_to_camera(view.prior.landmarks.astype(float)))
        before = CAMERA.project(photo.prior.pose.head_to_camera(photo.prior.landmarks.astype(float)))
        assert np.median(np.linalg.norm(moved - before, axis=1)) < 4  # pixels, 2.3 mm
    assert np.abs(shape.views[0].expression - shape.views[1].expression).max() > 0.05


def test_who_is_unlike_the_rest_is_found_and_nobody_else(solver):
    """Of ten triples of one person none is taken apart; an intruder of quite another face is found."""
    # The residual counts pictures with hands, scarves and wrong focal lengths, too.
    noise, found = 0.7, 0
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        identity = rng.normal(size=len(solver.model.identity))
        photos = [lifted(solver, identity, rng, yaw, noise=noise) for yaw in (0, 30, -50)]
        assert solver.unlike(photos) == []
        intruder = lifted(solver, -1.5 * identity, rng, noise=noise)
        found += solver.unlike([photos[0], intruder, photos[2]]) == [1]
    assert found >= 9
    assert solver.unlike(photos[:1]) == []


def test_hair_of_another_lightness_shows_another_person(solver):
    """Two photos have dark hair, the same face with light hair is left out; unknown hair is no reason."""
    rng = np.random.default_rng(5)
    identity = rng.normal(size=len(solver.model.identity))
    photos = [lifted(solver, identity, rng, yaw, noise=0.7) for yaw in (0, 30, -30)]
    for contrasts, expected in (
        ((-2.5, -0.2, -2.2), [1]),
        ((-2.5, None, -2.2), []),
        ((-2.5, -1.2, -2.2), []),
    ):
        seen = [replace(one, hair_contrast=hair) for one, hair in zip(photos, contrasts, strict=True)]
        assert solver.unlike(seen) == expected


@pytest.mark.parametrize("exposure", [0.4, 1.0])
def test_contrast_of_hair_does_not_depend_on_exposure(exposure):
    labels = np.full((SEGMENT_SIZE, SEGMENT_SIZE), SegmentClass.SKIN)
    labels[:100] = SegmentClass.HAIR
    probabilities = np.eye(8, dtype=np.float32)[labels].transpose(2, 0, 1)
    segmentation = Segmentation(probabilities, AffineFrame(np.eye(2, 3)))
    linear = exposure * np.where(labels == SegmentClass.HAIR, 0.05, 0.5)
    rgb = np.repeat(np.rint(255 * linear ** (1 / 2.2)).astype(np.uint8)[..., None], 3, axis=2)
    assert hair_contrast(rgb, segmentation) == pytest.approx(-2.3, abs=0.25)
    segmentation.probabilities[SegmentClass.HEADWEAR, :20] = 1
    assert hair_contrast(rgb, segmentation) is None
    assert not hair_differs(None, 1.0) and hair_differs(-2.5, 0.0) and not hair_differs(-2.5, -0.5)


def test_a_small_face_counts_less(solver):
    rng = np.random.default_rng(3)
    identity = rng.normal(size=len(solver.model.identity))
    large, small = lifted(solver, identity, rng), lifted(solver, identity, rng, face_px=50)
    assert small.weight < 0.5 * large.weight and small.fitness < large.fitness
    turned = lifted(solver, identity, rng, yaw=60)
    assert turned.turn == pytest.approx(60, abs=1) and turned.fitness < large.fitness


def test_a_view_says_all_that_a_camera_needs(solver):
    """What face.json says of it can be written, and puts the head where it is in the photo."""
    photo = lifted(solver, np.zeros(len(solver.model.identity)), np.random.default_rng(0), yaw=20)
    view = PhotoView("a.jpg", "0" * 64, (640, 480), USED, camera=CAMERA, prior=photo.prior, weight=0.5)
    document = view.document()
    pose = HeadPose(
        np.array(document["pose"]["rotation_head_to_camera"]), np.array(document["pose"]["translation_m"])
    )
    np.testing.assert_allclose(pose.head_to_camera(HEAD_CENTER), photo.prior.pose.head_to_camera(HEAD_CENTER))
    assert document["camera"]["focal_length_px"] == 1200 and "reason" not in document
    assert PhotoView("b.jpg", "", (0, 0), "unusable", "why").document()["reason"] == "why"


def test_texture_is_only_taken_of_photos_that_are_confirmed():
    main = PhotoView("a.jpg", "", (1, 1), USED, main=True, identity_confirmed=True)
    doubtful, unusable = PhotoView("b.jpg", "", (1, 1), USED), PhotoView("c.jpg", "", (0, 0), "unusable")
    assert without_texture([main, doubtful, unusable]) == ["b.jpg"] and without_texture([main]) == []
    assert doubt_about([main, doubtful]).endswith("without b.jpg.")
    assert "texture" not in doubt_about([main])
