"""The folder of the engine's private environment: marked as ours, set aside, restored, removed. No bpy."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from ..blender.atomic_file import written_atomically
from ..blender.file_lock import held_lock
from ..errors import SetupError
from .base_python import BasePython
from .locate import MARKER_NAME, read_marker

#: Seconds that a set-up waits for another Blender that is tidying up.
LOCK_TIMEOUT = 120.0


def lock_path(folder: Path) -> Path:
    """The file that is held by who changes the environment in `folder`."""
    return folder.with_name(f"{folder.name}.lock")


def previous_folder(folder: Path) -> Path:
    """Where the former environment is while another is made."""
    return folder.with_name(f"{folder.name}.previous")


def downloads_folder(folder: Path) -> Path:
    """What pip has downloaded for it."""
    return folder.with_name(f"{folder.name}.downloads")


def remove_leftovers(folder: Path) -> None:
    """Put right what a set-up that was killed has left; nothing if one is going on.

    A half-made environment and what was downloaded for it are removed, the former environment comes back.

    Raises:
        SetupError: Something cannot be removed.
    """
    previous, downloads = previous_folder(folder), downloads_folder(folder)
    unfinished = (read_marker(folder) or {"finished": True}).get("finished") is not True
    if not unfinished and not previous.exists() and not downloads.exists():
        return
    with held_lock(lock_path(folder)) as held:
        if not held:
            return
        if (read_marker(folder) or {"finished": True}).get("finished") is not True:
            remove_environment(folder)
        if previous.is_dir() and not folder.exists():
            previous.rename(folder)
        remove_environment(previous)
        shutil.rmtree(downloads, ignore_errors=True)


def remove_environment(folder: Path) -> None:
    """Delete an environment that was made here. Raises SetupError for any other folder."""
    if not folder.exists():
        return
    if read_marker(folder) is None:
        raise SetupError(f"{folder} was not made by this add-on and is left alone.")
    try:
        # The marker goes last: if this is interrupted, the rest can still be removed.
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARKER_NAME:
                path.unlink()
        shutil.rmtree(folder)
    except OSError as error:
        raise SetupError(f"{folder} cannot be removed ({error}): stop the engine, then try again.") from error


def environment_size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += Path(parent, name).lstat().st_size
    return size


def set_aside(folder: Path, previous: Path) -> None:
    """Keep a finished environment until the new one is; remove an unfinished one."""
    marker = read_marker(folder)
    if not (marker or {}).get("finished"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        remove_environment(folder)
        return
    remove_environment(previous)
    try:
        folder.rename(previous)
    except OSError as error:
        raise SetupError(f"{folder} is in use ({error}): stop the engine, then try again.") from error


def restore(folder: Path, previous: Path) -> None:
    """Remove what is half-made and bring back what was set aside."""
    remove_environment(folder)
    if previous.is_dir() and not folder.exists():
        previous.rename(folder)


def mark(folder: Path, base: BasePython, packages: tuple[str, ...], finished: bool) -> None:
    """Note in an environment that it is ours, what it was made of, and whether it is complete."""
    marker = {
        "finished": finished,
        "python": base.version_text,
        "made_with": str(base.path),
        "packages": list(packages),
    }
    with written_atomically(folder / MARKER_NAME) as partial:
        partial.write_text(json.dumps(marker, indent=1), "utf-8")
