"""Trained models take the place of those that ship only if they are better, or by force."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.training.evaluation import comparison
from core.training.evaluation.comparison import TOLERANCE_MM, ModelErrors, is_better
from core.training.fitting import candidate, onnx_export
from core.training.fitting.candidate import TRAINED_FILES, prepare_candidate
from scripts.training import promote, train

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
