"""One identity from several views: found where the views determine it, kept where they do not."""

import copy
from pathlib import Path

import numpy as np
import pytest

from core.errors import ModelError
from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose
from core.geometry.mesh import shading_normals
from core.geometry.pose import rotation_matrix
from core.lifting.lifter import LandmarkLifter
from core.lifting.shape_model import FILE_NAME, FaceShapeModel
from core.lifting.view_solver import LinearObservation, SurfaceMatches, View, ViewSolver, whitening_of
from core.runtime.stored_weights import StoredWeights
from core.runtime.weights import model_arrays

MODELS = Path(__file__).resolve().parents[3] / "models"
CAMERA = Camera(1200.0, 320.0, 240.0)


@pytest.fixture(scope="module")
def lifter() -> LandmarkLifter:
    return LandmarkLifter.from_pretrained(MODELS)


@pytest.fixture(scope="module")
def solver(lifter) -> ViewSolver:
    return ViewSolver(FaceShapeModel.load(lifter, MODELS))


def pose_at(yaw: float, distance: float = 0.7) -> HeadPose:
    """A head turned by degrees."""
    rotation = FRONTAL @ rotation_matrix(np.array([0, 0, np.radians(yaw)]))
    return HeadPose(rotation, np.array([0.0, 0.0, distance]) - rotation @ HEAD_CENTER)


def landmarks_seen(solver, template, identity, expression, pose, camera, sigma=0.5):
    """Observations of all landmarks of a head."""
    basis = solver.model.points(template.landmark_triangles, template.landmark_bary)
    pixels = camera.project(pose.head_to_camera(basis.at(identity, expression)))
    return solver.points(template.landmark_triangles, pixels, sigma, template.landmark_bary)


def face_error(solver, found, true) -> float:
    """Mean distance, mm, of two neutral heads' vertices."""
    zero = np.zeros(len(solver.model.expression))
    difference = solver.model.vertices(found, zero) - solver.model.vertices(true, zero)
    return float(np.linalg.norm(difference, axis=1).mean() * 1000)


def test_heads_are_split_into_identity_and_expression_and_put_together_again(solver):
    """What the two make is what was split, to half a millimeter."""
    rng = np.random.default_rng(0)
    head = solver.model.vertices(rng.normal(size=60), rng.normal(size=30))
    identity, expression = solver.model.split(solver.model.coefficients(head))
    assert np.abs(solver.model.vertices(identity, expression) - head).max() < 5e-4


def test_views_with_expressions_cameras_and_poses_of_their_own_give_one_identity(solver, lifter):
    """Started at the average head, poses some degrees off and focal lengths a tenth off."""
    rng = np.random.default_rng(1)
    identity = 0.7 * rng.normal(size=60)
    views, poses, expressions = [], [], []
    for yaw in (-45, 0, 50):
        pose, expression = pose_at(yaw), 0.5 * rng.normal(size=30)
        seen = landmarks_seen(solver, lifter.template, identity, expression, pose, CAMERA, 0.05)
        started = Camera(CAMERA.focal_px * 1.1, CAMERA.cx, CAMERA.cy)
        views.append(View(started, pose_at(yaw + 4), (seen,), focal_spread=0.3))
        poses.append(pose)
        expressions.append(expression)
    solution = solver.solve(views)
    assert face_error(solver, solution.identity, identity) < 0.05
    for found, pose, expression in zip(solution.views, poses, expressions, strict=True):
        assert found.camera.focal_px == pytest.approx(CAMERA.focal_px, rel=0.005)
        assert np.abs(found.pose.angles - np.array(pose.angles)).max() < 0.1
        assert np.median(found.residuals[0]) < 0.2  # a hundredth of a pixel
        assert np.linalg.norm(found.expression - expression) < np.linalg.norm(expression)


def test_a_second_view_says_more_than_one(solver, lifter):
    """Depth comes from parallax: with the same noise, front and side together are nearer to the truth."""
    rng = np.random.default_rng(2)
    identity, neutral = rng.normal(size=60), np.zeros(30)
    views = []
    for yaw in (0, 60):
        seen = landmarks_seen(solver, lifter.template, identity, neutral, pose_at(yaw), CAMERA, 1.0)
        noisy = seen.pixels + rng.normal(size=seen.pixels.shape)
        views.append(
            View(
                CAMERA,
                pose_at(yaw),
                (
                    solver.points(
                        lifter.template.landmark_triangles, noisy, 1.0, lifter.template.landmark_bary
                    ),
                ),
            )
        )
    alone = [face_error(solver, solver.solve([view]).identity, identity) for view in views]
    both = solver.solve(views)
    assert face_error(solver, both.identity, identity) < 0.9 * min(alone)
    assert np.linalg.eigvalsh(both.information).min() >= 1 - 1e-9  # never less than the prior


