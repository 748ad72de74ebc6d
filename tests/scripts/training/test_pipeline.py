"""The whole training in one command: steps run once, and again when their inputs change."""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import PhotobustError
from core.training.paths import DataPaths
from scripts.training.pipeline import run_steps
from scripts.training.steps import SCALES, Step, Steps

ROOT = Path(__file__).resolve().parents[3]

APPEND = "import sys; open(sys.argv[1], 'a').write('x'); print('appended')"


def appending_step(folder: Path, name: str = "append", *inputs: Path) -> Step:
    """A step that adds a letter to its output each time it runs."""
    output = folder / f"{name}.txt"
    return Step(name, "append", (sys.executable, "-c", APPEND, str(output)), inputs, (output,))


def test_a_step_runs_once_and_again_when_an_input_changes(tmp_path, capsys):
    source = tmp_path / "source"
    source.write_text("one")
    step, stamps = appending_step(tmp_path, "append", source), tmp_path / "stamps"
    for _ in range(2):
        run_steps([step], stamps)
    assert step.outputs[0].read_text() == "x"
    assert "done before" in capsys.readouterr().out
    source.write_text("another length")
    run_steps([step], stamps)
    assert step.outputs[0].read_text() == "xx"
    assert (stamps / "append.log").read_text() == "appended\n"


def test_a_step_runs_again_when_its_output_is_gone_or_its_command_differs(tmp_path):
    step, stamps = appending_step(tmp_path), tmp_path / "stamps"
    run_steps([step], stamps)
    step.outputs[0].unlink()
    assert not step.is_done(stamps)
    run_steps([step], stamps)
    assert step.is_done(stamps)
    changed = Step(step.name, step.summary, (*step.command, "more"), step.inputs, step.outputs)
    assert not changed.is_done(stamps)


def test_a_change_within_an_input_folder_counts(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    step, stamps = appending_step(tmp_path, "append", folder), tmp_path / "stamps"
    run_steps([step], stamps)
    (folder / "new.jpg").write_bytes(b"1")
    assert not step.is_done(stamps)


def test_a_failed_step_names_its_log_and_stops_the_rest(tmp_path):
    failing = Step("fail", "fail", (sys.executable, "-c", "print('because'); raise SystemExit(3)"), (), ())
    later, stamps = appending_step(tmp_path), tmp_path / "stamps"
    with pytest.raises(PhotobustError, match=r"'fail' failed \(exit code 3\).*fail\.log"):
        run_steps([failing, later], stamps)
    assert (stamps / "fail.log").read_text() == "because\n"
    assert not failing.is_done(stamps) and not later.outputs[0].exists()


@pytest.mark.parametrize("scale", SCALES)
def test_steps_read_only_what_earlier_ones_write_or_what_is_given(scale, tmp_path):
    paths = DataPaths(tmp_path / "data", tmp_path / "cache", tmp_path / "models")
    run = tmp_path / "run"
    written: set[Path] = set()
    for step in Steps(paths, run, SCALES[scale], hours=1).all():
        made = {p for p in step.inputs if p.is_relative_to(paths.cache) or p.is_relative_to(run)}
        assert made <= written, step.name
        assert not any(p.is_relative_to(paths.models) for p in step.outputs), step.name
        written |= {*step.outputs, run / "stamps" / f"{step.name}.json"}


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_every_script_knows_its_steps_options(scale, tmp_path, monkeypatch):
    """A full run takes days: none of its steps may fail for its command line, and each says what follows."""

    class Parsed(Exception):
        pass

    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(*arguments):
        parse(*arguments)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    paths = DataPaths(tmp_path / "data", tmp_path / "cache", tmp_path / "models")
    for step in Steps(paths, tmp_path / "run", SCALES[scale], hours=1, start=tmp_path / "weights").all():
        path = Path(step.command[1]).resolve().relative_to(ROOT).with_suffix("")
        script = importlib.import_module(".".join(path.parts))
        monkeypatch.setattr(sys, "argv", list(step.command[1:]))
        with pytest.raises(Parsed):
            script.main()


def test_each_step_says_what_comes_next(tmp_path, capsys):
    run_steps([appending_step(tmp_path, name) for name in ("one", "two")], tmp_path / "stamps")
    assert "next: two" in capsys.readouterr().out


def test_missing_data_is_named_at_once(tmp_path):
    command = [
        sys.executable,
        ROOT / "scripts/training/pipeline.py",
        "--data",
        tmp_path,
        "--run",
        tmp_path / "run",
    ]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert str(tmp_path / "face_model") in done.stderr and "--data" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.slow
def test_everything_from_an_empty_cache(training_run):
    """Registration to evaluation at the smallest scale, interrupted after the first step; a last call has
    nothing left to do.
    """
    shipped = {p.name: p.stat().st_mtime_ns for p in (ROOT / "models").iterdir()}
    first, second = (
        subprocess.run(training_run.command, capture_output=True, check=False, encoding="utf-8")
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout[-3000:] + first.stderr[-3000:]
    assert "promote.py" in first.stdout and first.stdout.count("done before") == 1
    assert second.stdout.count("done before") == len(list((training_run.folder / "stamps").glob("*.json")))
    assert shipped == {p.name: p.stat().st_mtime_ns for p in (ROOT / "models").iterdir()}
    scan = json.loads((training_run.folder / "evaluation" / "scan.json").read_text())
    assert scan and all(row["median"] > 0 for row in scan)
    log = (training_run.folder / "network" / "log.csv").read_text().splitlines()
    assert len(log) >= 2 and log[1].startswith("1,")
