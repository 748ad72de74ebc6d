"""Options of scripts/batch.py: configuration files, and what is said when they are wrong."""

import json
import sys

import pytest

from blender_addon.batch.argument_parser import make_parser
from blender_addon.batch.config import read_config
from blender_addon.batch.options import parse
from blender_addon.batch.plan import make_plan
from blender_addon.errors import BatchError
from blender_addon.heads.presets import PRESET_FOLDER


def options(*arguments):
    return parse([str(argument) for argument in arguments], "about", "epilog")


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as info:
        options(*arguments)
    assert info.value.code == 1
    return capsys.readouterr().err


def test_the_help_names_every_preset():
    words = make_parser("about", "epilog").format_help().split("--preset")[-1]
    about = words[: words.index("docs/handoff.md")]
    names = [path.stem for path in PRESET_FOLDER.glob("*.json")]
    assert len(names) > 5 and not [name for name in names if f" {name}," not in about]


CONFIG = {
    "photos": ["faces", "more.jpg"],
    "out": "heads",
    "head": True,
    "surface": False,
    "texture": 4096,
    "lods": [1.0, 0.5],
    "render": ["front", "side"],
    "turntable": True,
    "export": "fbx,usd",
    "asset-library": "library",
    "tags": ["a", "b c"],
    "focal_mm": 85.0,
}
TOML = """
photos = ["faces", "more.jpg"]
out = "heads"
head = true
surface = false
texture = 4096
lods = [1.0, 0.5]
render = ["front", "side"]
turntable = true
export = "fbx,usd"
asset-library = "library"
tags = ["a", "b c"]
focal_mm = 85.0
"""


@pytest.fixture(params=["json", "toml"])
def config(request, tmp_path):
    path = tmp_path / f"heads.{request.param}"
    if request.param == "toml":
        pytest.importorskip("tomllib")
    path.write_text(TOML if request.param == "toml" else json.dumps(CONFIG))
    return path


def test_config_and_command_line(config, tmp_path):
    found = options("--config", config)
    assert found.photos == [str(tmp_path / "faces"), str(tmp_path / "more.jpg")]
    assert (found.out, found.asset_library) == (str(tmp_path / "heads"), str(tmp_path / "library"))
    assert found.head is True and found.surface is False and found.texture == 4096
    assert (found.lods, found.render, found.export) == ((1.0, 0.5), ("front", "side"), ("fbx", "usd"))
    assert (found.turntable, found.tags, found.focal_mm) == (36, ("a", "b c"), 85.0)
    found = options("other.jpg", "--config", config, "--texture", "1024", "--out", "to", "--turntable", "8")
    assert (found.photos, found.texture, found.out, found.turntable) == (["other.jpg"], 1024, "to", 8)
    assert found.export == ("fbx", "usd")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"textur": 1024}, "there is no option 'textur'; did you mean texture?"),
        ({"texture": 1000}, "argument --texture: invalid choice"),
        ({"head": "yes"}, "head has to be true or false"),
        ({"render": {"front": 1}}, "render has to be a number, a text or a list"),
        ({"photos": [1]}, "photos has to be a text or a list of texts"),
        ({"config": "x.json"}, "there is no option 'config'"),
        ({"engine-python": "evil"}, "engine_python can be named on the command line only"),
        ({"blender": "./evil"}, "blender can be named on the command line only"),
        ({"studio-log": "a.jpg"}, "can be named on the command line only"),
        ({"engine-log": "a.jpg"}, "can be named on the command line only"),
        ({"scheduler": "tcp://evil:1"}, "can be named on the command line only"),
        ({"out": "../victim"}, "out has to be inside the folder of the file"),
        ({"out": "/victim"}, "out has to be inside the folder of the file"),
        ({"asset-library": "a/../../victim"}, "asset_library has to be inside"),
        ({"photos": ["../private"]}, "photos has to be inside"),
        ({"out": "link/heads"}, "out has to be inside"),
        ({"export": ["blend"]}, "choose from glb, fbx, obj, usd"),
    ],
)
def test_what_is_wrong_in_a_config_is_told_with_its_name(capsys, tmp_path, values, words):
    path = tmp_path / "heads.json"
    path.write_text(json.dumps(values))
    (tmp_path / "link").symlink_to("/")
    told = refused(capsys, "a.jpg", "--out", "heads", "--config", path)
    assert words in told and str(path) in told


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "", "has to be a .toml or a .json file"),
        ("a.json", "{", "cannot be understood"),
        ("a.json", "[1]", "has to hold options by their names"),
        ("a.toml", "x = ", "cannot be understood"),
        ("a.toml", ".".join(["a"] * 25_000) + " = 1", "write lists over several lines"),
        ("a.json", " " * 300_000, "too large"),
        (None, None, "No such file"),
    ],
)
def test_configs_that_cannot_be_read(capsys, tmp_path, name, text, words):
    path = tmp_path / (name or "missing.json")
    if name:
        if name.endswith("toml"):
            pytest.importorskip("tomllib")
        path.write_text(text)
    assert words in refused(capsys, "a.jpg", "--out", "heads", "--config", path)


