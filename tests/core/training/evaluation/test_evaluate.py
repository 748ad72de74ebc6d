"""Figures of reconstructions whose every error is known, and the methods on real and made faces."""

import importlib.util
import json
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from core.geometry.frames import HeadPose
from core.geometry.pose import rotation_matrix
from core.reconstructor import Reconstructor
from core.training.data.shards import read_samples, shard_paths
from core.training.evaluation.evaluate import (
    FIGURES,
    EvaluationRecord,
    balanced_by_yaw,
    evaluate,
    measure,
    summary,
)
from core.training.evaluation.face_regions import FACE_REGIONS
from core.training.evaluation.ground_truth import FACE_RADIUS, TrueHeads
from core.training.evaluation.methods import (
    AverageHead,
    Case,
    DetectorMesh,
    TemplatePredictor,
    VolumeMethod,
    WithheldInputs,
)
from core.training.evaluation.metrics import STABLE, Estimate, align, landmark_error, place_true_head
from core.training.evaluation.report import WorstHeads, markdown, region_markdown, write_json
from core.training.evaluation.scan import (
    Scan,
    evaluate_scan,
    scan_cases,
    scan_region_table,
    scan_table,
)
from core.training.face_models.heads import ICT, MAKEHUMAN
from core.volume.torch_predictor import TorchPredictor
from tests.core.training.conftest import MODELS, ROOT, projected_sample


@pytest.fixture(scope="module")
def truths(heads):
    return TrueHeads(heads)


def known_focal(sample):
    return replace(sample, scene=replace(sample.scene, assumed_focal_px=sample.scene.camera.focal_px))


@pytest.fixture(scope="module", params=[ICT, MAKEHUMAN])
def known(request, heads, truths, lifter):
    """(true head, the same as an estimate, the case)."""
    sample = known_focal(projected_sample(heads, request.param, 3, noise=0.3))
    true = truths.of(sample, np.random.default_rng(0))
    exact = Estimate(true.vertices, true.triangles, true.landmarks, true.landmarks68, true.triangles)
    return true, exact, Case(sample.picture, sample.landmarks, sample.scene.assumed_camera, lifter)


def moved(estimate: Estimate, move) -> Estimate:
    names = ("vertices", "landmarks", "landmarks68")
    return replace(estimate, **{name: move(getattr(estimate, name)) for name in names})


def test_the_face_region_is_the_visible_face(known):
    true, _, _ = known
    tip = true.landmarks[1]
    distance = np.linalg.norm(true.points - tip, axis=1)
    assert distance.max() < FACE_RADIUS + 0.01 and distance.max() > 0.08
    # The stable landmarks have points of the region near them.
    gap = np.linalg.norm(true.points[:, None] - true.landmarks[STABLE], axis=2).min(0)
    assert np.median(gap) < 0.004
    assert 0.1 < true.region.mean() < 0.8


def test_the_true_head_has_no_error(known):
    true, exact, case = known
    figures = measure(exact, true, case)
    assert figures["iou"] == 1 and figures["rotation"] < 1e-3
    for name in set(FIGURES) - {"iou", "normal", "rotation"}:
        assert figures[name] < 1e-3, name
    assert figures["normal"] < 1.5  # lips and lids that touch


def test_size_place_and_turn_do_not_matter_to_the_aligned_figures(known):
    true, exact, _ = known
    turn = rotation_matrix(np.array([0.2, -0.1, 0.3]))
    error = align(moved(exact, lambda p: 1.3 * p @ turn.T + 0.1), true)
    assert error.distance.max() < 1e-3


def test_distance_from_the_camera_does_not_matter_to_the_placed_figures(known):
    """A head twice as far and twice as large, seen by the same camera, is the same picture."""
    true, exact, case = known
    figures = measure(moved(exact, lambda p: 2 * p), true, case)
    assert figures["placed_median"] < 1e-3 and figures["nme"] < 1e-6 and figures["nme3d"] < 1e-6


