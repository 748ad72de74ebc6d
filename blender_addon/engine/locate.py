"""Where the engine is: which Python interpreter runs its worker, and with which environment. No bpy.

`sys.executable` inside Blender may be Blender itself or a Python that has nothing to do with it, so the
engine's interpreter is asked for, or the add-on's private environment (see `setup`), or looked for
beside the project.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..errors import EngineNotFoundError

ENVIRONMENT_VARIABLE = "PHOTOBUST_PYTHON"
#: Packages without which the engine cannot run; looked for, never imported, here.
ENGINE_PACKAGES = ("onnxruntime", "mediapipe", "skimage")
#: In the private environment's folder: that it is ours, and whether it was finished.
MARKER_NAME = "photobust-engine.json"

#: numpy's and scipy's sums depend in their last bits on the number of BLAS threads, which is that of the
#: machine's cores, or what a Dask worker sets: with one, a photo gives the same files. Nor does it cost time,
#: for the matrices are small: on 2 cores a head took 11.0 s of processor time with two, 7.2 s with one.
ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}

#: glibc gives each thread a heap of its own, up to eight a core, and none gives back what it once held: over
#: 60 photos an engine grew from 498 to 1,125 MB; with two heaps it stayed at 559.
TWO_HEAPS = {"MALLOC_ARENA_MAX": "2"}

# Where an Engine's interpreter was named.
CHOSEN = "chosen"
VARIABLE = "variable"
PRIVATE = "private"
RUNNING = "running"
BESIDE = "beside"

#: The engine's process as a module, in a checkout and in the add-on's folder.
WORKER = "core.worker"
#: The engine's process as a module, as the wheel installs it.
INSTALLED_WORKER = "photobust.worker"


def find_root(addon: Path) -> Path:
    """The folder with the engine's package: that of an installed add-on itself, else, in a checkout and in
    site-packages, its parent.
    """
    return addon if (addon / "core" / "worker" / "__main__.py").is_file() else addon.parent


PROJECT_ROOT = find_root(Path(__file__).resolve().parents[1])


@dataclass(frozen=True)
class Engine:
    """A Python interpreter and the folder that holds the engine's package.

    backend: what runs the networks, "onnx" or "torch"; None leaves that to the engine. origin: where the
    interpreter was named; it decides what is offered if something is wrong with it. background: it gives
    way to other programs, so that Blender goes on answering. threads: of the networks, None for one a core.
    """

    #: What messages call it.
    display_name: ClassVar[str] = "engine"

    python: Path
    root: Path = PROJECT_ROOT
    backend: str | None = None
    origin: str = CHOSEN
    background: bool = False
    threads: int | None = None

    @property
    def installed(self) -> bool:
        """Whether `root` is a site-packages folder with the wheel's `photobust` in it."""
        return (self.root / "photobust" / "worker" / "__main__.py").is_file()

    def command(self) -> list[str]:
        """Command line of the worker process."""
        module = INSTALLED_WORKER if self.installed else WORKER
        options = ["--backend", self.backend] if self.backend else []
        options += ["--background"] if self.background else []
        options += ["--threads", str(self.threads)] if self.threads else []
        return [str(self.python), "-u", "-m", module, *options]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` without what Blender's own Python would push onto another interpreter."""
        env = without_python_settings(base)
        if self.installed:
            # Another interpreter has a `photobust` of its own, and these site-packages would break it.
            env["PYTHONSAFEPATH"] = "1"
        else:
            env["PYTHONPATH"] = str(self.root)
        env["PYTHONIOENCODING"] = "utf-8"
        return TWO_HEAPS | env | ONE_BLAS_THREAD


def without_python_settings(base: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without those that would mix one Python up with another."""
    unwanted = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in base.items() if name not in unwanted}


def environment_folder(user_folder: Path) -> Path:
    """The private environment, below a folder where the add-on may keep things for this user."""
    return user_folder / "engine"


def environment_python(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def read_marker(folder: Path) -> dict[str, Any] | None:
    """What `setup` noted in the environment it makes; None if the folder is not one of its."""
    try:
        marker = json.loads((folder / MARKER_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) else None


def find_engine(
    explicit: str | os.PathLike | None = None,
    environ: Mapping[str, str] | None = None,
    root: Path = PROJECT_ROOT,
    current: str | None = None,
    private: Path | None = None,
) -> Engine:
    """The engine to use: what is chosen, else $PHOTOBUST_PYTHON, else the private environment, else this
    interpreter, else .venv beside the project.

    Args:
        explicit: An interpreter that an option or a preference names.
        environ: The environment's variables; None for those of this process.
        root: The folder that has the engine's sources.
        current: The interpreter that runs this code, given only where it is a plain Python (not inside
            Blender); it is taken if it has the engine's packages.
        private: Folder of the environment that the add-on sets up; it is taken if that was finished.

    Raises:
        EngineNotFoundError: There is none, or what was named is none.
    """
    environ = os.environ if environ is None else environ
    if explicit:
        return Engine(_existing(explicit, "The chosen interpreter"), root, origin=CHOSEN)
    if environ.get(ENVIRONMENT_VARIABLE):
        return Engine(_existing(environ[ENVIRONMENT_VARIABLE], ENVIRONMENT_VARIABLE), root, origin=VARIABLE)
    if private and (read_marker(private) or {}).get("finished"):
        return Engine(environment_python(private), root, origin=PRIVATE)
    if current and all(importlib.util.find_spec(name) for name in ENGINE_PACKAGES):
        return Engine(Path(current), root, origin=RUNNING)
    beside = environment_python(root / ".venv")
    if beside.is_file():
        return Engine(beside, root, origin=BESIDE)
    if private:
        raise EngineNotFoundError(
            "The engine is not set up yet: press Set up engine, or choose a Python that has its packages."
        )
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
        raise EngineNotFoundError(f"{source} is a folder, {path}; name the Python program in it.")
    raise EngineNotFoundError(f"{source} is {path}, which is no program that can be run; name another.")
