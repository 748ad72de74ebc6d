"""What setting up the engine will do: what is downloaded, how large, where it goes. No bpy."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import SetupError
from .base_python import BasePython, find_base_python
from .locate import read_marker

REQUIREMENTS_FILE = Path(__file__).resolve().parents[1] / "engine_requirements.txt"
#: Bytes, as measured on Linux with Python 3.11 (other systems and versions: some 30 % more or less).
DOWNLOAD_BYTES, DISK_BYTES = 237_000_000, 800_000_000
DEFAULT_SOURCE = "pypi.org"

_LINE = re.compile(r"^(?P<pin>[\w.-]+==[\w.+]+)\s*(?:;\s*(?P<marker>.+))?$")
_CLAUSE = re.compile(r"^(python_version|sys_platform) (<|>=|==) \"([\w.]+)\"$")


@dataclass(frozen=True)
class SetupPlan:
    """All that a person should agree to. Sizes are bytes; download and disk are estimates."""

    folder: Path
    base: BasePython
    packages: tuple[str, ...]
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    source: str

    @property
    def needed_bytes(self) -> int:
        """What has to be free: pip keeps what it has downloaded until it is installed."""
        return self.disk_bytes + self.download_bytes

    def lines(self) -> list[str]:
        """The plan in words, a line each."""
        names = ", ".join(re.split("==", package)[0] for package in self.packages if _is_known(package))
        return [
            f"Downloads about {_megabytes(self.download_bytes)} from {self.source}:",
            f"{names} and what they need ({len(self.packages)} Python packages).",
            f"They take about {_megabytes(self.disk_bytes)} in {self.folder}",
            f"({_megabytes(self.free_bytes)} are free there). Nothing else on this computer is changed.",
            f"Uses {self.base.origin} Python {self.base.version_text}, {self.base.path}.",
        ]


def plan_setup(
    folder: Path,
    *,
    python: str | os.PathLike | None = None,
    embedded: str | None = None,
    requirements: Path = REQUIREMENTS_FILE,
) -> SetupPlan:
    """Plan an environment in `folder`, which setting it up makes anew.

    python: the interpreter to make it with; else Blender's own, `embedded`, else one of the system's.
    Raises SetupError if there is none, or the folder is somebody else's or cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    if (
        folder.exists()
        and read_marker(folder) is None
        and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise SetupError(
            f"{folder} was not made by this add-on and is left alone: move it away, then try again."
        )
    parent = next(path for path in folder.parents if path.is_dir())
    if not os.access(parent, os.W_OK):
        raise SetupError(
            f"{parent} cannot be written: ask for the permission to, or use another user folder."
        )
    base = find_base_python(python, embedded)
    return SetupPlan(
        folder=folder,
        base=base,
        packages=tuple(read_requirements(requirements, base.version)),
        download_bytes=DOWNLOAD_BYTES,
        disk_bytes=DISK_BYTES,
        free_bytes=shutil.disk_usage(parent).free,
        source=package_source(),
    )


def read_requirements(path: Path, python: tuple[int, ...], platform: str = sys.platform) -> list[str]:
    """The lines of a requirements file, "name==version", that hold for a Python and a system."""
    pins = []
    for line in path.read_text("utf-8").splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = _LINE.match(line)
        if not match:
            raise SetupError(f"{path.name} has a line that is not understood: {line}")
        if all(
            _holds(part.strip(), python, platform) for part in (match["marker"] or "").split(" and ") if part
        ):
            pins.append(match["pin"])
    return pins


def package_source() -> str:
    """Host of the package index, as pip's variables name it."""
    named = os.environ.get("PIP_INDEX_URL")
    return (urlsplit(named).hostname or named) if named else DEFAULT_SOURCE


def _holds(clause: str, python: tuple[int, ...], platform: str) -> bool:
    match = _CLAUSE.match(clause)
    if not match:
        raise SetupError(f"a condition is not understood: {clause}")
    what, sign, value = match.groups()
    if what == "sys_platform":
        return platform == value
    wanted = tuple(map(int, value.split(".")))
    return python[:2] < wanted if sign == "<" else python[:2] >= wanted


def _is_known(package: str) -> bool:
    return package.split("==")[0] in (
        "mediapipe",
        "onnxruntime",
        "opencv-contrib-python",
        "scipy",
        "scikit-image",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 2e9 else f"{size / 1e6:.0f} MB"
