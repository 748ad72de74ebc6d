"""Labels of portraits, shards of labeled pictures, and what is measured on them."""

import cv2
import numpy as np
import pytest

from core.segmentation.segments import SEGMENT_SIZE, SegmentClass
from core.training.segmentation.corrections import BAND, SHAVEN, correct, read_corrections
from core.training.segmentation.curls import curl_hair
from core.training.segmentation.dataset import SCENE_SCALE, LabeledShard, augment
from core.training.segmentation.evaluation import add_confusion, hair_agreement, intersection_over_union
from core.training.segmentation.scenes import SCENE_SIZE, LabeledPicture
from core.training.segmentation.teacher import IGNORED, WIDE_CENTER, WIDE_SIZE, Evidence, label_portrait

SIDE = (WIDE_SIZE, WIDE_SIZE)


def evidence_of_a_disk() -> Evidence:
    """A round head of skin color with dark hair on top of it, on gray."""
    y, x = np.mgrid[0:WIDE_SIZE, 0:WIDE_SIZE]
    head = np.hypot(x - WIDE_CENTER[0], y - WIDE_CENTER[1]) < 100
    hair = head & (y < WIDE_CENTER[1] - 60)
    picture = np.full((*SIDE, 3), 128, np.uint8)
    picture[head] = (200, 150, 120)
    picture[hair] = (30, 20, 15)
    regions = {name: np.zeros(SIDE, np.float32) for name in ("scalp", "beard", "neck", "ear")}
    regions["scalp"][head & (y < WIDE_CENTER[1] - 50)] = 1
    return Evidence(
        picture,
        np.ones(SIDE, bool),
        hair.astype(np.float32),
        head.astype(np.float32),
        head,
        regions,
        np.full((478, 2), WIDE_SIZE / 2) + np.arange(478)[:, None] % 7,
    )


def test_rules_give_hair_to_the_teacher_and_the_head_to_skin():
    labels = label_portrait(evidence_of_a_disk(), bearded=False, covered=False)
    x, y = np.round(WIDE_CENTER).astype(int)
    assert labels[y - 80, x] == SegmentClass.HAIR
    assert labels[y + 60, x - 40] == SegmentClass.SKIN
    assert labels[20, 20] == SegmentClass.BACKGROUND


def test_a_shaven_scalp_is_skin_whatever_the_teacher_says():
    evidence = evidence_of_a_disk()
    labels = correct(min(SHAVEN), label_portrait(evidence, bearded=False, covered=False), evidence)
    x, y = np.round(WIDE_CENTER).astype(int)
    assert labels[y - 80, x] == SegmentClass.SKIN
    assert not (labels == SegmentClass.HAIR).any()


def test_a_corrected_headscarf_is_headwear_with_an_unsure_outline():
    evidence = evidence_of_a_disk()
    labels = np.full(SIDE, SegmentClass.HAIR, np.uint8)
    scarf = next(c for c in read_corrections() if c.right == SegmentClass.HEADWEAR and not c.outside)
    found = correct(scarf.portrait, labels, evidence)
    assert (found == SegmentClass.HEADWEAR).sum() > 5000
    at = (np.array(scarf.inside[0]) + 0.5) * 640 / 70 / (256 / 56) + 64 - 0.5
    x, y = np.round(at).astype(int)
    assert found[y, x] == IGNORED
    assert BAND < 10


def test_corrections_lie_in_the_frame_and_change_classes():
    for correction in read_corrections():
        points = np.array(correction.inside + correction.outside)
        assert len(correction.inside) >= 3
        assert (points >= 0).all() and (points <= SEGMENT_SIZE).all()
        assert correction.right not in correction.wrong


@pytest.fixture
def shown() -> LabeledPicture:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (25, 25, 3)).astype(np.uint8)
    picture = cv2.resize(small, (SCENE_SIZE, SCENE_SIZE), interpolation=cv2.INTER_CUBIC)
    labels = np.repeat(np.repeat(rng.integers(0, 8, (8, 8)), 50, 0), 50, 1).astype(np.uint8)
    return LabeledPicture(picture, labels, np.array([0.6, -0.8, 0.0], np.float32))


