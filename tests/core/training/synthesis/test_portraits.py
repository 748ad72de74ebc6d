"""Fitting the face model to portraits, and turning portraits in 3D: with the real face model where it is at
hand.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from core.geometry.frames import Camera, HeadPose
from core.training.face_models.ict_facekit import FaceModel
from core.training.synthesis.cameras import PICTURE_SIZE, head_rotation
from core.training.synthesis.face_model_fitting import PortraitFit, fit_portrait
from core.training.synthesis.face_profiling import PortraitViews, build_views, with_expression
from core.training.synthesis.person_variations import portrait_variation
from core.training.synthesis.portrait_library import Portrait, behind_person, person_mask

DATA = Path(os.environ.get("PHOTOBUST_DATA", Path(__file__).resolve().parents[5] / "shared"))

pytestmark = pytest.mark.skipif(
    not (DATA / "face_model").is_dir(), reason=f"no face model in {DATA} (set PHOTOBUST_DATA)"
)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return FaceModel(DATA / "face_model" / "ict_facekit.npz")


def test_fit_finds_a_known_head_again(model):
    rng = np.random.default_rng(5)
    # Any 478 points of the face will do; the outer corners of the eyes must be where the fit looks for them.
    marks = rng.choice(9000, 478, replace=False)
    marks[[33, 263]] = model.corners
    identity, expression = 0.7 * rng.normal(size=100), np.zeros(57)
    expression[model.expression_names.index("jawOpen")] = 0.3
    head = model.head(identity, expression)
    truth = PortraitFit(
        identity, expression, head_rotation(15, -8, 5), np.array([0.02, 0.03, 0.8]), 900.0, 0.0
    )
    points = truth.project(head.vertices[marks], 512, 512)
    fit = fit_portrait(model, marks, points, 512, 512)
    assert fit.error < 0.01
    turn = Rotation.from_matrix(fit.rotation @ truth.rotation.T).magnitude()
    assert np.degrees(turn) < 2.5
    again = fit.project(model.head(fit.identity, fit.expression).vertices[marks], 512, 512)
    np.testing.assert_allclose(again[:, :2], points[:, :2], atol=5)
    assert fit.expression[model.expression_names.index("jawOpen")] == pytest.approx(0.3, abs=0.15)


def test_portrait_turned_by_nothing_is_itself(model):
    fit = PortraitFit(
        np.zeros(100), np.zeros(57), head_rotation(5, 0, 0), np.array([0.0, 0.0, 0.9]), 900.0, 0.0
    )
    y, x = np.mgrid[0:512, 0:512]
    rgb = np.stack([x // 2, y // 2, np.full_like(x, 90)], -1).astype(np.uint8)  # color tells the place
    person = np.zeros((512, 512), np.float32)
    person[60:, 120:400] = 1
    marks = np.resize(model.landmarks68, 478)
    views = PortraitViews(build_views([Portrait("x", 1, rgb, fit, person)], model, marks), model)
    pose = HeadPose(fit.rotation, fit.translation)
    zoom = 0.8
    offset = (PICTURE_SIZE - 1) / 2 - 255.5 * zoom
    camera = Camera(900 * zoom, 255.5 * zoom + offset, 255.5 * zoom + offset)
    picture = views.render(0, pose, camera)
    nose = pose.head_to_camera(model.mean[model.landmarks68[30]])
    u, v = np.round(camera.project(nose)).astype(int)
    expected = (np.array([u, v]) - offset) / zoom / 2
    np.testing.assert_allclose(picture[v, u, :2], expected, atol=3)
    # Turned, the nose is where the pose says, and still has the nose's color.
    turned = HeadPose(head_rotation(30, 0, 0), pose.translation)
    at = np.round(camera.project(turned.head_to_camera(model.mean[model.landmarks68[30]]))).astype(int)
    assert at[0] - u > 10
    np.testing.assert_allclose(views.render(0, turned, camera)[at[1], at[0], :2], expected, atol=8)
    sample = views.sample(np.random.default_rng(0), "train")
    assert sample.rgb.shape == (PICTURE_SIZE, PICTURE_SIZE, 3)
    with pytest.raises(ValueError):
        views.sample(np.random.default_rng(0), "eval")
    # Other pictures of the same person: each another one, the same for the same seed, the face within it.
    one, again, other = (portrait_variation(views, 0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one.rgb == again.rgb).all() and np.abs(one.rgb.astype(float) - other.rgb).mean() > 5
    for made in (one, other):
        nose = made.camera.project(made.pose.head_to_camera(model.mean[model.landmarks68[30]]))
        assert (nose > 40).all() and (nose < PICTURE_SIZE - 40).all()


def test_what_is_near_a_face_follows_its_expression():
    before = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.2, 0.0, 0.0], [0.3, 0.0, 0.0]])
    after = before + np.array([[0.0, 0.01, 0.0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    points = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 0.1]])
    moved = with_expression(points, before, after) - points
    np.testing.assert_allclose(moved, [[0, 0.01, 0], [0, 0, 0], [0, 0, 0]], atol=1e-5)


def test_person_is_told_from_the_background(model):
    fit = PortraitFit(
        np.zeros(100), np.zeros(57), head_rotation(0, 0, 0), np.array([0.0, 0.0, 0.9]), 450.0, 0.0
    )
    rng = np.random.default_rng(0)
    rgb = (np.array([60, 120, 200]) + rng.normal(0, 8, (256, 256, 3))).clip(0, 255).astype(np.uint8)
    y, x = np.mgrid[0:256, 0:256]
    truth = (np.hypot((x - 128) / 48, (y - 118) / 72) < 1) | ((y > 175) & (np.abs(x - 128) < 90))
    rgb[truth] = (np.array([170, 110, 80]) + rng.normal(0, 8, (truth.sum(), 3))).clip(0, 255)
    mask = person_mask(model, fit, rgb)
    assert mask.shape == truth.shape
    assert ((mask > 0.5) == truth).mean() > 0.93
    behind = behind_person(rgb, mask).astype(float)
    np.testing.assert_allclose(behind.mean((0, 1)), [60, 120, 200], atol=12)
