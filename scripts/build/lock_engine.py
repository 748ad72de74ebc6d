"""Write the lock files of the engine's packages: name==version and the SHA-256 of every wheel that will do.

    python scripts/build/lock_engine.py                     all of them, into blender_addon/engine_locks
    python scripts/build/lock_engine.py --platform linux-x64 --python 3.11

The versions are those of blender_addon/engine_requirements.txt. The hashes are what pip reports that it would
install (`pip install --dry-run --report`), once for each generation of systems, since a package may have
several wheels for one platform. pip asks the package index that it is configured for; a lock file names none.
Whoever runs this decides what everybody's engine is made of: look at `git diff` before committing it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.engine.setup import PIP
from blender_addon.engine.setup_plan import REQUIREMENTS_FILE, read_requirements
from blender_addon.engine.wheel_lock import (
    INSTALLER_LOCK,
    LOCKS,
    PLATFORMS,
    PYTHONS,
    LockedPackage,
    lock_name,
    normalized,
)

#: Platform -> generations of it, oldest first, each as pip's platform tags, newest first. A system takes the
#: newest wheel that it can, so pip is asked once for each generation with all its predecessors.
GENERATIONS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "linux-x64": (
        ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"),
        ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_26_x86_64", "manylinux_2_24_x86_64"),
        ("manylinux_2_35_x86_64", "manylinux_2_34_x86_64", "manylinux_2_31_x86_64"),
    ),
    "windows-x64": (("win_amd64",),),
    "macos-arm64": (
        ("macosx_11_0_arm64", "macosx_11_0_universal2", "macosx_10_9_universal2"),
        ("macosx_13_0_arm64", "macosx_13_0_universal2", "macosx_12_0_arm64", "macosx_12_0_universal2"),
        ("macosx_15_0_arm64", "macosx_15_0_universal2", "macosx_14_0_arm64", "macosx_14_0_universal2"),
    ),
}
#: What pip says of a package without a wheel.
NOT_FOUND = re.compile(r"No matching distribution found for (\S+?)==")
_HEADER = "# Made by scripts/build/lock_engine.py from engine_requirements.txt: do not edit.\n"


class LockError(Exception):
    """A lock file cannot be made."""


def lock(pins: Iterable[str], python: str, platform: str) -> list[LockedPackage]:
    """The pins, "name==version", with the hashes of all wheels for a Python and a platform.

    Raises:
        LockError: There is no wheel of a package for them.
    """
    hashes: dict[str, set[str]] = defaultdict(set)
    tags: tuple[str, ...] = ()
    for generation in GENERATIONS[platform]:
        tags = generation + tags
        for name, digest in report(list(pins), python, tags).items():
            hashes[name].add(digest)
    packages = []
    for pin in pins:
        name, _, version = pin.partition("==")
        if not hashes[normalized(name)]:
            raise LockError(f"There is no wheel of {pin} for Python {python} on {platform}.")
        packages.append(LockedPackage(name, version, tuple(sorted(hashes[normalized(name)]))))
    return packages


def report(pins: list[str], python: str, tags: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 by package of the wheels that pip would install; packages without one are left out."""
    while pins:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.json")
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            command += ["--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
            command += ["--target", folder, "--report", str(path), "--implementation", "cp"]
            command += ["--python-version", python]
            for tag in tags:
                command += ["--platform", tag]
            done = subprocess.run([*command, *pins], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                installed = json.loads(path.read_text("utf-8"))["install"]
                return {normalized(package["metadata"]["name"]): _sha256(package) for package in installed}
        missing = NOT_FOUND.search(done.stderr)
        if not missing:
            raise LockError(f"pip failed: {done.stderr.strip()[-600:]}")
        pins = [pin for pin in pins if normalized(pin.split("==")[0]) != normalized(missing[1])]
    return {}


def _sha256(one: Mapping) -> str:
    return one["download_info"]["archive_info"]["hashes"]["sha256"]


def text_of(packages: Iterable[LockedPackage]) -> str:
    """A lock file's content."""
    return _HEADER + "".join(f"{package.line()}\n" for package in packages)


def write(path: Path, text: str) -> None:
    """Write a file under another name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="default: all")
    parser.add_argument("--python", choices=PYTHONS, action="append", help="default: all")
    parser.add_argument("--out", type=Path, default=LOCKS, help="folder (default: where the add-on has them)")
    options = parser.parse_args()
    try:
        installer = lock([PIP], PYTHONS[-1], next(iter(PLATFORMS)))
        write(options.out / INSTALLER_LOCK, text_of(installer))
        for platform in options.platform or PLATFORMS:
            for python in options.python or PYTHONS:
                version = tuple(map(int, python.split(".")))
                pins = read_requirements(REQUIREMENTS_FILE, version, PLATFORMS[platform])
                path = options.out / lock_name(platform, python)
                write(path, text_of(lock(pins, python, platform)))
                print(path)
    except (LockError, OSError) as error:
        print(f"lock_engine.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
