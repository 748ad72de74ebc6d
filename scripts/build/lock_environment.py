"""Write the lock files of a checkout's environment: what `make` installs, with the SHA-256 of every wheel.

    python scripts/build/lock_environment.py          in an environment of `make test`

Which packages: those that the project's extras ask for, and what these ask for, as the packages say that are
installed here; which versions: constraints.txt; which wheels: as scripts/build/lock_engine.py. torch is left
out, since which wheel of it is wanted depends on what it is to compute on. pip asks the package index that it
is configured for; a lock file names none. Look at `git diff` before committing it.
"""

import platform
import sys
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from packaging.requirements import Requirement

from blender_addon.engine.wheel_lock import LockedPackage, normalized
from scripts.build.install_environment import (
    BUILD_PACKAGE,
    EXTRAS,
    LOCKS,
    PLATFORM,
    UNLOCKED,
    lock_path,
)
from scripts.build.lock_engine import LockError, lock, write

PROJECT = "photobust"
HEADER = "# Made by scripts/build/lock_environment.py from constraints.txt: do not edit.\n"


def needed(requirements: Iterable[Requirement], seen: set[tuple[str, str]]) -> set[str]:
    """Names, normalized, of the installed packages that these requirements ask for, and what these ask for.

    Args:
        requirements: For this Python and platform.
        seen: Names and extras that need not be looked at any more; grows.
    """
    found: set[str] = set()
    for requirement in requirements:
        name = normalized(requirement.name)
        if name in UNLOCKED:
            continue
        if name != PROJECT:
            found.add(name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            inner = [Requirement(text) for text in requires(name) or ()]
            wanted = [need for need in inner if need.marker is None or need.marker.evaluate({"extra": extra})]
            found |= needed(wanted, seen)
    return found


def constraints() -> dict[str, str]:
    """Version by normalized name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


def main() -> int:
    """Write them."""
    versions = constraints()
    known: dict[str, LockedPackage] = {}
    try:
        for stage, extras in EXTRAS.items():
            project = Requirement(f"{PROJECT}[{','.join(extras)}]")
            names = sorted(needed([project], set()) | {BUILD_PACKAGE})
            unknown = [name for name in names if name not in versions]
            if unknown:
                raise LockError(f"constraints.txt has no version of {', '.join(unknown)}.")
            new = [f"{name}=={versions[name]}" for name in names if name not in known]
            known |= {package.name: package for package in lock(new, platform.python_version(), PLATFORM)}
            write(lock_path(stage), HEADER + "".join(f"{known[name].line()}\n" for name in names))
            print(lock_path(stage).relative_to(LOCKS.parent), len(names), flush=True)
    except (LockError, OSError) as error:
        print(f"lock_environment.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
