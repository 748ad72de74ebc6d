"""scripts/batch.py with an engine and a Blender worker that answer to order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
BATCH = ROOT / "scripts/batch.py"


@pytest.fixture
def photos(tmp_path):
    """Photos, by name: what the fake engine does is in their stems."""
    folder = tmp_path / "photos"

    def make(*names):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode())
        return folder

    return make


class FakeBatch:
    """Runs batch.py with both; what they have done is in the lists `engine` and `blender_steps`."""

    def __init__(self, folder, engine, blender_worker):
        self.folder, self.out = folder, folder / "heads"
        self._programs = ["--engine-python", str(engine), "--blender", str(blender_worker)]
        self._logs = {
            "FAKE_ENGINE_LOG": folder / "engine.log",
            "FAKE_BLENDER_WORKER_LOG": folder / "blender_worker.log",
        }

    def command(self, *arguments, out=None):
        where = [] if out is False else ["--out", str(out or self.out)]
        return [sys.executable, str(BATCH), *map(str, arguments), *where, *self._programs]

    def environment(self, **extra):
        return {**os.environ, **{name: str(path) for name, path in self._logs.items()}, **extra}

    def run(self, *arguments, out=None, timeout=PATIENCE_SECONDS, **extra):
        for log in self._logs.values():
            log.unlink(missing_ok=True)
        return subprocess.run(
            self.command(*arguments, out=out),
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
            cwd=self.folder,
            env=self.environment(**extra),
        )

    def start(self, *arguments, **extra):
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            cwd=self.folder,
            env=self.environment(**extra),
        )

    @property
    def engine(self):
        return self._read("FAKE_ENGINE_LOG")

    @property
    def blender_steps(self):
        return self._read("FAKE_BLENDER_WORKER_LOG")

    def _read(self, name):
        log = self._logs[name]
        return sorted(log.read_text().splitlines()) if log.exists() else []

    def record(self):
        """What batch.json has of each photo, by its path below the photos: "a.jpg" and "x/a.jpg" are two."""
        document = json.loads((self.out / "batch.json").read_text())
        photos = self.folder / "photos"
        return {Path(photo["path"]).relative_to(photos).as_posix(): photo for photo in document["photos"]}

    def tree(self):
        """Path -> content of all files, without what differs from run to run."""
        return {
            path.relative_to(self.out).as_posix(): timeless(path)
            for path in sorted(self.out.rglob("*"))
            if path.is_file() and "index_files" not in path.parts
        }


def timeless(path):
    if path.name == "face.json":
        return json.loads(path.read_text())
    if path.name == "batch.json":
        document = json.loads(path.read_text())
        return {
            photo["path"]: [(head["folder"], head["files"]) for head in photo["heads"]]
            for photo in document["photos"]
        }
    return None if path.name == "index.html" else path.read_bytes()


@pytest.fixture
def fake_batch(tmp_path, fake_engine_python, fake_blender_worker):
    return FakeBatch(tmp_path, fake_engine_python, fake_blender_worker)


@pytest.fixture(scope="session")
def lasting_fake_batch(tmp_path_factory, fake_programs):
    """One for all tests, which do not change what it has made."""
    return FakeBatch(tmp_path_factory.mktemp("lasting"), *fake_programs)
