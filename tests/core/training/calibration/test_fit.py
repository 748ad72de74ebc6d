"""The calibration's fit on rows whose truth is known; how pictures are degraded, and their order."""

from dataclasses import replace

import numpy as np
import pytest

from core.detection.detector import FaceLandmarks
from core.geometry.frames import Camera, HeadPose
from core.training.calibration.fit import FOLDS, Table, calibrate, fit_terms, folds_of, knots_of, left_out
from core.training.calibration.table import FLAWS, HeldOut, cut, degrade_sample, misplaced, read_table
from core.training.data.shards import write_shard
from core.training.synthesis.cameras import head_rotation
from core.training.synthesis.sample import Sample, Scene
from tests.core.training.conftest import ROOT
from tests.core.training.quality_rows import synthetic_rows


@pytest.fixture(scope="module")
def rows():
    return synthetic_rows(600)


def test_fit_finds_what_matters(rows):
    found = calibrate(rows, {"net": "abc"}, {"heads": 600})
    parts = {term.measure: float(term.weights.sum()) for term in found.terms}
    assert all((term.weights >= 0).all() for term in found.terms)
    # The error grows by 0.012 a degree from the 5 to the 98 % quantile, some 74 degrees, and by 0.3 of 1.86.
    assert parts["yaw_deg"] == pytest.approx(0.89, abs=0.12)
    assert parts["sharpness"] == pytest.approx(0.56, abs=0.12)
    assert max(part for name, part in parts.items() if name not in ("yaw_deg", "sharpness")) < 0.1
    figures = found.about["cross_validation"]
    assert (
        figures["all"]["heads"] == 600
        and figures["undegraded"]["heads"] == 400 == 600 - figures["cut"]["heads"]
    )
    assert figures["all"]["spearman"] > 0.6 and 0.75 < figures["all"]["in_spread"] < 0.85
    by_yaw = [figures[f"undegraded, yaw {bin_}"] for bin_ in ("0-30", "30-60", "60-90")]
    assert sum(figure["heads"] for figure in by_yaw) == 400
    assert all(0.65 < figure["in_spread"] < 0.95 for figure in by_yaw)
    assert by_yaw[0]["expected_mm"] < by_yaw[1]["expected_mm"] < by_yaw[2]["expected_mm"]


def test_fit_again_gives_the_same(rows):
    assert calibrate(rows, {}, {}).to_json() == calibrate(rows, {}, {}).to_json()


def test_noise_predicts_nothing():
    """Where the error has nothing to do with the measures, left-out people are not ranked by chance."""
    rows = synthetic_rows(300)
    rng = np.random.default_rng(1)
    for row in rows[:-1]:
        row["errors"] = {"placed": float(np.exp(rng.normal(1, 0.3)))}
    figures = calibrate(rows, {}, {}).about["cross_validation"]["all"]
    assert abs(figures["spearman"]) < 0.2 and figures["r2"] < 0.05


def test_left_out_people_are_not_seen(rows):
    """Changing the errors of a fold changes no prediction in it."""
    table = Table(rows)
    fold = folds_of(table.index)
    assert np.bincount(fold).tolist() == [60] * FOLDS
    before = left_out(table)
    table.error = np.where(fold == 3, 30.0, table.error)
    after = left_out(table)
    np.testing.assert_array_equal(before[fold == 3], after[fold == 3])
    assert (before[fold != 3] != after[fold != 3]).any()


def test_pictures_of_one_person_stay_together():
    index = np.repeat(np.arange(40), 3)
    fold = folds_of(index).reshape(40, 3)
    assert (fold == fold[:, :1]).all()


def test_measures_that_never_change_are_left_out(rows):
    table = Table(rows)
    table.measures["truncation"] = np.zeros(len(table))
    assert len(knots_of(table.measures["truncation"], "as it is")) == 1
    _, terms = fit_terms(table)
    assert "truncation" not in {term.measure for term in terms}


@pytest.fixture(scope="module")
def sample():
    """A gray picture of nothing, 320 px, with a face of 160 px in its middle; meters of its head at 0.6 m."""
    rng = np.random.default_rng(0)
    places = np.column_stack([rng.uniform(80, 240, (478, 2)), rng.normal(0, 20, 478)]).astype(np.float32)
    pose = HeadPose(head_rotation(10, 0, 0), np.array([0.0, 0, 0.6]))
    scene = Scene(Camera(500.0, 150.0, 160.0), pose, 450.0)
    picture = rng.integers(0, 255, (320, 320, 3)).astype(np.uint8)
    return Sample(picture, places, "ict", np.zeros(3, np.float32), np.zeros(3, np.float32), scene)


