"""The model of shading finds what was put into its pictures."""

import numpy as np
import pytest

from core.lifting.lifter import LandmarkLifter
from core.lifting.shading import ShadingModel
from core.training.fitting.shading import (
    ShadingPairs,
    albedo_components,
    fit_shading,
    leading_directions,
    unfitted_model,
)
from tests.core.training.conftest import MODELS


def test_components_are_found_though_much_is_hidden():
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(120, 3)))[0].T
    strengths = np.array([4.0, 3.0, 2.0])
    rows = (rng.normal(size=(600, 3)) * strengths) @ directions + 0.02 * rng.normal(size=(600, 120))
    seen = (rng.random(rows.shape) < 0.7).astype(np.float32)
    components, deviation = albedo_components(np.where(seen, rows, 9.0).astype(np.float32), seen, 3)
    found = components / np.linalg.norm(components, axis=1, keepdims=True)
    captured = np.linalg.norm(directions @ found.T, axis=1)
    assert captured.min() > 0.99
    assert abs(np.square(deviation).mean() - 1) < 1e-6


@pytest.mark.parametrize("pictures", [20, 40])
def test_directions_are_singular_vectors(pictures):
    rows = np.random.default_rng(2).normal(size=(pictures, 30)) * np.linspace(1, 3, 30)
    values, vectors = leading_directions(rows, 4)
    np.testing.assert_allclose(np.linalg.norm(rows @ vectors, axis=0), values[:4], rtol=1e-8)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(4), atol=1e-8)
    assert values[4] < values[3] < values[0] == pytest.approx(np.linalg.norm(rows, 2))


def test_the_fit_says_how_the_lifter_errs():
    lifter = LandmarkLifter.from_pretrained(MODELS, shaded=False)
    count, vertices = len(lifter.weights["output_scale"]), len(unfitted_model(lifter).sites.vertices)
    rng = np.random.default_rng(1)
    spread = np.linspace(0.5, 2.0, count)
    residuals = rng.normal(0, 0.4, (300, vertices)).astype(np.float32)
    pairs = ShadingPairs(rng.normal(size=(300, count)) * spread, residuals, np.ones_like(residuals))
    arrays = fit_shading(pairs, lifter)
    np.testing.assert_allclose(np.sqrt(np.diag(arrays["covariance"])), spread, rtol=0.2)
    model = ShadingModel(arrays, lifter.weights, lifter.template)
    assert model.components.shape[1] == vertices
    assert np.linalg.eigvalsh(model.precision).min() > 0
