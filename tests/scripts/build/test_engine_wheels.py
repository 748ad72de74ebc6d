"""Locks and wheels of the engine, made from a folder of small wheels: no package index is asked."""

import zipfile

import pytest

from blender_addon.blender.regular_file import sha256_of
from blender_addon.engine.wheel_lock import WHEELS_FOLDER, LockedPackage, lock_name, read_lock
from scripts.build import addon, engine_wheels, lock_engine
from tests.blender_addon.engine.test_setup import wheel

pytestmark = pytest.mark.slow


@pytest.fixture
def index(tmp_path, monkeypatch):
    """One package for all systems, and one with wheels for two generations of Linux and for Windows."""
    folder = tmp_path / "index"
    wheel(folder, "for_all")
    wheel(folder, "for_some")
    (folder / "for_some-1.0-py3-none-any.whl").rename(folder / "for_some-1.0-py3-none-win_amd64.whl")
    for number, tag in enumerate(("manylinux2014_x86_64", "manylinux_2_28_x86_64")):
        wheel(folder, "for_some", code=f"number = {number}")
        (folder / "for_some-1.0-py3-none-any.whl").rename(folder / f"for_some-1.0-py3-none-{tag}.whl")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


PINS = ["for-all==1.0", "for-some==1.0"]


def test_lock_has_the_hash_of_each_wheel_that_will_do(index):
    for_all, for_some = lock_engine.lock(PINS, "3.11", "linux-x64")
    assert for_all.sha256 == (sha256_of(index / "for_all-1.0-py3-none-any.whl"),)
    assert set(for_some.sha256) == {sha256_of(path) for path in index.glob("for_some*manylinux*")}
    _, for_some = lock_engine.lock(PINS, "3.11", "windows-x64")
    assert for_some.sha256 == (sha256_of(index / "for_some-1.0-py3-none-win_amd64.whl"),)
    with pytest.raises(lock_engine.LockError, match=r"no wheel of for-some==1.0 for Python 3.11 on macos"):
        lock_engine.lock(PINS, "3.11", "macos-arm64")


def test_lock_file_is_read_as_it_was_written(tmp_path):
    packages = [LockedPackage("a-b", "1.0", ("0" * 64, "1" * 64)), LockedPackage("c", "2", ("2" * 64,))]
    lock_engine.write(tmp_path / "locks/lock.txt", lock_engine.text_of(packages))
    assert read_lock(tmp_path / "locks/lock.txt") == packages


def test_wheels_for_the_oldest_systems_go_into_the_zip(index, tmp_path, monkeypatch):
    locks = tmp_path / "locks"
    monkeypatch.setattr(engine_wheels, "LOCKS", locks)
    for python in ("3.11", "3.13"):
        text = lock_engine.text_of(lock_engine.lock(PINS[1:], python, "linux-x64"))
        lock_engine.write(locks / lock_name("linux-x64", python), text)
    lock_engine.write(
        locks / "installer.txt", lock_engine.text_of(lock_engine.lock(PINS[:1], "3.13", "linux-x64"))
    )
    found = engine_wheels.wheels("linux-x64", tmp_path / "wheels", ("3.11", "3.13"))
    names = ["for_all-1.0-py3-none-any.whl", "for_some-1.0-py3-none-manylinux2014_x86_64.whl"]
    assert [path.name for path in found] == names
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    assert engine_wheels.wheels("linux-x64", tmp_path / "wheels", ("3.11", "3.13")) == found  # kept

    ordinary = addon.build(tmp_path / "dist")
    offline = addon.build(tmp_path / "dist", offline="linux-x64", wheels=found)
    assert offline.name == ordinary.name.replace(".zip", "-offline-linux-x64.zip")
    with zipfile.ZipFile(offline) as archive, zipfile.ZipFile(ordinary) as without:
        more = set(archive.namelist()) - set(without.namelist())
        assert more == {f"{addon.FOLDER}/{WHEELS_FOLDER}/{name}" for name in names}
        for path in found:
            assert archive.read(f"{addon.FOLDER}/{WHEELS_FOLDER}/{path.name}") == path.read_bytes()


def test_a_changed_wheel_is_not_packed(index, tmp_path, monkeypatch):
    locks = tmp_path / "locks"
    monkeypatch.setattr(engine_wheels, "LOCKS", locks)
    for name in ("installer.txt", lock_name("windows-x64", "3.11")):
        lock_engine.write(locks / name, LockedPackage("for-all", "1.0", ("0" * 64,)).line() + "\n")
    with pytest.raises(lock_engine.LockError, match="HASHES"):
        engine_wheels.wheels("windows-x64", tmp_path / "wheels", ("3.11",))
