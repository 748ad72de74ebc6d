"""Mirrored samples show mirrored heads."""

import numpy as np
import pytest

from core.template.symmetry import Mirror
from core.training.data.flip import mirrored_sample
from core.training.face_models.heads import ICT
from tests.core.training.conftest import MODELS, projected_sample


def test_mirrored_sample_shows_the_mirrored_head(heads):
    mirror = Mirror.load(MODELS)
    sample = projected_sample(heads, ICT, 4, noise=0)
    twin = mirrored_sample(sample, mirror)
    head = mirror.head(heads.template_of(ICT, sample.identity, sample.expression))
    marks = heads.template.landmarks(head)
    seen = twin.scene.camera.project(twin.scene.pose.head_to_camera(marks))
    error = np.linalg.norm(seen - twin.landmarks[:, :2], axis=1)
    assert np.median(error) < 0.5  # the template's landmarks are not symmetrical to the last tenth of a pixel
    again = mirrored_sample(twin, mirror)
    np.testing.assert_allclose(again.landmarks, sample.landmarks, atol=1e-3)
    np.testing.assert_array_equal(again.picture, sample.picture)
    assert twin.scene.pose.angles[0] == pytest.approx(-sample.scene.pose.angles[0])
