"""The Blender worker's parts that need no Blender: how it starts, what it answers, what face.json has."""

import errno
import io
import json
import os
import platform
import sys
from pathlib import Path

import pytest

from blender_addon.blender_worker.client import BlenderProgram, find_blender
from blender_addon.blender_worker.result import StepResult
from blender_addon.blender_worker.server import Server
from blender_addon.blender_worker.steps import MODULES, load_step
from blender_addon.engine.locate import PROJECT_ROOT
from blender_addon.errors import BlenderNotFoundError, RenderError, StepError, SurfaceFileError
from blender_addon.heads import manifest


def program(path):
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_blender_and_a_python_are_started_each_its_way():
    blender = BlenderProgram(Path("/opt/blender"), threads=2)
    command = blender.command()
    assert command[0] == "/opt/blender" and "--background" in command and "--factory-startup" in command
    assert command[command.index("--threads") + 1] == "2"
    assert command[-2:] == ["--python", str(PROJECT_ROOT / "blender_addon/blender_worker/start.py")]
    assert "PYTHONPATH" not in blender.environment({}) and blender.environment({})["LP_NUM_THREADS"] == "2"
    python = BlenderProgram(Path("/usr/bin/python3.11"))
    assert python.command()[1:] == ["-u", "-m", "blender_addon.blender_worker"]
    paths = python.environment({"PYTHONPATH": "/mine"})["PYTHONPATH"].split(os.pathsep)
    assert paths == [str(PROJECT_ROOT), "/mine"]
    assert "LP_NUM_THREADS" not in python.environment({})


def test_which_blender_is_used(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "bpy", None)  # as if there were none
    monkeypatch.setattr("blender_addon.blender_worker.client.find_spec", lambda _: None)
    with pytest.raises(BlenderNotFoundError, match="no bpy module"):
        find_blender(root=tmp_path)
    with pytest.raises(BlenderNotFoundError, match="nowhere, named with --blender"):
        find_blender("nowhere")
    blender = program(tmp_path / "blender")
    assert find_blender(root=tmp_path).python == blender
    assert find_blender("blender").python == blender
    monkeypatch.setattr("blender_addon.blender_worker.client.find_spec", lambda _: object())
    assert find_blender(root=tmp_path).python == Path(sys.executable)


def test_steps_by_name():
    with pytest.raises(StepError, match="There is no step 'dance': choose from preview"):
        load_step("dance")
    for module in MODULES.values():
        assert (PROJECT_ROOT / f"blender_addon/blender_worker/steps/{module[1:]}.py").is_file()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "surface.ply").write_bytes(b"ply")
    files = {"surface.ply": {"description": "surface", "licence": "theirs"}}
    (tmp_path / "face.json").write_text(json.dumps({"files": files, "pose": {"yaw": 1}}))
    return tmp_path


def answers(folder, run, *requests):
    """What a Blender worker with the step `run` answers."""
    sink = io.BytesIO()
    server = Server(io.BytesIO(), sink, lambda: {"blender": "1"}, lambda: "CYCLES", lambda _: run)
    for number, request in enumerate(requests):
        server._serve({"id": number, **request})
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def step(folder):
    return {"method": "step", "params": {"step": "picture", "folder": str(folder), "options": {"size": 2}}}


def test_a_step_is_run_and_listed(folder):
    def run(place, options):
        (place / "in").mkdir()
        (place / "in/p.png").write_bytes(b"x" * options["size"])
        return StepResult({"in/p.png": "a picture"}, {"shows": "head"})

    hello, renderer, made = answers(
        folder, run, {"method": "hello", "params": {}}, {"method": "renderer", "params": {}}, step(folder)
    )
    assert hello["result"] == {"blender": "1"} and renderer["result"] == {"renderer": "CYCLES"}
    assert made == {
        "id": 2,
        "event": "result",
        "result": {"files": {"in/p.png": "a picture"}, "facts": {"shows": "head"}},
    }
    document = json.loads((folder / "face.json").read_text())
    assert document["files"]["in/p.png"]["bytes"] == 2
    assert document["files"]["in/p.png"]["licence"] == "theirs"
    assert document["steps"] == {"picture": {"shows": "head"}}
    assert document["pose"] == {"yaw": 1}


def raising(error, cause=None):
    def run(place, options):
        raise error from cause

    return run


@pytest.mark.parametrize(
    ("run", "kind", "words"),
    [
        (raising(StepError("Take another.")), "StepError", "Take another."),
        (raising(KeyError("size")), "InternalError", "Blender failed: KeyError: 'size'"),
        (raising(OSError(errno.ENOSPC, "full")), "NoSpaceError", "full"),
        (raising(RenderError("No picture."), OSError(errno.ENOSPC, "full")), "NoSpaceError", "No picture."),
        (raising(RenderError("No picture."), OSError(errno.EACCES, "no")), "RenderError", "No picture."),
    ],
)
def test_what_goes_wrong_is_told_and_the_worker_goes_on(folder, capsys, run, kind, words):
    failed, renderer = answers(folder, run, step(folder), {"method": "renderer", "params": {}})
    assert failed["error"]["type"] == kind and words in failed["error"]["message"]
    assert renderer["event"] == "result"


def test_older_entries_are_adopted_and_forgotten(folder):
    older = {
        "files": {"a.png": {"bytes": 1}, "b.png": {"bytes": 2}},
        "steps": {"a": {"is": "a"}, "b": {"is": "b"}},
    }
    manifest.adopt(folder, older, ["a.png"], ["a"])
    document = manifest.read(folder)
    assert sorted(document["files"]) == ["a.png", "surface.ply"] and document["steps"] == {"a": {"is": "a"}}
    manifest.forget(folder, ["a.png"], ["a", "never was"])
    document = manifest.read(folder)
    assert sorted(document["files"]) == ["surface.ply"] and document["steps"] == {}


@pytest.mark.parametrize("text", ["{", "[]", None])
def test_a_damaged_manifest_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "face.json").write_text(text)
    with pytest.raises(SurfaceFileError, match=r"face\.json is missing or damaged"):
        manifest.read(tmp_path)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_what_a_step_has_freed_is_given_back(folder):
    sizes, kept = [], []

    def resident():
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def run(folder, options):
        blocks = [b"x" * 100_000 for _ in range(600)]
        kept.extend(blocks[::50])  # between these, the heap does not shrink by itself
        sizes.append(resident())
        return StepResult({})

    answers(folder, run, step(folder))
    assert sizes[0] - resident() > 30_000_000 and len(kept) == 12
