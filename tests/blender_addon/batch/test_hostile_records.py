"""Records, journals and face.json of any content: no exception, and no path that leads out.

PHOTOBUST_MUTANTS sets how many are tried (1,000).
"""

import copy
import json
import os
import random
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from blender_addon.batch.argument_parser import make_parser
from blender_addon.batch.config import as_arguments, read_config
from blender_addon.batch.console import below, in_words, summary
from blender_addon.batch.names import FolderNames
from blender_addon.batch.options import parse
from blender_addon.batch.page import page_html
from blender_addon.batch.pending import pending_work
from blender_addon.batch.plan import make_plan
from blender_addon.batch.record import FILE_NAME, JOURNAL_NAME, BatchRecord
from blender_addon.batch.storage import is_safe_name
from blender_addon.errors import BatchError

#: What a page loads or leads to.
ADDRESS = re.compile(r'(?:href|src|data-view|data-model|data-frames)="([^"]*)"')
MUTANTS = int(os.environ.get("PHOTOBUST_MUTANTS", "1000"))
#: What is put in the place of any value.
HOSTILE = (
    *(None, True, 0, -1, 10**400, 1 << 64, 1.5, float("nan"), float("inf"), "", "\0", "..", "../../victim"),
    *("/etc/passwd", "C:\\x", "\ud800", "x" * 3000, [], [[]], {}, {"a": 1}, ["../victim"]),
    "<script>alert",
    *("CON", "a/../../b", "good", [1, 2], {"files": 1}, "1e400"),
)
STEP = {
    "fingerprint": "s",
    "files": ["surface.ply"],
    "facts": {"file": "a.blend"},
    "seconds": 0.5,
    "error": None,
}
PHOTO = {
    "path": "/photos/a.jpg", "shown": "a.jpg", "sha256": "00", "error": "no", "error_kind": "StepError",
    "heads": [
        {
            "folder": "a", "files": ["face.json", "surface.ply"], "vertices": 3, "faces": 4,
            "steps": {"surface": STEP, "asset": STEP},
            "quality": {"verdict": "poor", "reasons": ["x"], "expected_error_mm": 1.2},
        }
    ],
    "timings": {"load": 0.1}, "seconds": 0.2, "size": 3, "mtime_ns": 4, "attempts": 1, "tried": None,
}  # fmt: skip
RECORD = {
    "schema": 2, "engine": {"version": "1"}, "studio": {"blender": "4"}, "inputs": ["/photos"],
    "options": {"head": True, "lods": [0.5], "asset_library": "library"}, "started": "s", "finished": "f",
    "timings": {"engine start": 1.0}, "photos": [PHOTO],
}  # fmt: skip
FACE = {
    "input": {"name": "a.jpg", "width": 3, "height": 4}, "camera": {"focal_length_mm35": 50.0},
    "pose": {"yaw": 3.0, "pitch": 4.0, "roll": 5.0}, "surface": {"faces": 3}, "generator": {"version": "1"},
    "quality": {**PHOTO["heads"][0]["quality"], "face_height_px": 100, "seen_share": 0.5},
    "files": {"surface.ply": {"bytes": 3, "sha256": "00", "description": "x"}},
    "steps": {"asset": {"file": "a.blend"}},
}  # fmt: skip
CONFIG = {"photos": ["a.jpg"], "out": "heads", "texture": 1024, "lods": [0.5], "head": True, "turntable": 3}


