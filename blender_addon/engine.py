"""Where the engine is: which Python interpreter runs `core.worker`, and with which environment. No bpy.

`sys.executable` inside Blender may be Blender itself or a Python that has nothing to do with it, so the
engine's interpreter is asked for, or looked for beside the project.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import EngineNotFoundError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT_VARIABLE = "PHOTOBUST_PYTHON"
#: Packages without which the engine cannot run; looked for, never imported, here.
ENGINE_PACKAGES = ("torch", "mediapipe", "skimage")


@dataclass(frozen=True)
class Engine:
    """A Python interpreter and the folder that holds the `core` package."""

    python: Path
    root: Path = PROJECT_ROOT

    def command(self) -> list[str]:
        """Command line of the worker process."""
        return [str(self.python), "-u", "-m", "core.worker"]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` without what Blender's own Python would push onto another interpreter."""
        env = {k: v for k, v in base.items() if k not in ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONPATH")}
        env["PYTHONPATH"] = str(self.root)
        env["PYTHONIOENCODING"] = "utf-8"
        return env


def find_engine(
    explicit: str | os.PathLike | None = None,
    environ: Mapping[str, str] | None = None,
    root: Path = PROJECT_ROOT,
    current: str | None = None,
) -> Engine:
    """The engine to use: `explicit` (an option), else $PHOTOBUST_PYTHON, else `current`, else `root`/.venv.

    `current` is the interpreter that runs this code, given only where it is a plain Python (not inside
    Blender); it is taken if it has the engine's packages. Raises EngineNotFoundError.
    """
    environ = os.environ if environ is None else environ
    if explicit:
        return Engine(_existing(explicit, "--engine-python"), root)
    if environ.get(ENVIRONMENT_VARIABLE):
        return Engine(_existing(environ[ENVIRONMENT_VARIABLE], ENVIRONMENT_VARIABLE), root)
    if current and all(importlib.util.find_spec(name) for name in ENGINE_PACKAGES):
        return Engine(Path(current), root)
    beside = root / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if beside.is_file():
        return Engine(beside, root)
    raise EngineNotFoundError(
        f"The engine's Python was not found. Run `make setup` in {root}, or name an interpreter that has the "
        f"engine's packages with --engine-python or the environment variable {ENVIRONMENT_VARIABLE}."
    )


def _existing(python: str | os.PathLike, source: str) -> Path:
    # Not resolved: a virtual environment's python is a link, and following it would leave the environment.
    path = Path(python).expanduser().absolute()
    if path.is_file() and os.access(path, os.X_OK):
        return path
    if path.is_dir():
        raise EngineNotFoundError(f"{source} names a folder, {path}; it must name the Python program in it.")
    raise EngineNotFoundError(f"{source} names {path}, which is no program that can be run.")
