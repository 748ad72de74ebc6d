"""Skin that hair or headwear lies on: ears, and the neck down to its lower end."""

from dataclasses import replace

import numpy as np
import pytest

from core.hair.builder import HairBuilder
from core.hair.groom import outer_triangles
from core.hair.skin import Skin
from core.runtime.weights import models_folder
from core.segmentation.segments import SegmentClass
from core.template.topology import HeadTopology
from tests.core.hair.test_hair import CAMERA, POSE, SETTINGS, picture_of


@pytest.fixture(scope="module")
def builder():
    return HairBuilder(HeadTopology.load(models_folder()), SETTINGS)


def uncovered(shell, points, axis):
    """(N,) bool: points (N, 3) from which no ray along an axis, away from the head, crosses the outside."""
    corners = shell.vertices[outer_triangles(shell.triangles, shell.inner)].astype(float)
    others = [k for k in range(3) if k != axis]
    sign = np.sign(np.median(points[:, axis] - [0, 0.04, 0][axis]))
    found = np.ones(len(points), bool)
    for n, point in enumerate(points):
        flat = corners[:, :, others] - point[others]
        turn = np.array(
            [
                flat[:, k, 0] * flat[:, (k + 1) % 3, 1] - flat[:, k, 1] * flat[:, (k + 1) % 3, 0]
                for k in range(3)
            ]
        )
        inside = (turn >= 0).all(0) | (turn <= 0).all(0)
        found[n] = not (sign * (corners[inside][:, :, axis] - point[axis]).max(1) > 0).any()
    return found


def with_clothes_below(segmentation, height):
    """A segmentation with clothes below a height on the head's axis, meters."""
    point = CAMERA.project(POSE.head_to_camera(np.array([[0, 0, height]])))
    row = round(float(segmentation.frame.photo_to_crop(point)[0, 1]))
    probabilities = segmentation.probabilities.copy()
    probabilities[:, row:] = 0
    probabilities[SegmentClass.CLOTHES, row:] = 1
    return replace(segmentation, probabilities=probabilities)


def back_of_neck(vertices, topology):
    """Samples of the skin behind, on the lowest centimeters of the neck."""
    skin = Skin(vertices, topology)
    low = (skin.samples[:, 2] < skin.lower_end + 0.03) & (skin.samples[:, 2] > skin.lower_end + 0.002)
    behind = low & (skin.samples[:, 1] > 0.085)
    return skin.samples[behind][:: max(behind.sum() // 80, 1)]


def test_what_hangs_on_the_neck_goes_on_to_its_lower_end_below_clothes(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HEADWEAR, -0.24, 0.145, 0.125)
    segmentation = with_clothes_below(segmentation, -0.135)
    vertices = builder.topology.vertices.astype(float)
    cover = builder.build(rgb, segmentation, CAMERA, POSE, vertices).cover
    assert uncovered(cover, back_of_neck(vertices, builder.topology), 1).mean() < 0.05


def test_hair_that_ends_above_bare_skin_does_not_go_on(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, -0.13, 0.145, 0.125)
    vertices = builder.topology.vertices.astype(float)
    shell = builder.build(rgb, segmentation, CAMERA, POSE, vertices).shell
    assert uncovered(shell, back_of_neck(vertices, builder.topology), 1).mean() > 0.5


def test_ears_do_not_come_through_a_scarf(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HEADWEAR, -0.24, 0.145, 0.1)
    vertices = builder.topology.vertices.astype(float)
    # Ears that stand out, to where the scarf ends in the photo.
    out = np.clip((np.abs(vertices[:, 0]) - 0.07) / 0.01, 0, 1) * (vertices[:, 2] > -0.06)
    vertices[:, 0] += 0.008 * out * np.sign(vertices[:, 0])
    skin = Skin(vertices, builder.topology)
    cover = builder.build(rgb, segmentation, CAMERA, POSE, vertices).cover
    for sign in (-1, 1):
        ear = sign * skin.samples[:, 0] > 0.078
        assert ear.sum() > 20
        assert uncovered(cover, skin.samples[ear], 0).mean() < 0.02


def test_the_inner_side_does_not_come_through_the_neck(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR, -0.24, 0.145, 0.12)
    shell = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices).shell
    skin = Skin(builder.topology.vertices, builder.topology)
    middles = shell.vertices[shell.triangles].mean(1).astype(float)
    height, _ = skin.distance(middles)
    at_neck = (np.abs(height) < 0.004) & (middles[:, 1] > 0.07)
    at_neck &= skin.hides(middles) & ~skin.hides(middles, 0.05)
    assert at_neck.sum() > 50
    assert (height[at_neck] < 0).mean() < 0.1
