"""scripts/benchmark/measure_heads.py on one real photo, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
@pytest.mark.slow
def test_a_photo_is_measured_and_no_photo_is_an_error(tmp_path):
    from skimage.data import astronaut

    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    command = [sys.executable, ROOT / "scripts/benchmark/measure_heads.py", "--photos", photos, "--out", out]
    nothing = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert nothing.returncode and "no pictures found" in nothing.stderr

    cv2.imwrite(str(photos / "astronaut.png"), astronaut()[..., ::-1])
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    text = (out / "heads.md").read_text()
    assert "1 heads" in text and "| ears |" in text and text.strip() in done.stdout
    tables = json.loads((out / "heads.json").read_text())
    assert tables["heads"]["astronaut.png"]["faults"][:3] == [0, 0, 0]
    assert [row[0] for row in tables["regions"]][-1] == "all skin"
