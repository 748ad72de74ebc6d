"""Download the wheels that an offline add-on carries, each checked against its lock file.

`scripts/build/addon.py --offline PLATFORM` calls this. pip asks the package index that it is configured for.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.blender.regular_file import sha256_of
from blender_addon.engine.wheel_lock import (
    INSTALLER_LOCK,
    LOCKS,
    LockedPackage,
    lock_name,
    normalized,
    read_lock,
)
from scripts.build.lock_engine import GENERATIONS, NOT_FOUND, LockError

#: The Pythons inside Blender 3.4 to 4.0, 4.1 to 5.0, and 5.1 and later.
BLENDER_PYTHONS = ("3.10", "3.11", "3.13")


def wheels(platform: str, folder: Path, pythons: Iterable[str] = BLENDER_PYTHONS) -> list[Path]:
    """All wheels of the engine for a platform.

    Args:
        platform: One of `wheel_lock.PLATFORMS`.
        folder: What is downloaded stays there, and is not downloaded again.
        pythons: The Pythons that they are for; most wheels are the same for all.

    Returns:
        Their paths, sorted, none twice.

    Raises:
        LockError: pip failed, or handed out something else than what is locked.
    """
    found: set[Path] = set()
    for python in pythons:
        packages = [*read_lock(LOCKS / INSTALLER_LOCK), *read_lock(LOCKS / lock_name(platform, python))]
        found |= set(_download(packages, platform, python, folder / f"{platform}-{python}"))
    unique = {path.name: path for path in sorted(found)}
    return [unique[name] for name in sorted(unique)]


def _download(packages: list[LockedPackage], platform: str, python: str, folder: Path) -> list[Path]:
    """One wheel for each package: that for the oldest systems, which newer ones take as well."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if _wheel_of(package, folder) is None]
    tags: tuple[str, ...] = ()
    for generation in GENERATIONS[platform]:
        tags = generation + tags
        _pip_download(missing, python, tags, folder)
        missing = [package for package in missing if _wheel_of(package, folder) is None]
    if missing:
        raise LockError(f"There is no wheel of {', '.join(package.pin for package in missing)}.")
    return [path for package in packages if (path := _wheel_of(package, folder))]


def _wheel_of(package: LockedPackage, folder: Path) -> Path | None:
    """The wheel of a package in a folder, if it has the right content."""
    for path in folder.glob("*.whl"):
        name, version = path.name.split("-")[:2]
        same = normalized(name) == normalized(package.name) and version == package.version
        if same and sha256_of(path) in package.sha256:
            return path
    return None


def _pip_download(packages: list[LockedPackage], python: str, tags: tuple[str, ...], folder: Path) -> None:
    """Download what there is for these tags."""
    wanted = list(packages)
    while wanted:
        with tempfile.TemporaryDirectory() as temporary:
            lock = Path(temporary, "lock.txt")
            lock.write_text("".join(f"{package.line()}\n" for package in wanted), "utf-8")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(lock)]
            command += ["--implementation", "cp", "--python-version", python, "--dest", str(folder)]
            for tag in tags:
                command += ["--platform", tag]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        absent = NOT_FOUND.search(done.stderr)
        if not absent:
            raise LockError(f"pip failed: {done.stderr.strip()[-600:]}")
        wanted = [package for package in wanted if normalized(package.name) != normalized(absent[1])]
