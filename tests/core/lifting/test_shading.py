"""The head's refinement by shading: its derivatives, what it recovers, what it leaves alone."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import ModelError
from core.geometry.frames import FRONTAL, AffineFrame, Camera
from core.geometry.mesh import shading_normals
from core.geometry.pose import WeakPerspectivePose, rotation_matrix
from core.geometry.rasterize import fragments, interpolate, z_buffer
from core.geometry.spherical_harmonics import sh_basis
from core.geometry.visibility import front_facing
from core.lifting.lifter import LandmarkLifter
from core.lifting.shading import (
    BLUR_PX,
    CONFIDENCE,
    FILE_NAME,
    PICTURE_SIZE,
    POSE,
    FacePicture,
    Shading,
    ShadingModel,
)

MODELS = Path(__file__).resolve().parents[3] / "models"
CAMERA = Camera(1500.0, 95.5, 95.5)
LIGHT = np.array([1.0, -0.3, -0.5, 0.35, 0.05, 0.02, 0.05, -0.04, 0.03])


@pytest.fixture(scope="module")
def lifter() -> LandmarkLifter:
    return LandmarkLifter.from_pretrained(MODELS)


@pytest.fixture(scope="module")
def model(lifter) -> ShadingModel:
    assert lifter.shading is not None
    return lifter.shading


@pytest.fixture(scope="module")
def pose() -> WeakPerspectivePose:
    """A head a little turned and raised, as large as in the lifter's pictures."""
    turn = rotation_matrix(np.array([0.1, 0.35, 0.0]))
    return WeakPerspectivePose(turn @ FRONTAL, np.array([95.5, 95.5]), 720.0)


def clay_picture(model: ShadingModel, pose: WeakPerspectivePose, vertices: np.ndarray) -> FacePicture:
    """A head of clay before darkness, in smooth light."""
    triangles = model.triangles
    points = pose.in_camera(CAMERA).head_to_camera(vertices.astype(float))
    light = sh_basis(shading_normals(points, triangles)) @ LIGHT
    picture = FacePicture(
        np.zeros((PICTURE_SIZE, PICTURE_SIZE), np.float32), AffineFrame(np.eye(2, 3)), CAMERA
    )
    pixels = picture.pixels(points)
    seen = triangles[front_facing(pixels, triangles)]
    triangle, pixel, bary, _ = fragments(pixels, seen, PICTURE_SIZE)
    depth = interpolate(-points[:, 2], seen, triangle, bary)
    index, _ = z_buffer(pixel, depth, -depth, size=PICTURE_SIZE)
    brightness = np.where(index >= 0, interpolate(light, seen, triangle, bary)[index], 0.02)
    brightness = brightness.reshape(PICTURE_SIZE, PICTURE_SIZE).astype(np.float32)
    return replace(picture, brightness=cv2.GaussianBlur(brightness, (0, 0), BLUR_PX))


def relief_error(model: ShadingModel, vertices: np.ndarray, true: np.ndarray) -> float:
    """Root mean square difference of the normals of the face, radians."""
    both = [shading_normals(v.astype(float), model.triangles)[model.sites.vertices] for v in (vertices, true)]
    return float(np.sqrt(np.square(both[0] - both[1]).sum(1).mean()))


def test_the_derivatives_are_those_of_the_residual(model, lifter, pose):
    mean = lifter.weights["mean"]
    picture = clay_picture(model, pose, mean)
    seen = model.observe(picture, pose.in_camera(CAMERA), mean)
    shading = Shading.fit(seen)
    jacobian = model._jacobian(picture, pose, pose.in_camera(CAMERA), mean, seen, shading)
    unclipped = (shading.brightness == seen.brightness) & (seen.weight > 0.9)
    unclipped &= shading.harmonics @ shading.coefficients == shading.shading
    assert np.count_nonzero(unclipped) > 300
    for number in (0, 2, 3, 5, POSE, POSE + 7, POSE + 40):
        step = np.zeros(len(model.scale))
        step[number] = 0.01
        turned, moved = model.moved(pose, mean, step)
        after = model.observe(picture, turned.in_camera(CAMERA), moved)
        shade = sh_basis(after.normals) @ shading.coefficients
        change = np.log(after.brightness / shading.brightness) - np.log(shade / shading.shading)
        wanted, got = change[unclipped] / 0.01, jacobian[unclipped, number]
        assert np.corrcoef(wanted, got)[0, 1] > 0.9, number
        assert 0.8 < got @ wanted / (wanted @ wanted) < 1.2, number