def test_errors_of_known_size(known):
    true, exact, case = known
    camera = case.camera
    pixel = true.landmarks68[:, 2].mean() / camera.focal_px
    width, height = np.ptp(camera.project(true.landmarks68), axis=0)
    flat, full = landmark_error(
        true.landmarks68 + np.outer(true.landmarks68[:, 2], [5 / camera.focal_px, 0, 0]), true, camera
    )
    assert flat == pytest.approx(500 / np.sqrt(width * height)) and full == pytest.approx(flat)

    sideways = measure(moved(exact, lambda p: p + np.array([5 * pixel, 0, 0])), true, case)
    assert sideways["median"] < 1e-3 and sideways["iou"] < 0.99
    assert 0.1 < sideways["placed_mean"] < 5000 * pixel and sideways["depth"] > sideways["placed_mean"]

    middle = true.landmarks68.mean(0)
    angle = rotation_matrix(np.radians([0.0, 10.0, 0.0]))
    turned = measure(moved(exact, lambda p: (p - middle) @ angle.T + middle), true, case)
    assert turned["rotation"] == pytest.approx(10, abs=1e-6)
    assert turned["median"] < 1e-3 and turned["placed_median"] > 1

    def bent(points):  # nose and chin pulled by up to 3 mm, which no similarity undoes
        return points + 0.003 * np.sin(points[:, :1] / 0.012) * np.array([0.0, 0.0, 1.0])

    error = align(moved(exact, bent), true)
    assert 0.3 < np.median(error.distance) < 3 and error.normal.mean() > 3


def test_a_wrong_focal_length_is_placed_as_large_as_it_was_seen(known):
    true, exact, case = known
    camera = replace(case.camera, focal_px=case.camera.focal_px * 1.4)
    farther = moved(exact, lambda p: p + np.array([0, 0, 0.4 * true.landmarks68[:, 2].mean()]))
    placed, size = place_true_head(true, farther, camera)
    assert size == pytest.approx(1.0, abs=1e-6)
    seen, before = camera.project(placed.landmarks68), true.camera.project(true.landmarks68)
    np.testing.assert_allclose(np.ptp(seen, axis=0), np.ptp(before, axis=0), rtol=0.1)
    np.testing.assert_allclose(seen.mean(0), before.mean(0), atol=3)


def test_few_landmarks_cannot_align(known):
    true, exact, _ = known
    landmarks = exact.landmarks.copy()
    landmarks[STABLE[7:]] = np.nan
    with pytest.raises(ValueError, match="7 of 23"):
        align(replace(exact, landmarks=landmarks), true)


@pytest.mark.long
def test_small_set(heads, truths, lifter, tmp_path):
    """Six heads by three methods, and the tables of them."""
    samples = [projected_sample(heads, ICT, seed, noise=0.5) for seed in (11, 12, 15, 16, 17)]
    samples += [
        projected_sample(heads, MAKEHUMAN, 13),
        replace(projected_sample(heads, ICT, 14), turned=True),
    ]
    methods = {
        "average": AverageHead(heads, truths.outer_triangles(ICT)),
        "mediapipe": DetectorMesh(lifter),
        "lifted": VolumeMethod(TemplatePredictor()),
    }
    worst = WorstHeads("lifted", 2)
    records: list[EvaluationRecord] = []
    for evaluated in evaluate(samples, truths, lifter, methods):
        records += evaluated.records.values()
        worst.add(evaluated)
    rows = {row["method"]: row for row in summary(records) if row["yaw"] == "mean"}
    assert {row["heads"] for row in rows.values()} == {6}  # the turned portrait has no true head
    assert rows["lifted"]["failed"] == 0
    assert 0.3 < rows["lifted"]["median"] < 2 and rows["lifted"]["iou"] > 0.5
    assert np.isnan(rows["mediapipe"]["iou"]) and rows["average"]["iou"] > 0.5
    # The detector's landmarks are the true ones here, but for half a pixel.
    assert rows["mediapipe"]["nme"] < min(2, rows["average"]["nme"]) and rows["mediapipe"]["median"] < 2

    for table in (markdown(summary(records)), region_markdown(summary(records))):
        assert table.count("\n") == len(summary(records)) + 1 and "nan" not in table
    # The whole is no better than its best region and no worse than its worst one.
    errors = [rows["lifted"][name] for name in FACE_REGIONS]
    assert min(errors) < rows["lifted"]["median"] < max(errors)
    write_json(tmp_path / "a.json", records, made="here")
    kept = json.loads((tmp_path / "a.json").read_text())
    assert len(kept["heads"]) == 18 and kept["heads"][1]["iou"] is None and kept["made"] == "here"
    assert worst.sheet().shape == (192, 2 * 768, 3)

    made = [sample for sample in samples if not sample.turned]
    few = list(balanced_by_yaw(samples, 1))
    assert [s.yaw_bin for s in few] == list(dict.fromkeys(s.yaw_bin for s in made)) and len(few) > 1
    assert list(balanced_by_yaw(samples, 9)) == made


def test_failures_are_counted(heads, truths, lifter):
    class Nothing:
        def predict(self, crop, guidance):
            return np.zeros((200, 192, 192), np.float32)

    sample = projected_sample(heads, ICT, 3)
    worst = WorstHeads("nothing")
    (evaluated,) = evaluate([sample], truths, lifter, {"nothing": VolumeMethod(Nothing())})
    worst.add(evaluated)
    (_, row) = summary(evaluated.records.values())
    assert row["failed"] == 1 and np.isnan(row["median"])
    assert evaluated.records["nothing"].row()["median"] is None
    assert worst.sheet().any()


