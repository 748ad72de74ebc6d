"""What setting up the engine will do: what is downloaded, how large, where it goes. No bpy."""

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SetupError
from .base_python import BasePython, find_base_python
from .locate import PROJECT_ROOT, read_marker
from .package_sources import PackageSources, package_sources
from .wheel_lock import INSTALLER_LOCK, bundled_wheels, lock_file, read_lock

REQUIREMENTS_FILE = Path(__file__).resolve().parents[1] / "engine_requirements.txt"
#: Bytes to download, as measured on Linux with Python 3.11 (other systems and versions: 30 % more or less).
DOWNLOAD_BYTES = 237_000_000
#: Bytes that the engine takes, measured in the same way.
DISK_BYTES = 800_000_000

_LINE = re.compile(r"^(?P<pin>[\w.-]+==[\w.+]+)\s*(?:;\s*(?P<marker>.+))?$")
_CLAUSE = re.compile(r"^(python_version|sys_platform) (<|>=|==) \"([\w.]+)\"$")


@dataclass(frozen=True)
class SetupPlan:
    """All that a person should agree to. Sizes are bytes; download and disk are estimates.

    Attributes:
        folder: Where the environment goes.
        base: The interpreter that it is made with.
        packages: What is installed, "name==version".
        lock: The file that pip installs from, with the SHA-256 of each wheel.
        installer_lock: The same for pip itself.
        download_bytes, disk_bytes, free_bytes: What is downloaded, what it takes, and what is free.
        sources: Where pip downloads from.
        wheels: The folder of an offline add-on that all wheels are in: then nothing is downloaded.
    """

    folder: Path
    base: BasePython
    packages: tuple[str, ...]
    lock: Path
    installer_lock: Path
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    sources: PackageSources = field(default_factory=PackageSources)
    wheels: Path | None = None

    @property
    def needed_bytes(self) -> int:
        """What has to be free: pip keeps what it has downloaded until it is installed."""
        return self.disk_bytes + (0 if self.wheels else self.download_bytes)

    def lines(self) -> list[str]:
        """The plan in words, a line each."""
        names = ", ".join(re.split("==", package)[0] for package in self.packages if _is_known(package))
        if self.wheels:
            origin = [f"Installs from {self.wheels}; nothing is downloaded:"]
        else:
            origin = [f"Downloads about {_megabytes(self.download_bytes)} from {self.sources.name}:"]
        return [
            *origin,
            f"{names} and what they need ({len(self.packages)} Python packages).",
            *([] if self.wheels else self.sources.lines()),
            "Each file is checked against the SHA-256 that Photobust was tested with.",
            f"They take about {_megabytes(self.disk_bytes)} in {self.folder}",
            f"({_megabytes(self.free_bytes)} are free there). Nothing else on this computer is changed.",
            f"Uses {self.base.origin} Python {self.base.version_text}, {self.base.path}.",
        ]


def plan_setup(
    folder: Path,
    *,
    python: str | os.PathLike | None = None,
    embedded: str | None = None,
    root: Path = PROJECT_ROOT,
) -> SetupPlan:
    """Plan an environment in `folder`, which setting it up makes anew.

    Args:
        folder: Where it goes.
        python: The interpreter to make it with; else Blender's own, `embedded`, else one of the system's.
        embedded: Blender's own interpreter, if it is known.
        root: The add-on's folder; an offline one has the wheels in it.

    Raises:
        SetupError: There is no interpreter, the engine is not made for this computer, or the folder is
            somebody else's or cannot be written.
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
    lock = lock_file(base.version)
    packages = read_lock(lock)
    wheels = bundled_wheels(root, [*packages, *read_lock(lock.with_name(INSTALLER_LOCK))])
    return SetupPlan(
        folder=folder,
        base=base,
        packages=tuple(package.pin for package in packages),
        lock=lock,
        installer_lock=lock.with_name(INSTALLER_LOCK),
        download_bytes=DOWNLOAD_BYTES,
        disk_bytes=DISK_BYTES,
        free_bytes=shutil.disk_usage(parent).free,
        sources=PackageSources() if wheels else package_sources(base.path),
        wheels=wheels,
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
