"""Where the user's documents are. No bpy."""

import contextlib
import os
import re
import sys
from pathlib import Path


def documents_folder() -> Path | None:
    """The user's folder for documents, None if there is none that can be written to."""
    candidates = [Path.home() / "Documents"]
    if sys.platform == "win32":
        candidates[:0] = _from_registry()
    elif sys.platform != "darwin":
        candidates[:0] = _from_xdg()
    for folder in candidates:
        # A desktop without such a folder names the home itself.
        if folder != Path.home() and folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    return None


def _from_xdg() -> list[Path]:
    """As the freedesktop.org "user directories" have it."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    try:
        text = (config / "user-dirs.dirs").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    found = re.search(r'^\s*XDG_DOCUMENTS_DIR="([^"]+)"', text, re.MULTILINE)
    return [Path(found.group(1).replace("$HOME", str(Path.home())))] if found else []


def _from_registry() -> list[Path]:
    """As Windows has it, where the folder may lie on another disk or in a cloud's folder."""
    with contextlib.suppress(OSError, ImportError):
        import winreg

        name = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, name) as key:  # type: ignore[attr-defined,unused-ignore]
            value, _ = winreg.QueryValueEx(key, "Personal")  # type: ignore[attr-defined,unused-ignore]
            return [Path(os.path.expandvars(value))]
    return []