def mutated(document, rng):
    """A copy with one to three values replaced, removed or named otherwise."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        places = []

        def walk(node, places=places):
            items = node.items() if isinstance(node, dict) else enumerate(node)
            for key, value in items:
                places.append((node, key))
                if isinstance(value, (dict, list)):
                    walk(value)

        walk(document)
        if not places:
            break
        node, key = rng.choice(places)
        action = rng.random()
        if action < 0.7:
            node[key] = copy.deepcopy(rng.choice(HOSTILE))
        elif action < 0.85 or isinstance(node, list):
            del node[key]
        else:
            node[rng.choice([one for one in HOSTILE if isinstance(one, str)])] = node.pop(key)
    return document


def as_bytes(document, rng):
    """As JSON, in a third of cases with bytes that were changed."""
    data = bytearray(json.dumps(document).encode())
    if rng.random() < 0.33:
        for _ in range(rng.randint(1, 5)):
            at = rng.randrange(len(data))
            action = rng.random()
            if action < 0.5:
                data[at] = rng.randrange(256)
            elif action < 0.75:
                del data[at : at + rng.randint(1, 30)]
            else:
                data[at:at] = rng.choice((b"[" * 2000, b'{"', b"\xff", b"1e999", b"9" * 5000))
            if not data:
                break
    return bytes(data)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/face.json").write_text("{}")
    (tmp_path / "heads/a").mkdir(parents=True)
    (tmp_path / "heads/a/surface.ply").write_bytes(b"ply")
    (tmp_path / "heads/a/face.json").write_text(json.dumps(FACE))
    return tmp_path / "heads"


def test_records_and_what_is_made_of_them(out):
    plan = make_plan(parse(["a.jpg", "--out", "x", "--asset-library", str(out / "library")], "", ""))
    prints = plan.fingerprints("00", {}, {})
    rng = random.Random(1)
    accepted = 0
    for n in range(MUTANTS):
        (out / FILE_NAME).write_bytes(as_bytes(mutated(RECORD, rng), rng))
        kind = rng.choice(("photo", "begin", "x"))
        (out / JOURNAL_NAME).write_bytes(as_bytes({kind: mutated(PHOTO, rng)}, rng) + b"\n")
        (out / "a/face.json").write_bytes(as_bytes(mutated(FACE, rng), rng))
        record = BatchRecord.load(out)
        names = FolderNames(out, [Path("/photos/a.jpg")], record.owners())
        assert is_safe_name(names.claim(Path("/photos/a.jpg"), 2)[1])
        for photo in record.photos.values():
            accepted += 1
            for head in photo.heads:
                files = {*head.files, *(name for step in head.steps.values() for name in step.files)}
                assert all(map(is_safe_name, files)) and is_safe_name(head.folder), n
            pending_work(photo, plan, prints, out, verify=True)
            in_words(photo)
        outcomes = list(record.photos.values())
        summary(outcomes, {"/photos/a.jpg"}, "heads", 1.0, 2.0)
        below(outcomes, "good")
        page = page_html(out, record)
        for address in ADDRESS.findall(page):
            assert ".." not in unquote(address) and not address.startswith(("/", "http", "javascript")), n
        assert "<script>alert" not in page
        record.save(out)
        assert BatchRecord.load(out).photos == record.photos, n
    assert accepted > MUTANTS / 5


def test_configurations(tmp_path):
    rng = random.Random(2)
    parser = make_parser("", "")
    path = tmp_path / "heads.json"
    for _ in range(MUTANTS):
        path.write_bytes(as_bytes(mutated(CONFIG, rng), rng))
        try:
            arguments, photos = as_arguments(parser, read_config(path), path)
        except BatchError:
            continue
        for value in [*photos, *(one.partition("=")[2] for one in arguments if one.startswith("--out="))]:
            assert os.path.normpath(value).startswith(str(tmp_path))


@pytest.mark.parametrize("resume", [True, False])
def test_whole_command_lines(out, tmp_path, resume, capsys):
    rng = random.Random(3)
    for _ in range(MUTANTS // 5):
        (out / FILE_NAME).write_bytes(as_bytes(mutated(RECORD, rng), rng))
        (tmp_path / "heads.json").write_bytes(as_bytes(mutated(CONFIG, rng), rng))
        try:
            options = parse(
                ["a.jpg", "--resume", "--out", str(out)]
                if resume
                else ["--config", str(tmp_path / "heads.json")],
                "",
                "",
            )
        except SystemExit as end:
            assert end.code == 1
            continue
        assert not (options.engine_python or options.blender or options.scheduler or options.engine_log)
        if resume and options.asset_library:
            assert Path(options.asset_library).resolve().is_relative_to(out.resolve())
