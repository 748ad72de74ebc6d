"""Install what a checkout needs into the environment that runs this, each wheel compared with its SHA-256.

    .venv/bin/python scripts/build/install_environment.py [--no-hashes] run|dev [OPTIONS OF PIP]

`make` calls it. The lock files in environment_locks/ are for one platform and Python; elsewhere, and with
--no-hashes (`make setup HASHES=no`), what is installed has the versions of constraints.txt and is compared
with nothing, which is said. Options of pip's say where packages come from, and change nothing about hashes.
Standard library only.
"""

import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "environment_locks"
#: What there are lock files for.
PLATFORM = "linux-x64"
PYTHON = "3.11"
#: What is installed: to run the project, and to work on it; the extras in pyproject.toml.
EXTRAS = {
    "run": ("blender", "fast", "heic", "jxl", "web"),
    "dev": ("blender", "cluster", "dev", "train"),
}
#: Has another wheel for each kind of processor, and brings others.
UNLOCKED = ("torch",)
#: Builds the project's own package.
BUILD_PACKAGE = "setuptools"
NO_HASHES = "--no-hashes"
QUIET = ("--quiet", "--progress-bar", "off")


def lock_path(stage: str) -> Path:
    """The lock file for "run" or "dev"."""
    return LOCKS / f"{stage}-{PLATFORM}-python{PYTHON}.txt"


def is_locked_here() -> bool:
    """Whether the lock files are for this platform and Python."""
    version = ".".join(map(str, sys.version_info[:2]))
    return sys.platform == "linux" and platform.machine() == "x86_64" and version == PYTHON


def commands(stage: str, options: Sequence[str], locked: bool) -> list[list[str]]:
    """Arguments of pip's, one call after the other.

    Args:
        stage: "run" or "dev".
        options: More options for pip.
        locked: Whether wheels are to be compared.
    """
    project = ["-e", f".[{','.join(EXTRAS[stage])}]"]
    by_version = [*options, "-c", "constraints.txt"]
    if not locked:
        return [[*by_version, *project]]
    first = [*options, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(lock_path(stage))]
    # What is left: the project itself, and torch where it is wanted.
    return [first, [*by_version, "--no-build-isolation", *project]]


def notice(stage: str, wanted: bool, locked: bool) -> str:
    """What is compared and what is not, in a sentence; `wanted`: whether hashes were to be compared."""
    if locked:
        rest = f" All but {', '.join(UNLOCKED)} and what it brings." if stage == "dev" else ""
        return f"Each wheel is compared with its SHA-256 in {LOCKS.name}/.{rest}"
    reason = f"{LOCKS.name}/ is for {PLATFORM} and Python {PYTHON}" if wanted else "as asked for"
    return f"Wheels are NOT compared with hashes, only their versions with constraints.txt: {reason}."


def main(arguments: Sequence[str]) -> int:
    """Install."""
    wanted = NO_HASHES not in arguments[:1]
    stage, *options = arguments[0 if wanted else 1 :] or [""]
    if stage not in EXTRAS:
        print(f"install_environment.py [{NO_HASHES}] {'|'.join(EXTRAS)} [OPTIONS OF PIP]", file=sys.stderr)
        return 2
    locked = wanted and is_locked_here() and lock_path(stage).is_file()
    print(notice(stage, wanted, locked), flush=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *QUIET]
    for command in commands(stage, options, locked):
        code = subprocess.run([*pip, *command], cwd=ROOT, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
