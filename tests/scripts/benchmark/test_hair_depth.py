"""scripts/benchmark/hair_depth.py on a head whose hair is known."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from core.template.topology import SKIN, HeadTopology

pytest.importorskip("igl")

ROOT = Path(__file__).resolve().parents[3]


def test_points_are_as_deep_as_they_were_placed(tmp_path):
    script = runpy.run_path(str(ROOT / "scripts/benchmark/hair_depth.py"))
    topology = HeadTopology.load(ROOT / "models")
    triangles = topology.triangles.reshape(-1, 2, 3)[topology.faces_of(SKIN)].reshape(-1, 3).astype(np.int64)
    top = topology.vertices[topology.vertices[:, 2].argmax()]
    np.savez(tmp_path / "head.npz", neutral=topology.vertices, photo=topology.vertices - [0, 0, 0.002])
    below = top - np.array([[0, 0, 0.001], [0, 0, 0.003], [0, 0, -0.01], [0, 0, 1.0]])
    np.savez(tmp_path / "hair.npz", shell_vertices=below, card_vertices=below[[2]])
    (tmp_path / "head.glb").write_bytes(bytes(2_000_000))

    found = script["measure"](tmp_path, triangles)
    assert found["shell mm"] == pytest.approx(3, abs=0.1)
    assert found["shell deeper"] == 1  # the last is below the neck
    assert found["photo: shell mm"] == pytest.approx(1, abs=0.1)
    assert found["photo: shell deeper"] == 0
    assert found["cards mm"] == pytest.approx(-10, abs=0.1)
    assert found["cards deeper"] == 0
    assert found["head.glb MB"] == 2
