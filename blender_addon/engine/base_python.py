"""Finds a Python that the engine's environment can be made with. No bpy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError
from .python_probe import ask_python

#: Oldest version that all of the engine's packages have wheels for.
LOWEST = (3, 10)
#: Newest version that they all have wheels for.
HIGHEST = (3, 13)
#: Seconds an interpreter may take to say what it is; generous, for cold disks.
PROBE_TIMEOUT = 60.0

_PROBE_SCRIPT = """
import importlib.util, json, platform, struct, sys
have = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
bits = struct.calcsize("P") * 8
print(json.dumps([list(sys.version_info[:3]), have, bits, sys.platform, platform.machine()]))
"""


@dataclass(frozen=True)
class BasePython:
    """An interpreter to make environments with. origin: whose it is, for people."""

    path: Path
    version: tuple[int, int, int]
    origin: str

    @property
    def version_text(self) -> str:
        """As in 3.11.7."""
        return ".".join(map(str, self.version))


def find_base_python(python: str | os.PathLike | None = None, embedded: str | None = None) -> BasePython:
    """`python` if it is given, else Blender's own, `embedded`, else one of the system's.

    Raises SetupError that says what was looked at and why it will not do.
    """
    if python:
        return _checked(Path(python).expanduser().absolute(), "chosen")
    problems = []
    for path, origin in _candidates(embedded):
        try:
            return _checked(path, origin)
        except SetupError as error:
            problems.append(str(error))
    looked = " ".join(dict.fromkeys(problems)) or "None was found."
    raise SetupError(
        f"The engine needs a Python from {_text(LOWEST)} to {_text(HIGHEST)} to be set up with. {looked} "
        "Install one (python.org, or your system's packages python3 and python3-venv), or choose it."
    )


def _candidates(embedded: str | None) -> Iterator[tuple[Path, str]]:
    """Interpreters to try, best first, none twice."""
    seen = set()
    own = [Path(embedded)] if embedded else []
    if embedded:
        # Where `sys.executable` is not Blender's Python, this is where it may be.
        posix = [f"bin/python{_text(sys.version_info[:2])}"]
        names = ["bin/python.exe", "python.exe"] if sys.platform == "win32" else posix
        own += [Path(sys.base_prefix) / name for name in names]
    minors = range(HIGHEST[1], LOWEST[1] - 1, -1)
    found = map(shutil.which, [*(f"python3.{minor}" for minor in minors), "python3", "python"])
    system = [Path(path) for path in found if path]
    for path, origin in [*((p, "Blender's") for p in own), *((p, "the system's") for p in system)]:
        # Run with options, Blender itself would open a window. Windows looks for programs in the current
        # folder first, and a PATH may name it too: what lies beside a photo or a .blend is not to be run.
        named_python = path.is_absolute() and path.name.lower().startswith("python")
        if path not in seen and named_python and path.is_file():
            seen.add(path)
            yield path, origin


def _checked(path: Path, origin: str) -> BasePython:
    try:
        version, complete, bits, system, machine = ask_python(path, _PROBE_SCRIPT, PROBE_TIMEOUT)
    except (OSError, TypeError, ValueError, subprocess.SubprocessError) as error:
        raise SetupError(f"{path} does not work as a Python ({error}).") from error
    text = _text(version)
    if not LOWEST <= tuple(version[:2]) <= HIGHEST:
        raise SetupError(f"{path} is Python {text}; {_text(LOWEST)} to {_text(HIGHEST)} will do.")
    if not complete:
        raise SetupError(f"{path} (Python {text}) lacks venv or ensurepip; on Debian, install python3-venv.")
    if bits != 64:
        raise SetupError(f"{path} is a 32-bit Python; the engine needs a 64-bit one.")
    if system == "darwin" and machine == "x86_64":
        raise SetupError(f"{path} is for Intel Macs, for which MediaPipe is not made any more.")
    return BasePython(path, tuple(version), origin)


def _text(version: "tuple[int, ...] | list[int]") -> str:
    return ".".join(map(str, version))
