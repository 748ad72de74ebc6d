"""The lock files of the engine's packages, and wheels that come with the add-on. No bpy.

A lock file has, for one Python and one platform, a line for each package: its name, its version, and the
SHA-256 of each wheel of it that will do. pip installs from it with `--require-hashes`, so that a package
index, a proxy or a mirror can only hand out what the project was tested with. scripts/build/lock_engine.py
makes them.

An offline add-on (`make addon OFFLINE=linux-x64`) has the wheels themselves in a folder of its own.
"""

import platform as system_platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import SetupError

LOCKS = Path(__file__).resolve().parents[1] / "engine_locks"
#: Platforms that the engine's packages have wheels for, and what Python calls them (`sys.platform`).
PLATFORMS: Mapping[str, str] = {"linux-x64": "linux", "windows-x64": "win32", "macos-arm64": "darwin"}
#: What `platform.machine()` says on each.
MACHINES: Mapping[str, tuple[str, ...]] = {
    "linux-x64": ("x86_64",),
    "windows-x64": ("AMD64", "x86_64"),
    "macos-arm64": ("arm64",),
}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
#: The lock file of pip itself, the same everywhere.
INSTALLER_LOCK = "installer.txt"
#: The folder with wheels in an offline add-on.
WHEELS_FOLDER = "engine_wheels"

_LINE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.+]+)(?P<hashes>( --hash=sha256:[0-9a-f]{64})+)$")


@dataclass(frozen=True)
class LockedPackage:
    """A package at one version, and the SHA-256, in hexadecimal, of its wheels that will do."""

    name: str
    version: str
    sha256: tuple[str, ...]

    @property
    def pin(self) -> str:
        """As in numpy==2.2.6."""
        return f"{self.name}=={self.version}"

    def line(self) -> str:
        """As in a requirements file of pip's."""
        return " ".join([self.pin, *(f"--hash=sha256:{digest}" for digest in self.sha256)])


def normalized(name: str) -> str:
    """A package's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_name(platform: str, python: str) -> str:
    """Name of a lock file, such as linux-x64-python3.11.txt."""
    return f"{platform}-python{python}.txt"


def this_platform(system: str | None = None, machine: str | None = None) -> str:
    """The platform that this runs on.

    Args:
        system: As `sys.platform`; None for this one's.
        machine: As `platform.machine()`; None for this one's.

    Raises:
        SetupError: The engine's packages have no wheels for it.
    """
    system, machine = system or sys.platform, machine or system_platform.machine()
    for name, its_system in PLATFORMS.items():
        if system == its_system and machine in MACHINES[name]:
            return name
    raise SetupError(
        f"The engine's packages are not made for this computer ({system}, {machine}): they are for "
        f"{', '.join(PLATFORMS)}. Elsewhere, install them on your own and choose that Python in the "
        "preferences."
    )


def lock_file(version: tuple[int, ...], platform: str | None = None, folder: Path = LOCKS) -> Path:
    """The lock file for a Python, here or on another platform. Raises SetupError if there is none."""
    path = folder / lock_name(platform or this_platform(), ".".join(map(str, version[:2])))
    if not path.is_file():
        raise SetupError(f"{path} is missing: install Photobust again.")
    return path


def read_lock(path: Path) -> list[LockedPackage]:
    """The packages of a lock file. Raises SetupError for any line that is not just a package with hashes."""
    packages = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read ({error}): install Photobust again.") from error
    for line in lines:
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if not match:
            raise SetupError(f"{path.name} has a line that is not understood: {line}")
        digests = tuple(part.removeprefix("--hash=sha256:") for part in match["hashes"].split())
        packages.append(LockedPackage(match["name"], match["version"], digests))
    return packages


def bundled_wheels(root: Path, packages: list[LockedPackage]) -> Path | None:
    """The folder with wheels of an offline add-on, if it has one for each of the packages.

    By their names alone: pip checks their hashes when it installs them.

    Args:
        root: The add-on's folder.
        packages: What is to be installed.
    """
    folder = root / WHEELS_FOLDER
    if not folder.is_dir():
        return None
    present = {tuple(path.name.split("-")[:2]) for path in folder.glob("*.whl")}
    available = {(normalized(name), version) for name, version in present}
    complete = all((normalized(package.name), package.version) in available for package in packages)
    return folder if complete else None