def test_spoilt_pictures_keep_their_geometry(sample):
    """What the true camera projects lies at the same spot of the picture, and focal lengths scale alike."""
    seen = {}
    point = np.array([0.02, -0.01, 0.6])
    for seed in range(200):
        degraded = degrade_sample(sample, np.random.default_rng(seed))
        scene = degraded.sample.scene
        assert scene.camera.focal_px / scene.assumed_focal_px == pytest.approx(500 / 450)
        zoom = scene.camera.focal_px / 500
        moved = scene.camera.project(point) + 0.5
        corner = sample.scene.camera.project(point) * 1.0 + 0.5 - moved / zoom
        height, width = degraded.sample.picture.shape[:2]
        assert (corner > -1e-6).all() and (np.array([width, height]) / zoom + corner < 320.5).all()
        seen.setdefault(degraded.flaw, []).append(zoom)
    assert set(seen) == set(FLAWS)
    assert 0.2 < min(seen["small"]) < max(seen["small"]) < 0.8 and set(seen["none"]) == {1.0}
    assert len(seen["none"]) > 80


def test_the_same_seed_degrades_alike(sample):
    one, other = (degrade_sample(sample, np.random.default_rng(12)) for _ in range(2))
    np.testing.assert_array_equal(one.sample.picture, other.sample.picture)


def test_cut(sample):
    low, high = np.array([80.0, 80.0]), np.array([240.0, 240.0])
    sizes = [cut(sample.picture, low, high, side, 0.25)[0].shape[:2] for side in range(4)]
    assert sizes == [(320, 200), (320, 200), (200, 320), (200, 320)]
    picture, corner = cut(sample.picture, low, high, 0, 0.25)
    assert corner == (120, 0)
    np.testing.assert_array_equal(picture, sample.picture[:, 120:])


def test_misplaced_landmarks(sample):
    face = FaceLandmarks(sample.landmarks)
    for seed in range(20):
        wrong = misplaced(face, 0.5, np.random.default_rng(seed))
        away = np.linalg.norm(wrong.points[:, :2] - face.points[:, :2], axis=1).mean() / face.size
        assert 0.05 < away < 1


def test_order_of_held_out_pictures(sample, tmp_path):
    """Bins of yaw take turns, the rare ones as long as they last; turned portraits are left out."""
    yaws = [1, 2, 3, 4, 5, 40, 41, 80]
    samples = [
        replace(
            sample,
            scene=replace(sample.scene, pose=HeadPose(head_rotation(yaw, 0, 0), np.array([0, 0, 0.6]))),
        )
        for yaw in yaws
    ]
    write_shard(tmp_path / "eval_00000.npz", [replace(sample, turned=True), *samples[:4]])
    write_shard(tmp_path / "eval_00001.npz", samples[4:])
    held_out = HeldOut(tmp_path)
    assert held_out.order == [1, 6, 8, 2, 7, 3, 4, 5]
    assert held_out[8].yaw_bin == 60 and held_out[8].picture.shape == (320, 320, 3)


def test_table_that_was_cut_off(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"index": 4, "flaw": "none"}\n{"index": 5, "fl')
    assert list(read_table(tmp_path / "t.jsonl")) == [4]
    assert read_table(tmp_path / "none.jsonl") == {}


def test_calibration_of_these_weights_covers():
    """On the rows of the weights in models/, if scripts/training/calibrate_quality.py left them here."""
    from core.runtime.weights import fingerprints

    tables = sorted((ROOT / "cache/quality").glob("table_*.jsonl"))
    mark = fingerprints(ROOT / "models")["landmark_lifter.safetensors"][:6]
    tables = [path for path in tables if mark in path.name]
    if not tables:
        pytest.skip(
            "no rows of these weights in cache/quality (scripts/training/calibrate_quality.py makes them)"
        )
    rows = list(read_table(tables[0]).values())
    if sum("errors" in row for row in rows) < 100:
        pytest.skip("too few rows of these weights in cache/quality")
    figures = calibrate(rows, {}, {}).about["cross_validation"]
    assert figures["all"]["spearman"] > 0.5 and 0.72 < figures["all"]["in_spread"] < 0.88
