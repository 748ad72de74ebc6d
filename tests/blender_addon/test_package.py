"""The zip that `make addon` makes: what is in it, and that real Blenders install it."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import core
from scripts.build.addon import FOLDER, PackagingError, build, package, stamped, write_zip
from tests.conftest import BLENDERS, PATIENCE_SECONDS, ROOT, fresh_environment, python_with_bpy

INSTALL = Path(__file__).with_name("install_in_blender.py")
#: What comes with Blender or with Python.
AT_HAND = {
    "bpy",
    "bpy_extras",
    "gpu_extras",
    "bl_math",
    "blf",
    "bmesh",
    "gpu",
    "mathutils",
    "numpy",
    *sys.stdlib_module_names,
}
MEGABYTE = 1_000_000
#: 61 MB of models, which the zip makes 52 of; the lifter and the detectors are more than a half. Artists
#: download this.
LARGEST = 56 * MEGABYTE


@pytest.fixture(scope="module")
def addon_zip(tmp_path_factory):
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def names(addon_zip):
    with zipfile.ZipFile(addon_zip) as archive:
        return [name.removeprefix(f"{FOLDER}/") for name in archive.namelist()]


def read(addon_zip, name):
    with zipfile.ZipFile(addon_zip) as archive:
        return archive.read(f"{FOLDER}/{name}").decode("utf-8")


def bl_info(addon_zip):
    """As Blender reads it: without running the module."""
    for node in ast.parse(read(addon_zip, "__init__.py")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "bl_info":
            return ast.literal_eval(node.value)
    raise AssertionError("no bl_info")


def test_everything_is_in_one_folder(addon_zip):
    with zipfile.ZipFile(addon_zip) as archive:
        assert archive.testzip() is None
        entries = archive.namelist()
    # Blender finds what to remove before an update by this entry.
    assert entries[0] == f"{FOLDER}/"
    assert all(entry.startswith(f"{FOLDER}/") for entry in entries)
    assert len(set(map(str.lower, entries))) == len(entries), "two names alike where case does not count"


def test_artists_get_the_engine_and_its_models_but_nothing_of_the_workshop(addon_zip, names):
    for name in (
        *(
            "__init__.py",
            "blender_manifest.toml",
            "engine/client.py",
            "core/__init__.py",
            "core/worker/__main__.py",
        ),
        *(
            "models/head_template.npz",
            "models/face_landmarker.task",
            "models/LICENSE",
            "models/MODEL_CARD.md",
        ),
        *("LICENSE", "THIRD_PARTY.md", "documentation.txt"),
    ):
        assert name in names
    guide = read(addon_zip, "documentation.txt")
    assert "Reconstruct from Photo" in guide and "Apply Corrections" in guide
    assert not re.search(r"\]\(|\*\*|\.(jpg|png)\)", guide), "what only a browser shows"
    assert not [
        name for name in names if "training" in name or "test" in name.lower() or "__pycache__" in name
    ]
    assert not [name for name in names if name.endswith((".pyc", ".part"))]
    packed = {Path(name).name for name in names if name.startswith("models/")}
    for path in (ROOT / "models").iterdir():
        twin = path.suffix == ".safetensors" and path.with_suffix(".onnx").exists()
        assert (path.name in packed) != twin, path.name
    size = addon_zip.stat().st_size
    print(f"\n{addon_zip.name}: {size / MEGABYTE:.1f} MB, {len(names)} files")
    assert size < LARGEST


def test_both_kinds_of_blender_are_told_the_same(addon_zip):
    tomllib = pytest.importorskip("tomllib")
    manifest = tomllib.loads(read(addon_zip, "blender_manifest.toml"))
    info = bl_info(addon_zip)
    assert manifest["version"] == ".".join(map(str, info["version"])) == core.__version__
    assert manifest["name"] == info["name"]
    assert manifest["id"] == FOLDER
    assert info["blender"] <= (3, 4, 0)
    assert addon_zip.name == f"photobust-{core.__version__}.zip"


def test_the_addon_imports_nothing_that_blender_lacks(addon_zip, names):
    modules = [name for name in names if name.endswith(".py") and not name.startswith("core/")]
    assert len(modules) > 10
    for name in modules:
        for node in ast.walk(ast.parse(read(addon_zip, name))):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                imported = [node.module]
            foreign = {module.split(".")[0] for module in imported} - AT_HAND
            assert not foreign, f"{name} imports {foreign}"


def test_the_same_files_make_the_same_zip(tmp_path):
    for copy in ("one", "two"):
        for name in (
            "LICENSE",
            "THIRD_PARTY.md",
            "docs/addon.md",
            "docs/adjust.md",
            "core/worker/__main__.py",
            "models/net.onnx",
        ):
            path = tmp_path / copy / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name * 100)
            path.chmod(0o600 if copy == "one" else 0o755)
            os.utime(path, (1e9, 1e9 if copy == "one" else 1.5e9))
    one, two = (build(tmp_path / "out" / copy, tmp_path / copy, "1.0.0") for copy in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_version_is_written_where_blender_looks_for_it():
    manifest = b'schema_version = "1.0.0"\nversion = "0.0.0" # note\nblender_version_min = "4.2.0"\n'
    assert b'"1.0.0"\nversion = "3.2.1" # note\nblender' in stamped(
        "blender_manifest.toml", manifest, "3.2.1"
    )
    info = b'bl_info = {\n    "version": (0, 0, 0),\n    "blender": (3, 4, 0),\n}\n'
    assert b'{\n    "version": (3, 2, 1),\n    "blender": (3, 4, 0)' in stamped("__init__.py", info, "3.2.1")
    assert stamped("operators/__init__.py", info, "3.2.1") == info
    with pytest.raises(PackagingError, match="no one version"):
        stamped("__init__.py", b"bl_info = {}", "3.2.1")
    with pytest.raises(PackagingError, match="three numbers"):
        package(ROOT, "1.0.0rc1")


def test_leftovers_stay_out(tmp_path):
    for name in (
        *(
            "LICENSE",
            "THIRD_PARTY.md",
            "docs/addon.md",
            "docs/adjust.md",
            "core/a.py",
            "core/training/b.py",
            "core/__pycache__/a.cpython-311.pyc",
        ),
        *("models/net.onnx", "models/net.safetensors", "models/lifter.safetensors", "models/.hidden"),
        *(
            "blender_addon/deep/c.py",
            "blender_addon/deep/c.py~",
            "blender_addon/x.part",
            "blender_addon/.a/b.py",
        ),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert list(package(tmp_path, "1.0.0")) == [
        *(
            "LICENSE",
            "THIRD_PARTY.md",
            "core/a.py",
            "deep/c.py",
            "documentation.txt",
            "models/lifter.safetensors",
            "models/net.onnx",
        ),
    ]


def test_a_zip_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_zip({"a": b"new", "b": None}, path)
    assert path.read_bytes() == b"old"


@pytest.mark.slow
def test_the_engine_starts_from_the_installed_folder(addon_zip, tmp_path, home):
    with zipfile.ZipFile(addon_zip) as archive:
        archive.extractall(tmp_path)
    code = (
        "import pathlib, core.io.writer, core.image.photo\n"
        "from core import Reconstructor\n"
        "Reconstructor.from_pretrained()\n"
        "print(pathlib.Path(core.__file__).parent)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / FOLDER,
        env=fresh_environment(home),
        capture_output=True,
        timeout=2 * PATIENCE_SECONDS,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / FOLDER / "core")


@pytest.fixture(params=BLENDERS)
def blender_command(request):
    """The start of a command line that runs a script in a Blender."""
    if request.param == "blender":
        return [request.getfixturevalue("blender"), "--background", "--python-exit-code", "1", "--python"]
    return [python_with_bpy(request.param)]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["legacy", "extension"])
def test_blender_installs_updates_and_removes_it(addon_zip, blender_command, way, home, tmp_path):
    report = tmp_path / "report.json"
    done = subprocess.run(
        [*blender_command, str(INSTALL), "--", way, str(addon_zip), str(report)],
        env=fresh_environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * PATIENCE_SECONDS,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(report.read_text())
    if "skipped" in answers:
        pytest.skip(answers["skipped"])
    assert answers["registered"] == {"panel": True, "operator": True, "scene": True, "preferences": True}
    assert answers["removed"] == {"panel": False, "operator": False, "scene": False, "preferences": False}
    assert answers["registered after the update"] == answers["registered"]
    assert answers["stale file after the update"] is False
    assert answers["stale code after the update"] is False
    assert answers["root of the engine"] == answers["folder of the add-on"]
    assert answers["version"] == core.__version__
    assert answers["folder after removal"] is False
    assert "Traceback" not in done.stderr + done.stdout