def test_what_two_photos_show_beside_each_other_gives_depth(solver, lifter):
    """Points matched between two photos, whose place on the head nobody knows, and nothing else."""
    rng = np.random.default_rng(4)
    identity, neutral = rng.normal(size=60), np.zeros(30)
    start, model = np.zeros(60), solver.model
    corners = np.flatnonzero(model.weight > 0.5 * model.weight.max())[::3]
    basis = model.points(corners)
    poses = [pose_at(0), pose_at(40)]
    pixels = [CAMERA.project(pose.head_to_camera(basis.at(identity, neutral))) for pose in poses]
    triangles = lifter.template.solid_triangles
    triangles = triangles[(triangles < len(model.mean)).all(1)]
    normals = shading_normals(model.vertices(start, neutral).astype(np.float64), triangles)[corners]
    facing = normals @ poses[0].rotation[2] < -0.3
    pairs = [pixel[facing] for pixel in pixels]
    basis = model.points(corners[facing])
    sigma = np.full(facing.sum(), 0.3)
    matches = SurfaceMatches(0, 1, basis, normals[facing], *pairs, sigma, 4.0, 3.0)
    still = np.full(6, 0.01)
    views = [View(CAMERA, pose, pose_spread=still) for pose in poses]
    found = solver.solve(views, matches=[matches])
    assert face_error(solver, found.identity, identity) < 0.5 * face_error(solver, start, identity)
    points = model.points(corners).at(found.identity, found.views[0].expression)
    off = np.abs(((points - model.points(corners).at(identity, neutral)) * normals).sum(1))[facing]
    assert np.median(off) < 2e-4


def test_outliers_pull_little_if_errors_may_be_large(solver, lifter):
    """A tenth of the landmarks forty pixels off."""
    identity, neutral = np.zeros(60), np.zeros(30)
    template = lifter.template
    seen = landmarks_seen(solver, template, identity, neutral, pose_at(10), CAMERA)
    wrong = seen.pixels.copy()
    wrong[::10] += [40.0, -25.0]
    errors = []
    for freedom in (None, 3.0):
        points = solver.points(template.landmark_triangles, wrong, 0.5, template.landmark_bary, freedom)
        errors.append(
            face_error(solver, solver.solve([View(CAMERA, pose_at(10), (points,))]).identity, identity)
        )
    assert errors[1] < 0.1 < 1.0 < errors[0]


def test_a_pin_moves_its_point_there_and_leaves_the_rest(solver):
    """One vertex dragged by 12 pixels; the rest moves less; the same again gives the same bytes."""
    rng = np.random.default_rng(3)
    start, expression = 0.5 * rng.normal(size=60), 0.3 * rng.normal(size=30)
    pose, vertex = pose_at(0), 100
    head = solver.model.vertices(start, expression).astype(np.float64)
    pixel = CAMERA.project(pose.head_to_camera(head[[vertex]])) + np.array([0.0, 12.0])
    view = View(
        CAMERA,
        pose,
        (solver.points(np.array([vertex]), pixel, 0.05),),
        (LinearObservation.around(start, expression, 0.5),),
        pose_spread=np.zeros(6),
    )
    first, second = (solver.solve([view], start, [expression]) for _ in range(2))
    moved = solver.model.vertices(first.identity, first.views[0].expression).astype(np.float64)
    assert np.abs(CAMERA.project(pose.head_to_camera(moved[[vertex]])) - pixel).max() < 1.0
    # 12 pixels are 7 mm there.
    assert np.median(np.linalg.norm(moved - head, axis=1)) < 0.005
    np.testing.assert_array_equal(first.views[0].pose.rotation, pose.rotation)
    np.testing.assert_array_equal(first.identity, second.identity)


def test_what_is_fixed_stays(solver, lifter):
    """Identity and expression as they start; the pose alone is found."""
    identity, expression = np.ones(60) * 0.3, np.ones(30) * 0.2
    seen = landmarks_seen(solver, lifter.template, identity, expression, pose_at(20), CAMERA)
    view = View(CAMERA, pose_at(14), (seen,), fixed_expression=True)
    solution = solver.solve([view], identity, [expression], fixed_identity=True)
    np.testing.assert_array_equal(solution.identity, identity)
    np.testing.assert_array_equal(solution.views[0].expression, expression)
    assert solution.views[0].pose.angles[0] == pytest.approx(pose_at(20).angles[0], abs=0.05)


def test_covariances_weigh_directions(solver):
    """Whitening by a covariance gives unit covariance; standard deviations are a special case."""
    covariance = np.array([[[4.0, 1.0], [1.0, 9.0]]])
    whitening = whitening_of(covariance, 1)[0]
    np.testing.assert_allclose(whitening @ covariance[0] @ whitening.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(whitening_of(np.array([2.0, 4.0]), 2)[:, 0, 0], [0.5, 0.25])
    with pytest.raises(ValueError, match="no view"):
        solver.solve([])


def test_a_shape_model_of_another_lifter_is_refused(lifter):
    """Its components are those of the lifter, or it means nothing."""
    with model_arrays(MODELS / FILE_NAME) as arrays:
        kept = {name: arrays[name] for name in arrays}
    assert FaceShapeModel.of(lifter, kept).components is lifter.weights["basis"]
    rotated = copy.copy(lifter)  # the same heads, by other coefficients
    rotated.weights = StoredWeights({**lifter.weights, "basis": lifter.weights["basis"][::-1]})
    with pytest.raises(ModelError, match=r"another lifter.*face_shape_model\.py"):
        FaceShapeModel.of(rotated, kept)
