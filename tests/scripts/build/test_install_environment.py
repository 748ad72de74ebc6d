"""What `make` installs, and what of it is compared with hashes."""

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from blender_addon.engine.wheel_lock import normalized, read_lock
from scripts.build import install_environment
from scripts.build.install_environment import (
    BUILD_PACKAGE,
    EXTRAS,
    UNLOCKED,
    commands,
    is_locked_here,
    lock_path,
    main,
    notice,
)
from scripts.build.lock_environment import constraints, needed


@pytest.mark.parametrize("stage", EXTRAS)
def test_the_lock_has_all_that_is_needed_at_the_versions_that_are_tested(stage):
    """What a package asks for here may differ elsewhere: the lock is for one platform and Python."""
    if not is_locked_here():
        pytest.skip("the lock files are for another platform")
    from packaging.requirements import Requirement

    locked = {normalized(package.name): package.version for package in read_lock(lock_path(stage))}
    wanted = needed([Requirement(f"photobust[{','.join(EXTRAS[stage])}]")], set()) | {BUILD_PACKAGE}
    assert locked.keys() == wanted
    assert locked.items() <= constraints().items()
    assert not locked.keys() & set(UNLOCKED)


def test_wheels_are_compared_before_anything_else_is_installed():
    first, rest = commands("run", [], locked=True)
    assert "--require-hashes" in first and "--no-deps" in first and first[-1] == str(lock_path("run"))
    assert "-e" in rest and "--no-build-isolation" in rest and "constraints.txt" in rest
    (only,) = commands("dev", [], locked=False)
    assert "--require-hashes" not in only and only[-1] == ".[blender,cluster,dev,train]"
    for command in commands("dev", ["--find-links", "wheels"], locked=True):
        assert command[:2] == ["--find-links", "wheels"]


@pytest.mark.parametrize(
    ("arguments", "system", "words"),
    [
        (["run"], "linux", "Each wheel is compared"),
        (["run", "--find-links", "w"], "linux", "Each wheel is compared"),
        (["--no-hashes", "run"], "linux", "NOT compared with hashes.*as asked for"),
        (["run"], "darwin", "NOT compared with hashes.*linux-x64 and Python 3.11"),
    ],
)
def test_what_is_not_compared_is_said(monkeypatch, capfd, arguments, system, words):
    asked = []

    def run(command, **_):
        asked.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(install_environment.sys, "platform", system)
    monkeypatch.setattr(install_environment.sys, "version_info", (3, 11, 2))
    monkeypatch.setattr(install_environment.platform, "machine", lambda: "x86_64")
    assert main(arguments) == 0
    told = capfd.readouterr().out
    assert re.search(words, told)
    assert len(asked) == (1 if "NOT" in words else 2) and asked[0][0] == sys.executable
    assert "torch" in notice("dev", True, True)


def test_a_failure_is_the_end(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=3))
    assert main(["run"]) == 3 and main([]) == 2 and main(["--no-hashes"]) == 2
