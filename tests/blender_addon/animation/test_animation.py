"""Faces in motion inside Blender, in a fresh process."""

from pathlib import Path

import pytest

from core.io.head_npz import head_npz_bytes
from core.template.topology import HeadTopology
from tests.core.head_samples import MODELS, rigged_head

SCRIPT = Path(__file__).with_name("inside_animation.py")

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_takes_and_controls(run_in_blender, tmp_path):
    (tmp_path / "head.npz").write_bytes(head_npz_bytes(rigged_head(HeadTopology.load(MODELS)), {}))
    checks = "takes,kept_takes,driven_keys,driven_curves,still_files,tweaked_files,controls"
    done = run_in_blender(SCRIPT, "--check", checks, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name} passed" in done.stdout for name in ("takes", "kept_takes", "controls"))
