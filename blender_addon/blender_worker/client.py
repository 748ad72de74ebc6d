"""How the batch starts a Blender worker: with the bpy module in a Python, or with a Blender. No bpy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from ..engine.locate import ONE_BLAS_THREAD, PROJECT_ROOT, TWO_HEAPS, environment_python
from ..errors import BlenderNotFoundError


@dataclass(frozen=True)
class BlenderProgram:
    """What runs the Blender worker; an `EngineProgram`.

    Attributes:
        python: A Python with the bpy module, or a Blender.
        root: The folder that it is started in.
        threads: Of a Blender, and of OpenGL that the CPU draws; None for one a core.
    """

    python: Path
    root: Path = PROJECT_ROOT
    threads: int | None = None

    display_name: ClassVar[str] = "Blender worker"
    background: ClassVar[bool] = False

    @property
    def is_blender(self) -> bool:
        """Whether this is a Blender: every Python has that in its name."""
        return "python" not in self.python.name.lower()

    def command(self) -> list[str]:
        """Command line of the process."""
        if not self.is_blender:
            return [str(self.python), "-u", "-m", __package__]
        threads = ["--threads", str(self.threads)] if self.threads else []
        script = str(Path(__file__).with_name("start.py"))
        options = ["--background", "--factory-startup", "--python-exit-code", "3"]
        return [str(self.python), *options, *threads, "--python", script]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base`, in which a Python finds the project; as many threads as asked for."""
        env = {**TWO_HEAPS, **base, **ONE_BLAS_THREAD}
        if not self.is_blender:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(self.root), env.get("PYTHONPATH")]))
            env["PYTHONIOENCODING"] = "utf-8"
        if self.threads:
            env["LP_NUM_THREADS"] = str(self.threads)  # Mesa's software OpenGL
        return env


def find_blender(explicit: str | None = None, root: Path = PROJECT_ROOT) -> BlenderProgram:
    """The program to run the Blender worker with.

    That is `explicit`, else the Blender or the bpy that runs this, else .venv's bpy beside the project, else
    the `blender` in the PATH.

    Raises:
        BlenderNotFoundError: There is none, or `explicit` is no program.
    """
    if explicit:
        found = shutil.which(Path(explicit).expanduser())
        if not found:
            raise BlenderNotFoundError(f"{explicit}, named with --blender, is no program that can be run.")
        return BlenderProgram(Path(found).absolute(), root)
    bpy = sys.modules.get("bpy")
    if bpy and bpy.app.binary_path:
        return BlenderProgram(Path(bpy.app.binary_path), root)
    if find_spec("bpy"):
        return BlenderProgram(Path(sys.executable), root)
    beside = environment_python(root / ".venv")
    if beside.is_file() and _has_bpy(beside):
        return BlenderProgram(beside, root)
    blender = shutil.which("blender")
    if blender:
        return BlenderProgram(Path(blender), root)
    raise BlenderNotFoundError(
        f"{sys.executable} has no bpy module, and there is no `blender` in the PATH. Use .venv/bin/python "
        "after `make setup`, name a Blender with --blender, or leave out what needs one (--no-preview "
        "--no-page)."
    )


def _has_bpy(python: Path) -> bool:
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('bpy') is None)"
    return subprocess.run([str(python), "-c", probe], check=False, capture_output=True).returncode == 0
