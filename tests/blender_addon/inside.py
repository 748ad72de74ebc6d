"""The command line of the inside_*.py files, whose checks run in a fresh bpy or Blender process."""

import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: As the process started; checks may change it.
ENVIRONMENT = dict(os.environ)


def main(checks: Mapping[str, Any]) -> None:
    """Run the checks that the command line names, `--check NAME[,NAME ...] FOLDER [ARGUMENT ...]`, and exit.

    Prints "NAME passed" for each; what goes wrong is printed, and ends the process with code 1. Of several
    checks, each gets a copy of the folder, and Blender as it starts. `checks`: the globals of a file with
    functions check_NAME(folder, *arguments).
    """
    names, folder, *more = sys.argv[sys.argv.index("--check") + 1 :]
    code = 0
    for name in names.split(","):
        there = Path(folder)
        try:
            if name != names:
                there = start_anew(there, name)
            checks[f"check_{name}"](there, *more)
            print(name, "passed")
        except BaseException:  # whatever it was, Blender itself would go on and end with code 0
            traceback.print_exc()
            code = 1
    sys.stdout.flush()
    sys.exit(code)


def start_anew(folder: Path, name: str) -> Path:
    """Switch the add-on off, open what Blender starts with, and copy the folder for one of several checks."""
    import addon_utils
    import bpy

    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    addon_utils.disable("blender_addon", default_set=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    return shutil.copytree(folder, Path(tempfile.mkdtemp()) / name)


def saved_bytes() -> bytes:
    """The .blend of what is open, not compressed, saved in a folder of its own."""
    import bpy

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, compress=False)
        return path.read_bytes()


def assert_no_path_of(file: Path) -> None:
    """The .blend of what is open does not say where `file` is, not even behind a shorter path's end."""
    assert os.fsencode(Path(file.parent.name, file.name)) not in saved_bytes(), file
