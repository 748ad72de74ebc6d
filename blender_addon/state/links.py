"""Where documentation is, and what a bug report needs. No bpy."""

import platform
import re
from pathlib import Path

from ..engine.locate import PROJECT_ROOT

#: Pages of the project; empty while there are none: then the files that came with the add-on are shown.
DOCUMENTATION_URL = ""
TRACKER_URL = ""
#: Lines of the log's end that are of use in a report.
LOG_LINES = 60
ADDON_FOLDER = Path(__file__).resolve().parents[1]


def documentation_file() -> Path | None:
    """The add-on's guide as a file: as it was packed, else the project's."""
    for path in (ADDON_FOLDER / "documentation.txt", PROJECT_ROOT / "docs" / "addon.md"):
        if path.is_file():
            return path
    return None


def bug_report(blender: str, log: Path) -> str:
    """What a report needs, without the user's name: versions, system, the end of the log."""
    try:
        lines = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
    except OSError:
        lines = ["(no log)"]
    head = [
        f"Photobust {addon_version()}, Blender {blender}, Python {platform.python_version()}",
        f"{platform.system()} {platform.release()} ({platform.machine()})",
        "",
        "What I did, what happened, what I expected:",
        "",
        "Log:",
    ]
    return "\n".join([*head, *lines]).replace(str(Path.home()), "~") + "\n"


def addon_version() -> str:
    """As the add-on's own files have it."""
    text = (ADDON_FOLDER / "blender_manifest.toml").read_text("utf-8")
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "?"
