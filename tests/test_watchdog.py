"""A test that waits for ever fails, and says where all its threads stood: also in one of xdist's workers."""

import os
import subprocess
import sys

import pytest
import tomllib

from tests.conftest import PATIENCE_SECONDS, ROOT

HANGS = """
import threading

def waits_in_vain(lock):
    lock.acquire()

def test_hangs():
    lock = threading.Lock()
    lock.acquire()
    threading.Thread(target=waits_in_vain, args=[lock], daemon=True).start()
    lock.acquire()

def test_after():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_test_that_hangs_prints_all_stacks_and_fails(tmp_path, workers):
    file = tmp_path / "test_hangs.py"
    file.write_text(HANGS)
    shorter = ["-o", "faulthandler_timeout=5", "-o", "timeout=15"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            str(ROOT / "pyproject.toml"),
            *shorter,
            *workers,
            str(file),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "in waits_in_vain" in said and "in test_hangs" in said
    assert not workers or "1 failed, 1 passed" in said


def test_the_stacks_are_printed_before_the_test_is_ended():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 3 * PATIENCE_SECONDS < options["faulthandler_timeout"] < options["timeout"]
