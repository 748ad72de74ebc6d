"""The process that retopologizes, as far as it needs no Blender: what is run, what is said of the result."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blender_addon.errors import EngineStartError, JobCancelledError
from blender_addon.mesh.retopology_process import SERVER_SCRIPT, RetopologyProgram, RetopologyRun
from blender_addon.mesh.retopology_report import RetopologyReport

PLAIN = RetopologyReport(
    quads=4950,
    wanted=5000,
    attempts=1,
    p95_distance=0.0005,
    max_distance=0.002,
    repairs=(),
    lost=(),
    uv_islands=None,
    uv_overlap=0.0,
    picture=None,
)


def test_nothing_is_remarked_on_a_good_result():
    assert PLAIN.remarks() == []
    assert PLAIN.facts() == {
        "quads": 4950,
        "attempts": 1,
        "distance_mm": {"p95": 0.5, "max": 2.0},
        "mended": [],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quads": 4000}, "with about 5,000 quads; with 4,000 it could"),
        ({"repairs": ("2 small holes",)}, "The mesh had 2 small holes."),
        ({"repairs": ("a", "b", "c")}, "The mesh had a, b and c."),
        ({"lost": ("crease",)}, "Not carried over: crease."),
        ({"uv_islands": 7, "uv_overlap": 0.0012}, "overlap (0.12 %)"),
    ],
)
def test_what_the_user_should_know_is_remarked(change, words):
    report = replace(PLAIN, **change)
    (remark,) = report.remarks()
    assert words in remark
    assert json.dumps(report.facts())


def test_a_blender_and_a_python_are_started_differently():
    blender = RetopologyProgram(Path("/opt/blender"), is_blender=True).command()
    assert blender[0] == "/opt/blender" and blender[-2:] == ["--python", str(SERVER_SCRIPT)]
    assert {"--background", "--factory-startup"} <= set(blender)  # nobody's settings, and no window
    python = RetopologyProgram(Path("/opt/python"), is_blender=False)
    assert python.command() == ["/opt/python", "-u", str(SERVER_SCRIPT)]
    assert python.environment({"HOME": "/home/me"})["HOME"] == "/home/me"


def test_a_program_that_cannot_be_started(tmp_path):
    with pytest.raises(EngineStartError, match="could not be started"):
        RetopologyRun(RetopologyProgram(tmp_path / "none", True), tmp_path, 500, 0, [[1, 0, 0]])


def test_cancelling_ends_the_process(tmp_path):
    program = tmp_path / "blender"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import time; time.sleep(600)'\n")
    program.chmod(0o755)
    run = RetopologyRun(RetopologyProgram(program, True), tmp_path, 500, 0, [[1, 0, 0]])
    pid = run.pid
    assert not run.poll()
    run.cancel()
    with pytest.raises(JobCancelledError):
        run.wait()
    run.close()
    assert subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode != 0