def test_shards_keep_labels_exactly_and_pictures_nearly(shown, tmp_path):
    LabeledShard.of([shown, shown]).save(tmp_path / "shard.npz")
    shard = LabeledShard.load(tmp_path / "shard.npz")
    assert len(shard) == 2
    np.testing.assert_array_equal(shard[1].labels, shown.labels)
    np.testing.assert_array_equal(shard[0].direction, shown.direction)
    assert np.abs(shard[0].picture.astype(int) - shown.picture).mean() < 6


def test_a_picture_is_cut_about_its_middle(shown):
    picture, labels, direction = augment(shown, None)
    assert picture.shape == (SEGMENT_SIZE, SEGMENT_SIZE, 3) and labels.shape == (SEGMENT_SIZE, SEGMENT_SIZE)
    margin = (SCENE_SIZE - SEGMENT_SIZE * SCENE_SCALE) / 2
    at = (np.array([40, 200]) + 0.5) * SCENE_SCALE + margin - 0.5
    x, y = np.round(at).astype(int)
    assert labels[200, 40] == shown.labels[y, x]
    np.testing.assert_array_equal(direction, shown.direction)


def test_flaws_move_picture_and_labels_together(shown):
    clear = LabeledPicture(np.repeat(shown.labels[..., None] * 30, 3, 2), shown.labels, shown.direction)
    flips = set()
    for seed in range(6):
        picture, labels, direction = augment(clear, np.random.default_rng(seed))
        flips.add(direction[0] > 0)
        known = labels != IGNORED
        match = np.corrcoef(picture[known].mean(-1), labels[known])[0, 1]
        assert match > 0.6
    assert flips == {True, False}


def test_overlap_is_counted_by_class():
    labels = np.array([[0, 0, 1, 1], [2, 2, IGNORED, IGNORED]], np.uint8)
    found = np.array([[0, 1, 1, 1], [2, 0, 5, 5]], np.uint8)
    confusion = np.zeros((8, 8), np.int64)
    add_confusion(confusion, found, labels)
    values = intersection_over_union(confusion)
    assert values["background"] == pytest.approx(1 / 3)
    assert values["skin"] == pytest.approx(2 / 3)
    assert values["hair"] == pytest.approx(1 / 2)
    assert np.isnan(values["headwear"])


def test_hair_is_compared_only_where_the_teacher_is_sure():
    teacher = np.array([[0.9, 0.9, 0.5, 0.1]], np.float32)
    found = np.array([[0.8, 0.1, 0.9, 0.2]], np.float32)
    assert hair_agreement(found, teacher, np.ones((1, 4), bool)) == pytest.approx(0.5)
    assert hair_agreement(found, teacher, np.array([[True, False, True, True]])) == 1


def test_curled_hair_grows_over_what_is_behind_it_and_never_over_the_face():
    rng = np.random.default_rng(0)
    labels = np.full((200, 200), SegmentClass.BACKGROUND, np.uint8)
    labels[70:150, 70:130] = SegmentClass.SKIN
    labels[40:90, 60:140] = SegmentClass.HAIR
    labels[150:] = SegmentClass.CLOTHES
    rgb = np.full((200, 200, 3), 200, np.uint8)
    rgb[labels == SegmentClass.HAIR] = (60, 40, 30)
    for _ in range(5):
        new_labels, new_rgb = labels.copy(), rgb.copy()
        curl_hair(rng, new_rgb, new_labels)
        face = labels == SegmentClass.SKIN
        assert (new_labels[face] == SegmentClass.SKIN).all()
        np.testing.assert_array_equal(new_rgb[face], rgb[face])
        hair = new_labels == SegmentClass.HAIR
        assert hair.sum() > 0.5 * (labels == SegmentClass.HAIR).sum()
        assert new_rgb[hair].mean() < 140  # nothing of what was behind is called hair
        far = np.zeros_like(face)
        far[:, :20] = far[:, -20:] = True
        np.testing.assert_array_equal(new_labels[far], labels[far])