def test_withheld_inputs_do_not_reach_the_network(lifter, known):
    case, shown = known[2], {}

    class Looks:
        def predict(self, crop, guidance):
            shown["crop"], shown["maps"] = crop, guidance.maps
            return crop

    WithheldInputs(Looks(), {"picture", "mesh"}).predict(case.start.crop, case.start.guidance)
    assert (shown["crop"] == 127.5).all() and not shown["maps"][:4].any() and shown["maps"][4:].any()
    WithheldInputs(Looks(), set()).predict(case.start.crop, case.start.guidance)
    assert shown["crop"] is case.start.crop and shown["maps"][:4].any()


@pytest.fixture(scope="module")
def scan_folder():
    folder = Path(os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    if (
        not (folder / "scans" / "demo_face.npz").is_file()
        or not (folder / "bench" / "score_scan.py").is_file()
    ):
        pytest.skip(
            f"no scan and scorer in {folder}: set PHOTOBUST_DATA to the folder with scans/ and bench/"
        )
    return folder


@pytest.mark.long
def test_the_scan_is_scored_as_by_its_scorer(scan_folder, lifter, detector):
    """Same figures as the scan's own program, for a mesh and for a volume."""
    spec = importlib.util.spec_from_file_location("score_scan", scan_folder / "bench" / "score_scan.py")
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    scan = Scan.load(scan_folder / "scans")
    one = replace(scan, pictures=[p for p in scan.pictures if "y+40" in p.stem])
    cases = list(scan_cases(one, detector, lifter))
    methods = {"mediapipe": DetectorMesh(lifter), "lifted": VolumeMethod(TemplatePredictor())}
    rows = evaluate_scan(scan, cases, methods)
    data = dict(np.load(scan_folder / "scans" / "demo_face.npz"))
    for row, method in zip(rows, methods.values(), strict=True):
        estimate = method.estimate(cases[0][1])
        expected = scorer.score(estimate.vertices, estimate.faces, estimate.landmarks, data)
        assert (row["median"], row["mean"], row["p95"]) == pytest.approx(expected, abs=0.004)
    assert scan_table(rows).count("\n") == 3
    table = scan_region_table(rows)  # each method at 40 degrees and in all
    assert table.count("\n") == 5 and all(name in table for name in FACE_REGIONS)


@pytest.mark.slow
def test_the_network_is_measured_as_the_engine_works(astronaut, detector):
    """The evaluation's shortcut through the compiled guidance ends at the surface that users get."""
    engine = Reconstructor.from_pretrained(MODELS)
    made = engine.reconstruct(astronaut, max_faces=1)[0]
    case = Case(astronaut, made.landmarks.points, made.camera, engine.lifter)
    estimate = VolumeMethod(TorchPredictor.from_pretrained(MODELS)).estimate(case)
    pose: HeadPose = made.pose
    mine = pose.camera_to_head(estimate.vertices)
    assert abs(len(mine) - len(made.surface.vertices)) < 0.01 * len(mine)
    from scipy.spatial import cKDTree

    gap = cKDTree(made.surface.vertices).query(mine)[0]
    assert np.median(gap) < 2e-5 and np.quantile(gap, 0.99) < 4e-4
    marks = pose.camera_to_head(estimate.landmarks68)
    there = np.isfinite(made.landmark68[:, 0])
    assert np.linalg.norm(marks - made.landmark68, axis=1)[there].max() < 5e-4


@pytest.mark.slow
def test_full_set(heads, truths, lifter):
    """On synthetic heads that nobody was trained on the network is better than what it starts from."""
    folder = Path(os.environ.get("PHOTOBUST_SHARDS", ROOT / "cache" / "shards"))
    if not shard_paths(folder, "eval"):
        pytest.skip(f"no shards of the split eval in {folder}: set PHOTOBUST_SHARDS, see docs/training.md")
    methods = {
        "average": AverageHead(heads, truths.outer_triangles(ICT)),
        "network": VolumeMethod(TorchPredictor.from_pretrained(MODELS)),
    }
    records: list[EvaluationRecord] = []
    for evaluated in evaluate(islice(read_samples(folder, "eval"), 60), truths, lifter, methods):
        records += evaluated.records.values()
    rows = {row["method"]: row for row in summary(records) if row["yaw"] == "mean"}
    assert rows["network"]["failed"] == 0
    for figure in ("median", "placed_median", "nme", "nme3d", "rotation"):
        assert rows["network"][figure] < rows["average"][figure], figure
