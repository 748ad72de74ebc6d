"""The landmark lifter: its regressions learn what can be learned, and the trained one knows faces."""

import numpy as np
import pytest

from core.detection.detector import FaceDetector
from core.image.photo import load_photo
from core.lifting.lifter import LandmarkLifter
from core.reconstructor.inputs import camera_of
from core.template.template import HeadTemplate
from core.training.face_models.face_weights import face_weights
from core.training.face_models.mesh_landmarks import face_mesh_triangles
from core.training.fitting.lifter import build_basis, fit_mlp, fit_ridge
from tests.core.training.conftest import MODELS


def test_ridge_finds_a_linear_map_and_ignores_worthless_pairs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 12)).astype(np.float32)
    weight, bias = rng.normal(size=(5, 12)), rng.normal(size=5)
    y = (x @ weight.T + bias).astype(np.float32)
    y[300:] = 100
    count = np.where(np.arange(400) < 300, 1, 0).astype(np.float32)
    found, constant = fit_ridge(x, y, count, 1e-6)
    np.testing.assert_allclose(found, weight, atol=1e-3)
    np.testing.assert_allclose(constant, bias, atol=1e-3)


def test_mlp_learns_what_ridge_cannot():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    y = np.stack([np.abs(x[:, 0]), x[:, 1] * x[:, 2]], 1).astype(np.float32)
    y -= y.mean(0)
    ones = np.ones(4000, np.float32)
    held = x[3000:], y[3000:], ones[3000:]
    layers, error = fit_mlp(x[:3000], y[:3000], ones[:3000], held, hidden=(64, 32), epochs=25)
    assert error < 0.3 * np.square(held[1]).sum(1).mean()
    assert [w.shape for w, _ in layers] == [(64, 4), (32, 64), (2, 32)]


def test_basis_is_orthonormal_and_gives_heads_back():
    rng = np.random.default_rng(2)
    moves = rng.normal(size=(6, 300, 3)) * 0.01
    mean = rng.uniform(-0.1, 0.1, (300, 3))
    heads = (mean + np.tensordot(rng.normal(size=(80, 6)), moves, 1)).astype(np.float32)
    basis = build_basis(heads, 6)
    flat = (basis.components * np.sqrt(basis.weight)[:, None]).reshape(6, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(6), atol=1e-3)
    back = basis.mean + np.tensordot(basis.coefficients(heads), basis.components, 1)
    np.testing.assert_allclose(back, heads, atol=1e-5)
    assert face_weights(mean).sum() == pytest.approx(1)


def test_mesh_of_the_detector():
    triangles = face_mesh_triangles()
    assert triangles.shape == (852, 3) and triangles.max() == 467
    assert all(len(set(t)) == 3 for t in triangles.tolist())


def test_lifted_head_is_nearer_to_a_scan_than_the_average_one(data_folder):
    """On renders of a scanned face, straight through the detector: the scan knows where its landmarks
    truly are.
    """
    template = HeadTemplate.load(MODELS)
    lifter, detector = LandmarkLifter.from_pretrained(MODELS, template), FaceDetector.from_pretrained(MODELS)
    scan = np.load(data_folder / "scans" / "demo_face.npz")["lm"]
    known = np.isfinite(scan).all(1)
    average = template.landmarks(lifter.weights["mean"])[:468]
    lifted, plain = [], []
    for path in sorted((data_folder / "scans").glob("demo_*.jpg")):
        photo = load_photo(path)
        (face,) = detector.detect(photo.rgb, max_faces=1)
        head = lifter.lift(face, camera_of(photo, None), photo.rgb)
        lifted.append(aligned_error(head.landmarks[:468][known], scan[known]))
        plain.append(aligned_error(average[known], scan[known]))
    assert len(lifted) == 9
    assert np.mean(lifted) < np.mean(plain)


def aligned_error(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance, in units of the truth, after the best similarity."""
    from core.geometry.pose import umeyama

    scale, rotation, offset = umeyama(points.astype(np.float64), truth.astype(np.float64))
    return float(np.linalg.norm(scale * points @ rotation.T + offset - truth, axis=1).mean())
