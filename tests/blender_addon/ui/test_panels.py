"""Words in the panels: none is cut in a sidebar as wide as Blender makes it."""

from pathlib import Path

import numpy as np
import pytest

from core.io.head_files import texture_bytes
from core.io.head_npz import head_npz_bytes
from core.template.topology import HeadTopology
from tests.blender_addon.heads.head_file_samples import hair_arrays, npz
from tests.core.head_samples import MODELS, rigged_head

SCRIPT = Path(__file__).with_name("inside_panels.py")

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """A result's folder: the average head, with hair and brows."""
    head = rigged_head(HeadTopology.load(MODELS))
    (tmp_path / "head.npz").write_bytes(head_npz_bytes(head, {"photo": "a.jpg"}))
    (tmp_path / "albedo.png").write_bytes(texture_bytes(np.full((16, 16, 4), 200, np.uint8)))
    for name in ("hair_shell", "hair_cards", "hair_cards_normal", "hair_cover"):
        (tmp_path / f"{name}.png").write_bytes(texture_bytes(np.full((8, 8, 4), 100, np.uint8)))
    (tmp_path / "hair.npz").write_bytes(npz(hair_arrays()))
    (tmp_path / "face.json").write_text('{"files": {}}')
    return tmp_path


def test_panels_say_what_they_should_and_cut_no_word(run_in_blender, folder, fake_engine_python):
    names = "words_fit,faces_left_out_are_told,long_words_are_found"
    done = run_in_blender(SCRIPT, "--check", names, folder, PHOTOBUST_PYTHON=str(fake_engine_python))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"{name} passed" in done.stdout for name in names.split(","))
