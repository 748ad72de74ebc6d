"""scripts/build/ensure_packages.sh with make-believe dpkg-query, apt-get, id and sudo."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "scripts/build/ensure_packages.sh"


@pytest.fixture
def ensure(tmp_path):
    """Runs the script among the given programs; gives the finished process and what apt-get was told."""
    calls = tmp_path / "calls"

    def run(*arguments, installed=(), user=0, apt="exit 0", sudo=False, origins=()):
        programs = tmp_path / "bin"
        shutil.rmtree(programs, ignore_errors=True)
        programs.mkdir()
        calls.write_text("")
        for name in ("bash", "env", "mktemp", "rm", "tail", "cat"):
            (programs / name).symlink_to(shutil.which(name))
        cases = "".join(f'*" {name} "*) echo -n "install ok installed" ;;\n' for name in installed)
        scripts = {"dpkg-query": f'case " $* " in\n{cases}*) exit 1 ;;\nesac', "id": f"echo {user}"}
        if apt:
            told = "".join(f"echo {origin}; " for origin in origins)
            scripts["apt-get"] = (
                f'[ "$1" = indextargets ] && {{ {told} exit 0; }}\necho "apt-get $*" >> {calls}\n{apt}'
            )
        if sudo:
            scripts["sudo"] = f'echo "sudo" >> {calls}\nexec "$@"'
        for name, text in scripts.items():
            (programs / name).write_text(f"#!/bin/bash\n{text}\n")
            (programs / name).chmod(0o755)
        done = subprocess.run(
            [str(SCRIPT), *arguments],
            env={**os.environ, "PATH": str(programs)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return done, calls.read_text().splitlines()

    return run


def test_nothing_is_done_when_all_is_there(ensure):
    done, calls = ensure("libgl1", "libegl1", installed=("libgl1", "libegl1"), user=1000)
    assert done.returncode == 0
    assert calls == []
    assert done.stdout + done.stderr == ""


def test_only_what_is_missing_is_installed(ensure):
    done, calls = ensure("libgl1", "libegl1", "libsm6", installed=("libegl1",))
    assert done.returncode == 0, done.stderr
    assert calls == ["apt-get update", "apt-get install -y --no-install-recommends libgl1 libsm6"]
    assert "Installing Debian packages: libgl1 libsm6" in done.stdout


def test_where_packages_come_from_is_told(ensure):
    origins = (
        "https://me:secret@files.example/debian/",
        "https://files.example/debian/",
        "http://b.example/",
    )
    done, _ = ensure("libgl1", origins=origins)
    assert done.stdout == (
        "Installing Debian packages: libgl1 (from https://files.example/debian/ http://b.example/)\n"
    )


def test_sudo_is_used_by_others_than_root(ensure):
    done, calls = ensure("libgl1", user=1000, sudo=True)
    assert done.returncode == 0
    assert calls == ["sudo", "apt-get update", "sudo", "apt-get install -y --no-install-recommends libgl1"]


@pytest.mark.parametrize(
    ("how", "words"),
    [({"user": 1000}, "there is no sudo"), ({"apt": "echo Broken mirror >&2; exit 100"}, "Broken mirror")],
)
def test_what_cannot_be_installed_is_named(ensure, how, words):
    done, _ = ensure("libgl1", **how)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Needed: libgl1" in done.stderr
    done, _ = ensure("--optional", "libgl1", **how)
    assert done.returncode == 0
    assert "Needed: libgl1" in done.stderr


def test_other_systems_are_only_told(ensure):
    done, calls = ensure("libgl1", apt=None)
    assert done.returncode == 0
    assert calls == []
    assert "counterparts of: libgl1" in done.stderr