def test_a_python_without_tomllib_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tomllib", None)
    path = tmp_path / "heads.toml"
    path.write_text("head = true")
    with pytest.raises(BatchError, match=r"cannot read TOML: write heads\.toml as JSON"):
        read_config(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--turntable", "photos", "--out", "x"], "'photos' is no number of pictures"),
        (["a.jpg", "--out", "x", "--lods", "2,1"], "name fractions above 0 and up to 1"),
        (["a.jpg", "--out", "x", "--preset", "../maya"], "There is no preset"),
        (["a.jpg", "--out", "x", "--render", "top"], "choose from front, threequarter, side"),
        (["a.jpg", "--out", "x", "--jobs", "0"], "--jobs must be from 1"),
        (["a.jpg", "--out", "x", "--author", "Ada"], "name the folder for them with --asset-library"),
        (["a.jpg", "--out", "x", "--fail-below", "poor"], "invalid choice"),
        (["a.jpg"], "required: --out"),
        (["--out", "x"], "required: photos"),
    ],
)
def test_command_lines_that_make_no_sense(capsys, arguments, words):
    assert words in refused(capsys, *arguments)


def test_names_of_before_still_work(tmp_path):
    (tmp_path / "heads.json").write_text(json.dumps({"studio-timeout": 7}))
    assert options("a.jpg", "--out", "x", "--config", tmp_path / "heads.json").blender_timeout == 7
    found = options("a.jpg", "--out", "x", "--studio-timeout", "8", "--studio-log", "log")
    assert (found.blender_timeout, found.blender_log) == (8, "log")


def test_photos_before_after_and_between_options():
    assert options("a.jpg", "--turntable", "--out", "x").photos == ["a.jpg"]
    assert options("--out", "x", "a.jpg", "b.jpg").photos == ["a.jpg", "b.jpg"]
    assert options("a.jpg", "--out", "x", "--head", "b.jpg").photos == ["a.jpg", "b.jpg"]


def test_corrections_come_from_a_file_and_go_to_the_engine(tmp_path, capsys):
    pins = [{"name": "chin", "x": 1.0, "y": 2.0}]
    listed, document = tmp_path / "corrections.json", tmp_path / "face.json"
    listed.write_text(json.dumps([{"photo": "a.jpg", "face": 1, "pins": pins}]))
    document.write_text(
        json.dumps(
            {
                "input": {"name": "a.jpg"},
                "detection": {"face_index": 1},
                "adjustments": {"pins": pins, "errors_px": {"chin": 0.1}, "base_pose": {}},
            }
        )
    )
    for path in (listed, document):
        plan = make_plan(options("a.jpg", "--out", tmp_path, "--pins", path))
        assert plan.engine["adjustments"] == [{"photo": "a.jpg", "face": 1, "pins": pins}]
    of_file = {"input": {"name": "a.jpg", "sha256": "00"}, "detection": {}, "adjustments": {"pins": pins}}
    document.write_text(json.dumps(of_file))
    (found,) = make_plan(options("a.jpg", "--out", tmp_path, "--pins", document)).engine["adjustments"]
    assert found == {"photo": "a.jpg", "sha256": "00", "face": 0, "pins": pins}
    document.write_text(json.dumps({"input": {"name": "a.jpg"}}))
    assert "has no corrections" in refused(capsys, "a.jpg", "--out", tmp_path, "--pins", document)
    other = make_plan(options("a.jpg", "--out", tmp_path))
    assert "adjustments" not in other.engine
    assert plan.fingerprints("0", {}, {})["head"] != other.fingerprints("0", {}, {})["head"]
    for wrong in ("[1]", "{}", "x", '[{"face": 0}]'):
        listed.write_text(wrong)
        assert "corrections" in refused(capsys, "a.jpg", "--out", tmp_path, "--pins", listed)
