"""Samples as a mirror shows them."""

from dataclasses import replace

import numpy as np

from ...geometry.reflection import mirrored_camera, mirrored_picture, mirrored_pose
from ...template.symmetry import Mirror
from ..synthesis.sample import Sample, Scene


def mirrored_sample(sample: Sample, mirror: Mirror) -> Sample:
    """The mirrored sample, but for its coefficients, which no face model has mirrored."""
    scene, width = sample.scene, sample.picture.shape[1]
    return replace(
        sample,
        picture=mirrored_picture(sample.picture),
        landmarks=mirror.points(sample.landmarks, width).astype(np.float32),
        scene=Scene(mirrored_camera(scene.camera, width), mirrored_pose(scene.pose), scene.assumed_focal_px),
    )
