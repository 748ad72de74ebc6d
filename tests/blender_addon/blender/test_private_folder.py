"""Temporary folders: private, removed at the end, and those of killed processes at the next start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from blender_addon.blender.private_folder import LOCK_NAME, private_folder, remove_leftovers
from blender_addon.state import session

PREFIX = session.SCRATCH_PREFIX
#: Makes a folder, writes a face into it, says where, and waits to be killed.
KILLED = """
import sys
from blender_addon.state.session import AddonSession
session = AddonSession(print, None)
folder = session.scratch()
(folder / "faces").mkdir()
(folder / "faces" / "0.png").write_bytes(b"a face")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path, monkeypatch):
    """The folder for temporary files, of this process and its children."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("TEMP", str(tmp_path))
    return tmp_path


def test_what_a_killed_blender_has_left_goes_at_the_next_start(parent, tmp_path):
    root = str(Path(__file__).resolve().parents[3])
    blender = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    with blender:
        folder = Path(blender.stdout.readline().strip())
        assert folder.parent == parent and (folder / "faces/0.png").read_bytes() == b"a face"
        assert os.name == "nt" or folder.stat().st_mode & 0o077 == 0
        remove_leftovers(PREFIX)
        assert (folder / "faces/0.png").exists(), "its Blender still runs"
        blender.kill()
        blender.wait()
    session.open_session(lambda line: None, tmp_path / "log")
    try:
        assert not folder.exists()
    finally:
        session.close_session()


def test_a_folder_goes_at_the_end_whatever_happens(parent):
    with pytest.raises(ZeroDivisionError), private_folder(PREFIX) as folder:
        with private_folder(PREFIX) as other:
            assert folder != other and {folder, other} == set(parent.iterdir())
        1 / 0  # noqa: B018
    assert not list(parent.iterdir())


def test_what_is_no_leftover_stays(parent):
    """A link, a folder without a lock such as one that is just being made, and other names."""
    (parent / "elsewhere").mkdir()
    (parent / "elsewhere" / LOCK_NAME).touch()
    (parent / f"{PREFIX}link").symlink_to("elsewhere")
    (parent / f"{PREFIX}new").mkdir()
    remove_leftovers(PREFIX)
    assert {path.name for path in parent.iterdir()} == {"elsewhere", f"{PREFIX}link", f"{PREFIX}new"}
    assert (parent / "elsewhere" / LOCK_NAME).exists()
