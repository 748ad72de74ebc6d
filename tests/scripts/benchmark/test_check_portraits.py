"""The checks of scripts/benchmark/check_portraits.py find what they look for, on spheres and on a real
portrait.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parents[3]
spec = importlib.util.spec_from_file_location(
    "check_portraits", ROOT / "scripts/benchmark/check_portraits.py"
)
check_portraits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_portraits)


def test_angles_grow_with_ripples():
    sphere = trimesh.creation.icosphere(4, 0.1)
    vertices = np.asarray(sphere.vertices) + np.array([0, 0.06, 0])
    smooth = check_portraits.dihedral_angles(vertices, np.asarray(sphere.faces))
    assert set(smooth) == {"front", "sides", "back"} and max(smooth.values()) < 5
    rippled = vertices.copy()
    behind = vertices[:, 1] > 0.1
    rippled[behind, 1] += 0.002 * np.sin(vertices[behind, 2] / 0.002)
    bent = check_portraits.dihedral_angles(rippled, np.asarray(sphere.faces))
    assert bent["back"] > 3 * smooth["back"] and bent["front"] == smooth["front"]


def test_ear_reach():
    points = np.array([[0.08, 0.09, 0.0], [-0.07, 0.09, 0.0], [0.2, 0.0, 0.0], [-0.2, 0.09, 0.2]])
    np.testing.assert_allclose(check_portraits.ear_reach(points), [80, 70])
    assert (check_portraits.ear_reach(points[2:]) == 0).all()


def test_pictures_are_evenly_picked(tmp_path):
    for k in range(10):
        (tmp_path / f"{k}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    assert [p.stem for p in check_portraits.pictures([tmp_path], 4)] == ["0", "3", "6", "9"]
    assert len(check_portraits.pictures([tmp_path, tmp_path / "0.jpg"], 99)) == 11


@pytest.mark.slow
def test_astronaut(tmp_path, monkeypatch, capsys):
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    out = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "a.png"), "--out", str(out)])
    assert check_portraits.main() == 0
    (row,) = json.loads((out / "check.json").read_text())
    assert row["watertight"] and row["pieces"] == 1 and row["handles"] < 10
    assert max(abs(e) for e in row["ears_mm"]) < 8
    assert row["angle_front"] < 6 and row["angle_sides"] < 9 and row["angle_back"] < 15
    assert "1 closed and in one piece" in capsys.readouterr().out
    assert (out / "check.jpg").stat().st_size > 5000
