"""The calibration's command line, on rows that were made up."""

import json
import os
import subprocess
import sys
from pathlib import Path

from core.quality.calibration import Calibration
from tests.core.training.quality_rows import synthetic_rows

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts/training/calibrate_quality.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


def test_fit_only(tmp_path):
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in synthetic_rows(120)))
    done = run("--fit-only", "--table", table, "--out", tmp_path / "made.json")
    assert done.returncode == 0, done.stderr
    assert "| all | 120 |" in done.stdout and "| undegraded, yaw 60-90 |" in done.stdout
    found = Calibration.from_json((tmp_path / "made.json").read_text())
    assert found.about["heads"] == 120 and found.about["no_head"] == {"cut": 1}
    assert set(found.models) >= {"landmark_lifter.safetensors", "volume_network.onnx"}
    assert not any(name.endswith(".json") for name in found.models)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.json", "table.jsonl"]


def test_too_few_heads(tmp_path):
    done = run("--fit-only", "--table", tmp_path / "none.jsonl", "--out", tmp_path / "made.json")
    assert done.returncode == 1 and "has 0 heads, 60 are needed" in done.stderr


def test_no_pictures(tmp_path):
    done = run("--shards", tmp_path, "--out", tmp_path / "made.json")
    assert (
        done.returncode == 1
        and "no pictures of the split 'eval'" in done.stderr
        and "make_shards.py" in done.stderr
    )
