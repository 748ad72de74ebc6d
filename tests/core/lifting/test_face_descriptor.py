"""Strangers are told from one person in other light, and nothing that light does to a picture counts."""

from pathlib import Path

import numpy as np
import pytest

from core.geometry.frames import FRONTAL, HEAD_CENTER, Camera, HeadPose, crop_frame_around
from core.lifting.face_descriptor import Discriminant, FaceDescriptor, color_pattern, covered_fraction
from core.lifting.lifter import HeadPrior
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.template.template import HeadTemplate

MODELS = Path(__file__).resolve().parents[3] / "models"
CAMERA = Camera(900.0, 255.5, 255.5)


@pytest.fixture(scope="module")
def descriptor() -> FaceDescriptor:
    return FaceDescriptor.load(MODELS)


def pictures(found: Discriminant, rng, people: int, each: int) -> np.ndarray:
    """(people, each, F) features of people as the model has them."""
    who = rng.normal(size=(people, 1, len(found.between))) * np.sqrt(found.between)
    own = who + rng.normal(size=(people, each, len(found.between)))
    return found.mean + own @ np.linalg.pinv(found.matrix)


def test_strangers_are_below_the_limit_and_pictures_of_one_person_above(descriptor):
    rng = np.random.default_rng(1)
    shape, pattern = (pictures(one, rng, 40, 2) for one in (descriptor.shape, descriptor.pattern))
    described = descriptor.describe(shape, pattern)
    same = descriptor.score(described[:, 0], described[:, 1])
    strangers = descriptor.score(described[:, 0], np.roll(described[:, 1], 1, axis=0))
    assert (same > descriptor.limit).mean() > 0.95
    assert (strangers < descriptor.limit).mean() > 0.7
    np.testing.assert_allclose(same, descriptor.score(described[:, 1], described[:, 0]))
    by_shape = descriptor.score(described[:, 0], described[:, 1], by_shape=True)
    assert (by_shape > descriptor.shape_limit).mean() > 0.95


def average_head() -> tuple[HeadTemplate, HeadPrior]:
    """A frontal one."""
    template = HeadTemplate.load(MODELS)
    pose = HeadPose(FRONTAL, np.array([0, 0, 0.8]) - FRONTAL @ HEAD_CENTER)
    vertices = template.vertices.astype(np.float32)
    return template, HeadPrior(crop_frame_around(CAMERA, pose), pose, vertices, template.landmarks(vertices))


def test_points_behind_hair_and_glasses_are_covered(descriptor):
    """The upper half of the picture is hair, the lower skin."""
    _, prior = average_head()
    frame = segment_frame(CAMERA, prior.pose)
    labels = np.full((SEGMENT_SIZE, SEGMENT_SIZE), SegmentClass.SKIN)
    bare = Segmentation(np.eye(8, dtype=np.float32)[labels].transpose(2, 0, 1), frame)
    assert covered_fraction(bare, CAMERA, prior, descriptor.points) == 0
    between_eyes = frame.photo_to_crop(CAMERA.project(prior.pose.head_to_camera(np.zeros((1, 3)))))[0]
    labels[: round(between_eyes[1])] = SegmentClass.HAIR
    fringe = Segmentation(np.eye(8, dtype=np.float32)[labels].transpose(2, 0, 1), frame)
    assert 0.2 < covered_fraction(fringe, CAMERA, prior, descriptor.points) < 0.8


def test_exposure_white_balance_and_side_do_not_change_the_pattern(descriptor):
    """A face of smooth colors, darker and redder, and in the mirror."""
    template, prior = average_head()
    y, x = np.mgrid[:512, :512] / 512
    linear = np.stack([0.6 + 0.2 * np.sin(9 * x), 0.5 + 0.2 * np.cos(7 * y), 0.5 + 0.1 * np.sin(5 * y)], -1)

    def of(picture):
        rgb = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
        return color_pattern(rgb, CAMERA, prior, template, descriptor.points)

    plain = of(linear)
    assert plain.shape == (3 * len(descriptor.points),) and np.abs(plain).max() > 0.1
    np.testing.assert_allclose(plain.reshape(-1, 3).mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(of(linear * [0.9, 0.6, 0.5]), plain, atol=0.05)
    np.testing.assert_allclose(of(linear[:, ::-1]), plain, atol=0.05)
