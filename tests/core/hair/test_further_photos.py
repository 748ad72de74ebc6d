"""Hair of several photos: what the side shows of the back, and photos whose hair is another."""

from dataclasses import replace

import numpy as np
import pytest

from core.geometry.frames import FRONTAL, HeadPose
from core.geometry.visibility import depth_map
from core.hair.builder import HairBuilder
from core.hair.further_photos import LEAST_AGREEMENT, HairPhoto, agreement
from core.hair.masks import HairView
from core.hair.settings import HairSettings
from core.runtime.weights import models_folder
from core.segmentation.segments import SEGMENT_SIZE, Segmentation, SegmentClass, segment_frame
from core.template.topology import HeadTopology
from tests.core.hair.test_hair import BROWN, CAMERA, POSE, picture_of

#: The left side of the head, seen straight on: its back is to the left.
SIDE = HeadPose(FRONTAL @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), np.array([0.0, 0.0, 1.2]))
SETTINGS = HairSettings(strands=200, texture_size=256, cards=60)


@pytest.fixture(scope="module")
def builder():
    return HairBuilder(HeadTopology.load(models_folder()), SETTINGS)


def side_photo(back: float | None, kind: SegmentClass = SegmentClass.HAIR) -> HairPhoto:
    """The head from its side, with an ellipse of hair that ends at y = `back`, meters; None for no hair."""
    topology = HeadTopology.load(models_folder())
    frame = segment_frame(CAMERA, SIDE)
    seen = SIDE.head_to_camera(topology.vertices.astype(float))
    depth, _ = depth_map(
        frame.photo_to_crop(CAMERA.project(seen)), seen[:, 2], topology.triangles, SEGMENT_SIZE
    )
    y, x = np.mgrid[:SEGMENT_SIZE, :SEGMENT_SIZE].astype(float)
    photo = frame.crop_to_photo(np.stack([x, y], -1).reshape(-1, 2))
    meters = (photo - [CAMERA.cx, CAMERA.cy]) / CAMERA.focal_px * SIDE.translation[2]
    # The photo's right is -y or +y of the head, whichever the pose says.
    axes = SIDE.rotation[:2] @ np.eye(3)[:, 1:]
    at = meters @ axes
    head_y, head_z = (at[:, k].reshape(depth.shape) for k in (0, 1))
    hair = np.zeros(depth.shape, bool)
    if back is not None:
        middle, half = (back + 0.0) / 2, back / 2
        hair = ((head_y - middle) / half) ** 2 + ((head_z - 0.06) / 0.085) ** 2 < 1
    probabilities = np.zeros((len(SegmentClass), *depth.shape), np.float32)
    probabilities[kind][hair] = 1
    probabilities[SegmentClass.SKIN][np.isfinite(depth) & ~hair] = 1
    probabilities[SegmentClass.BACKGROUND][~np.isfinite(depth) & ~hair] = 1
    rgb = np.full((600, 600, 3), BROWN, np.uint8)
    return HairPhoto(rgb, Segmentation(probabilities, frame), CAMERA, SIDE)


def shell_of(builder, *further):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    groom = builder.build(rgb, segmentation, CAMERA, POSE, builder.topology.vertices, "shell", further)
    return groom


def test_the_side_shows_how_far_hair_reaches_back(builder):
    alone = shell_of(builder)
    short, long = (shell_of(builder, side_photo(back)) for back in (0.19, 0.25))
    reach = [groom.shell.vertices[:, 1].max() for groom in (short, long)]
    assert reach[1] > reach[0] + 0.015
    assert reach[0] < 0.19 + 0.012
    assert long.seen_fraction > alone.seen_fraction + 0.1


def test_photos_with_nothing_in_common_agree_on_nothing(builder):
    rgb, segmentation, _ = picture_of(SegmentClass.HAIR)
    vertices, triangles = builder.topology.vertices.astype(float), builder.topology.triangles
    maps = HairView.of(rgb, segmentation, CAMERA, POSE, vertices, triangles).maps(SegmentClass.HAIR)
    assert agreement(maps, maps, vertices) == 1.0
    hidden = replace(maps, hidden=np.ones_like(maps.hidden))
    assert agreement(maps, hidden, vertices) < LEAST_AGREEMENT


def test_photos_with_other_hair_say_nothing(builder):
    alone = shell_of(builder)
    for other in (side_photo(None), side_photo(0.25, SegmentClass.HEADWEAR)):
        np.testing.assert_array_equal(shell_of(builder, other).shell.vertices, alone.shell.vertices)
