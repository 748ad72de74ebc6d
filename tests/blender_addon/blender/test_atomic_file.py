"""Files that take their names complete; under Windows' name, of files that others hold open for a moment."""

import errno
import os
import sys
from pathlib import Path

import pytest

from blender_addon.blender import atomic_file


@pytest.fixture
def held(monkeypatch):
    """Lets a file be held by another program for so many tries of replacing it; gives the pauses between."""
    pauses = []

    def hold(tries):
        replace = Path.replace

        def replaced(self, target):
            if len(pauses) < tries:
                raise PermissionError(errno.EACCES, "in use")
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", replaced)
        monkeypatch.setattr(atomic_file.time, "sleep", pauses.append)
        return pauses

    return hold


def test_windows_tries_again_while_a_file_is_held(held, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "win32")
    pauses = held(3)
    atomic_file.write_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new" and len(pauses) == 3


def test_a_file_that_stays_held_is_an_error_and_leaves_nothing(held, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "win32")
    pauses = held(100)
    with pytest.raises(PermissionError):
        atomic_file.write_file(tmp_path / "a.txt", b"new")
    assert list(tmp_path.iterdir()) == [] and sum(pauses) < 2


def test_elsewhere_what_is_forbidden_is_so_at_once(held, tmp_path):
    pauses = held(1)
    with pytest.raises(PermissionError):
        atomic_file.write_file(tmp_path / "a.txt", b"new")
    assert pauses == []


def test_file_systems_without_fsync_are_no_error(monkeypatch, tmp_path):
    def refused(descriptor):
        raise OSError(errno.ENOTSUP, "no such thing")

    monkeypatch.setattr(os, "fsync", refused)
    atomic_file.write_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
