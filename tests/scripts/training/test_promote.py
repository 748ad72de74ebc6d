"""Trained models take the place of those that ship only if they are better, or by force."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PhotobustError
from core.lifting.dense_landmarks import DENSE_LIFTER_NAME
from core.lifting.lifter import FILE_NAME, PROFILE_FILE_NAME, LandmarkLifter
from core.runtime.backend import DENSE_NAME, FEATURES_ONNX_NAME, PROFILE_NAME
from core.runtime.weights import safetensors_arrays
from core.training.evaluation import comparison
from core.training.evaluation.comparison import TOLERANCE_MM, ModelErrors, is_better
from core.training.fitting import candidate, onnx_export
from core.training.fitting.candidate import TRAINED_FILES, prepare_candidate, require_regressions
from core.training.fitting.lifter import write_lifter
from scripts.training import promote, train
from tests.core.head_samples import MODELS

CURRENT = ModelErrors(scan=1.0, held_out=1.2, failed=0)
MILLIMETERS = st.floats(0.5, 3.0)


@pytest.mark.parametrize(
    ("errors", "better"),
    [
        (ModelErrors(0.9, 1.2, 0), True),
        (ModelErrors(1.0, 1.1, 0), True),
        (ModelErrors(1.0, 1.2, 0), False),
        (ModelErrors(0.8, 1.3, 0), False),
        (ModelErrors(0.9, 1.1, 1), False),
        (ModelErrors(float("nan"), 1.1, 0), False),
    ],
)
def test_better_is_worse_in_nothing_and_better_in_something(errors, better):
    assert is_better(errors, CURRENT) == better


def test_without_a_scan_the_held_out_heads_decide():
    current = ModelErrors(float("nan"), 1.2, 0)
    assert not is_better(ModelErrors(float("nan"), float("nan"), 0), current)
    assert is_better(ModelErrors(float("nan"), 1.1, 0), current)


@given(MILLIMETERS, MILLIMETERS, MILLIMETERS, MILLIMETERS)
def test_two_models_are_never_both_better(a, b, c, d):
    one, two = ModelErrors(a, b, 0), ModelErrors(c, d, 0)
    assert not (is_better(one, two) and is_better(two, one))
    assert not is_better(one, one)
    assert not is_better(ModelErrors(a + 2 * TOLERANCE_MM, b, 0), one)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """(shipped models, run): all trained files in both, with different contents; measuring is replaced."""
    models, run = tmp_path / "models", tmp_path / "run"
    for folder, content in ((models, "old"), (run / "models", "new")):
        folder.mkdir(parents=True)
        for name in (*TRAINED_FILES, "head_template.npz"):
            (folder / name).write_text(content)
    monkeypatch.setattr(onnx_export, "export_volume_network", lambda folder: folder)
    return models, run


def run_promote(monkeypatch, folders, candidate_scan, *options):
    models, run = folders
    errors = {models: CURRENT, run / "models": ModelErrors(candidate_scan, 1.2, 0)}
    monkeypatch.setattr(comparison, "measure_models", lambda paths, *_: errors[paths.models])
    monkeypatch.setattr(sys, "argv", ["promote.py", "--models", str(models), "--run", str(run), *options])
    return promote.main()


def test_a_better_candidate_is_promoted(monkeypatch, folders):
    models, run = folders
    assert run_promote(monkeypatch, folders, 0.9) == 0
    assert {(models / name).read_text() for name in TRAINED_FILES} == {"new"}
    assert (models / "head_template.npz").read_text() == "old"
    assert json.loads((run / "comparison.json").read_text())["better"] is True
    assert not list(models.glob(".*"))


def test_a_worse_candidate_is_promoted_only_by_force(monkeypatch, folders, capsys):
    models, _ = folders
    assert run_promote(monkeypatch, folders, 1.1) == 1
    assert {path.read_text() for path in models.iterdir()} == {"old"}
    assert "--force" in capsys.readouterr().out
    assert run_promote(monkeypatch, folders, 1.1, "--force") == 0
    assert {(models / name).read_text() for name in TRAINED_FILES} == {"new"}


def test_training_writes_to_the_run_and_leaves_the_models_that_ship(monkeypatch, folders, tmp_path):
    models, _ = folders
    run = tmp_path / "fresh"
    name = TRAINED_FILES[0]
    monkeypatch.setitem(train.STEPS, "lifter", lambda args: (args.models / name).write_text("trained"))
    monkeypatch.setattr(sys, "argv", ["train.py", "lifter", "--models", str(models), "--run", str(run)])
    train.main()
    assert {path.read_text() for path in models.iterdir()} == {"old"}
    assert (run / "models" / TRAINED_FILES[0]).read_text() == "trained"
    assert (run / "models" / "head_template.npz").read_text() == "old"


def test_an_interrupted_copy_leaves_the_old_file(monkeypatch, folders):
    models, run = folders

    def fail(source, target):
        target.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(candidate.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="disk full"):
        candidate.promote(run / "models", models)
    assert {path.name: path.read_text() for path in models.iterdir()} == dict.fromkeys(
        (*TRAINED_FILES, "head_template.npz"), "old"
    )


def test_prepared_files_of_a_run_are_not_overwritten(folders):
    models, run = folders
    prepare_candidate(models, run / "models")
    assert {path.read_text() for path in (run / "models").iterdir()} == {"new"}


def test_regressions_go_with_the_lifter_that_they_were_fitted_to(folders):
    models, run = folders
    (run / "models" / PROFILE_FILE_NAME).unlink()
    prepare_candidate(models, run / "models")
    assert not (run / "models" / PROFILE_FILE_NAME).exists()
    candidate.promote(run / "models", models)
    assert (models / FILE_NAME).read_text() == "new" and not (models / PROFILE_FILE_NAME).exists()


@pytest.mark.parametrize("lifter", ["old", "new"])
def test_regressions_wait_for_the_profile_network_that_they_were_fitted_to(
    monkeypatch, folders, capsys, lifter
):
    models, run = folders
    (run / "models" / FILE_NAME).write_text(lifter)
    (models / PROFILE_NAME).write_text("old")
    (run / "models" / PROFILE_NAME).write_text("new")
    assert run_promote(monkeypatch, folders, 0.9) == 0
    assert "profile_network.py promote" in capsys.readouterr().out
    assert (models / PROFILE_NAME).read_text() == "old" and (models / FILE_NAME).read_text() == lifter
    # Those of the old network stay, but not beside a lifter that they were not fitted to.
    kept = [path.read_text() for path in models.glob(PROFILE_FILE_NAME)]
    assert kept == (["old"] if lifter == "old" else [])
    # Once the network is there, nothing waits for it.
    (models / PROFILE_NAME).write_text("new")
    assert run_promote(monkeypatch, folders, 0.9) == 0
    assert (models / PROFILE_FILE_NAME).read_text() == "new"


def test_a_run_with_another_lifter_can_be_used_at_every_step(tmp_path):
    shipped, run = tmp_path / "models", tmp_path / "run"
    shipped.mkdir()
    for name in (
        *(FILE_NAME, PROFILE_FILE_NAME, FEATURES_ONNX_NAME),
        *("head_template.npz", "landmark_symmetry.npz"),
    ):
        (shipped / name).symlink_to(MODELS / name)
    prepare_candidate(shipped, run)
    require_regressions(run, shipped)
    weights = safetensors_arrays(run / FILE_NAME)
    write_lifter(run, weights | {"output_mean": weights["output_mean"] + 0.01}, {})
    prepare_candidate(shipped, run)  # as the next step does
    assert LandmarkLifter.from_pretrained(run, backend="onnx").profile is None
    assert LandmarkLifter.from_pretrained(shipped, backend="onnx").profile is not None
    with pytest.raises(PhotobustError, match=r"another lifter.*promote the run's lifter first"):
        require_regressions(shipped, run)


def test_a_new_lifter_or_network_leaves_no_regression_of_another(folders):
    models, run = folders
    prepare_candidate(models, run / "models")
    (run / "models" / DENSE_LIFTER_NAME).unlink()  # as after exporting a network
    (run / "models" / FILE_NAME).write_text("old")
    prepare_candidate(models, run / "models")
    assert not (run / "models" / DENSE_LIFTER_NAME).exists()
    # Without its regression a network does not take the place of the one that ships.
    candidate.promote(run / "models", models)
    assert (models / DENSE_NAME).read_text() == (models / DENSE_LIFTER_NAME).read_text() == "old"
    write_lifter(run / "models", {"x": np.zeros(1)}, {})
    assert not any((run / "models" / name).exists() for name in candidate.REGRESSIONS)
