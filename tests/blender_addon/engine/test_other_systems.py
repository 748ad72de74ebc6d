"""What is done on Windows and macOS, as far as that can be tried elsewhere: with their names put in place."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from blender_addon.blender import file_lock
from blender_addon.engine import base_python, process, process_tree
from blender_addon.engine.locate import environment_python
from blender_addon.engine.process_tree import kill_tree, no_window
from blender_addon.engine.setup_plan import REQUIREMENTS_FILE, read_requirements


class Process:
    """As subprocess.Popen, without a process."""

    pid = 4711

    def __init__(self, ended=False):
        self.ended, self.killed = ended, False

    def poll(self):
        return 0 if self.ended else None

    def kill(self):
        self.killed = True


@pytest.fixture
def windows(monkeypatch):
    """The names by which code knows Windows; gives the command lines that are run."""
    commands = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0x00004000, raising=False)
    monkeypatch.setenv("SYSTEMROOT", "/win")
    monkeypatch.setattr(
        process_tree.subprocess, "run", lambda command, **options: commands.append((command, options))
    )
    return commands


def test_windows_ends_the_whole_tree(windows):
    popen = Process()
    kill_tree(popen)
    ((command, options),) = windows
    assert command == ["/win/System32/taskkill.exe", "/F", "/T", "/PID", "4711"]
    assert options["creationflags"] == 0x08000000 and popen.killed
    # One that has ended is left alone: Windows gives its number to others.
    kill_tree(Process(ended=True))
    assert len(windows) == 1


def test_windows_without_taskkill(windows, monkeypatch):
    def fails(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(process_tree.subprocess, "run", fails)
    popen = Process()
    kill_tree(popen)
    assert popen.killed


@pytest.mark.parametrize("error", [ProcessLookupError, PermissionError])
def test_a_group_that_has_ended(monkeypatch, error):
    """Linux and macOS say it differently."""
    calls = []

    def killpg(pid, number):
        calls.append((pid, number))
        raise error

    monkeypatch.setattr(os, "killpg", killpg)
    kill_tree(Process())
    assert calls == [(4711, signal.SIGKILL)]


def test_windows_opens_no_console(windows):
    assert no_window() == 0x08000000
    assert process._windows_flags(background=False) == 0x08000000
    assert process._windows_flags(background=True) == 0x08004000


def test_no_flags_elsewhere(monkeypatch):
    for name in ("linux", "darwin"):
        monkeypatch.setattr(sys, "platform", name)
        assert no_window() == process._windows_flags(background=True) == 0


def test_interpreter_of_an_environment(windows, monkeypatch):
    assert environment_python(Path("engine")) == Path("engine/Scripts/python.exe")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert environment_python(Path("engine")) == Path("engine/bin/python")


def test_blenders_own_python_on_windows(windows, monkeypatch, tmp_path):
    own = tmp_path / "4.5/python/bin/python.exe"
    own.parent.mkdir(parents=True)
    own.touch()
    blender = tmp_path / "blender.exe"
    blender.touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "4.5/python"))
    monkeypatch.setenv("PATH", "")
    assert list(base_python._candidates(str(blender))) == [(own, "Blender's")]


def test_a_python_in_the_current_folder_is_not_run(monkeypatch, tmp_path):
    """Windows finds programs there first; elsewhere a PATH may have it."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f".{os.pathsep}")
    assert list(base_python._candidates(None)) == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(base_python._candidates(None)) == [(program, "the system's")]


def test_locks_on_windows(windows, monkeypatch, tmp_path):
    """msvcrt says EACCES of what another process holds."""
    answers = [PermissionError(13, "Permission denied"), None]
    calls = []

    def locking(descriptor, mode, count):
        calls.append((mode, count))
        if error := answers.pop(0):
            raise error

    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    with file_lock.held_lock(tmp_path / "new/engine.lock", timeout=5) as held:
        assert held and calls == [(2, 1)] * 2


def test_packages_by_system():
    named = {
        system: read_requirements(REQUIREMENTS_FILE, (3, 10, 1), system) for system in ("win32", "darwin")
    }
    assert any(pin.startswith("pyreadline3") for pin in named["win32"])
    assert not any(pin.startswith("pyreadline3") for pin in named["darwin"])