def test_clay_shows_its_relief(model, lifter, pose):
    """Heads that the lifter might have missed are met again, by their shading alone."""
    mean, rng = lifter.weights["mean"], np.random.default_rng(3)
    spread = np.linalg.cholesky(np.linalg.inv(model.precision))
    for _ in range(2):
        correction = spread @ rng.normal(size=len(spread))
        correction[:POSE] = 0
        _, true = model.moved(pose, mean, correction)
        _, refined = model.refine(clay_picture(model, pose, true), pose, mean)
        assert relief_error(model, refined, true) < 0.85 * relief_error(model, mean, true)
        before, after = (np.linalg.norm(v - true, axis=1)[model.sites.vertices] for v in (mean, refined))
        assert after.mean() < 0.85 * before.mean()


def test_what_is_not_seen_stays(model, lifter, pose):
    """Of a face outside the picture nothing is known; a picture of one brightness is no evidence of a head
    far from the lifted one.
    """
    mean = lifter.weights["mean"]
    picture = clay_picture(model, pose, mean)
    away = replace(pose, center=np.array([900.0, 95.5]))
    same, vertices = model.refine(picture, away, mean)
    np.testing.assert_allclose(same.rotation, away.rotation)
    np.testing.assert_array_equal(vertices, mean)
    black = replace(picture, brightness=np.zeros_like(picture.brightness))
    _, vertices = model.refine(black, pose, mean)
    assert np.isfinite(vertices).all()
    assert np.linalg.norm(vertices - mean, axis=1).max() < 0.01


def test_the_equations_are_those_of_a_minimum(model, lifter, pose):
    """Symmetric and positive: each step goes downhill."""
    mean = lifter.weights["mean"]
    matrix, right = model._equations(clay_picture(model, pose, mean), pose, mean)
    assert np.allclose(matrix, matrix.T)
    assert np.linalg.eigvalsh(CONFIDENCE * matrix + model.precision).min() > 0
    assert np.isfinite(right).all()


def test_a_model_of_another_lifter_is_refused(lifter, tmp_path):
    with np.load(MODELS / FILE_NAME) as data:
        arrays = dict(data)
    assert ShadingModel.load(tmp_path, lifter.weights, lifter.template) is None
    np.savez(tmp_path / FILE_NAME, **arrays | {"lifter": np.zeros(32, np.uint8)})
    with pytest.raises(ModelError, match="another lifter"):
        ShadingModel.load(tmp_path, lifter.weights, lifter.template)
    np.savez(tmp_path / FILE_NAME, **{k: v for k, v in arrays.items() if k != "covariance"})
    with pytest.raises(ModelError, match="damaged"):
        ShadingModel.load(tmp_path, lifter.weights, lifter.template)
    for name, wrong in (
        ("vertices", arrays["vertices"] + len(lifter.template.vertices)),
        ("vertices", arrays["vertices"].astype(float)),
        ("vertices", np.zeros_like(arrays["vertices"])),
        ("vertices", arrays["vertices"][:-1]),
        ("components", arrays["components"][0]),
        ("components", arrays["components"] * np.float16(np.nan)),
        ("deviation", 0 * arrays["deviation"]),
        ("covariance", arrays["covariance"][:-1, :-1]),
        ("covariance", 0 * arrays["covariance"]),
    ):
        np.savez(tmp_path / FILE_NAME, **arrays | {name: wrong})
        with pytest.raises(ModelError, match="damaged"):
            ShadingModel.load(tmp_path, lifter.weights, lifter.template)
