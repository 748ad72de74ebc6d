"""What `mkdocs build` runs: lays the folder `core` out under the name that it is installed by."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def on_startup(**_: Any) -> None:
    """Make out/reference/photobust, a link to core, before the reference is collected."""
    link = ROOT / "out/reference/photobust"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT / "core", target_is_directory=True)
