"""The wheel: what is in it, and that it works in an environment that has nothing else of the project."""

import email
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import zipfile

import pytest
import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from skimage import data, io

import blender_addon
import core
from tests.conftest import PATIENCE_SECONDS, ROOT, fresh_environment, wait_for

MEGABYTE = 1_000_000
LARGEST = 60 * MEGABYTE
#: What a head's folder has without a Blender.
MADE = {
    "surface.ply",
    "surface.glb",
    "landmarks.json",
    "face.json",
    "head.glb",
    "head.npz",
    "albedo.png",
    "view.js",
}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as `make wheel` does, from a copy of what git knows or would add."""
    source, dist = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(("docs/", "tests/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(dist), str(source)],
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs a program of an environment with nothing but the wheel, and what it says that it needs, with Dask
    and Starlette.
    """
    folder = tmp_path_factory.mktemp("empty")
    home = tmp_path_factory.mktemp("home")
    (folder / "path").mkdir()
    for name in ("sh", "env", "uname"):
        (folder / "path" / name).symlink_to(shutil.which(name))
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    programs = folder / "venv/bin"
    pip = (programs / "python", "-m", "pip", "--disable-pip-version-check")
    options = ("--quiet", "--no-deps", "--no-index")
    subprocess.run([*pip, "install", *options, wheel], check=True, timeout=PATIENCE_SECONDS, cwd=folder)
    (packages,) = (folder / "venv/lib").glob("python*/site-packages")
    link_distributions(needed_by(wheel, {"cluster", "web"}), packages, programs)
    # pip says whether a version does not do, or something is missing that is needed on the way.
    subprocess.run([*pip, "check"], check=True, timeout=PATIENCE_SECONDS, cwd=folder)
    # No `blender` in the PATH: only what the wheel brings.
    env = fresh_environment(home, PATH=f"{programs}{os.pathsep}{folder / 'path'}")

    def run(program, *arguments, start=False):
        command = [str(programs / program), *map(str, arguments)]
        if start:
            pipe = subprocess.PIPE
            return subprocess.Popen(command, cwd=folder, env=env, stdout=pipe, stderr=pipe, encoding="utf-8")
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.folder = folder
    return run


def needed_by(wheel, extras):
    """The distributions, installed here, that a wheel asks for with these extras, and what they ask for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")
    found = {}
    waiting = [(asked, frozenset(extras))]
    while waiting:
        asked, extras = waiting.pop()
        for requirement in map(Requirement, asked or ()):
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
            if key not in found:
                found[key] = importlib.metadata.distribution(requirement.name)
                waiting.append((found[key].requires, key[1]))
    return {name: found[name, extras] for name, extras in found}.values()


def link_distributions(distributions, packages, programs):
    """Make an environment have distributions of this one: links instead of almost a gigabyte of copies.

    Args:
        distributions: as of importlib.metadata.
        packages: the folder site-packages of the other environment.
        programs: its folder of programs, which gets theirs.
    """
    for distribution in distributions:
        for file in distribution.files:
            if ".." in file.parts:
                continue
            link = packages / file
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():  # some are listed twice, or by two that have them in common
                link.symlink_to(file.locate())
        for point in distribution.entry_points.select(group="console_scripts"):
            function = point.attr.split(".")[0]
            script = programs / point.name
            script.write_text(
                f"#!{programs / 'python'}\nimport sys\nfrom {point.module} import {function}\n"
                # Dask's processes import what they were started with.
                f"if __name__ == '__main__':\n    sys.exit({point.attr}())\n"
            )
            script.chmod(0o755)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "portrait.png"
    io.imsave(path, data.astronaut(), check_contrast=False)
    return path


@pytest.fixture(scope="module")
def made(installed, portrait):
    """(what the command said, the folder that it made)."""
    return installed("photobust", portrait, "--out", "heads"), installed.folder / "heads"


def test_the_wheel_carries_models_data_and_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wheel.name.startswith(f"photobust-{core.__version__}-py3-none-any")
    assert names >= {
        "photobust/py.typed",
        "photobust/worker/__main__.py",
        "photobust/models/LICENSE",
        "photobust_blender/batch/page_files/page.js",
        "photobust_blender/heads/preset_files/web.json",
        "photobust_blender/blender_worker/open_head.py",
        "photobust_blender/blender_worker/start.py",
        "photobust_web/page/index.html",
        "photobust_web/page/texts.json",
    }
    for path in (ROOT / "models").iterdir():
        twin = path.suffix == ".safetensors" and path.with_suffix(".onnx").exists()
        assert (f"photobust/models/{path.name}" in names) != twin, path.name
    modules = {name for name in names if name.endswith(".py")}
    packages = {"core": "photobust", "blender_addon": "photobust_blender", "web_app": "photobust_web"}
    for folder, package in packages.items():
        for path in (ROOT / folder).rglob("*.py"):
            inside = path.relative_to(ROOT / folder).as_posix()
            assert (f"{package}/{inside}" in modules) != (folder == "core" and inside.startswith("training/"))
    tops = {name.split("/")[0] for name in names}
    assert tops == {*packages.values(), f"photobust-{core.__version__}.dist-info"}
    size = wheel.stat().st_size
    print(f"\n{wheel.name}: {size / MEGABYTE:.1f} MB")
    assert size <= LARGEST


def test_the_version_is_the_same_wherever_it_is_written():
    manifest = tomllib.loads((ROOT / "blender_addon/blender_manifest.toml").read_text("utf-8"))
    assert manifest["version"] == ".".join(map(str, blender_addon.bl_info["version"])) == core.__version__
    assert re.search(
        rf"^## ({re.escape(core.__version__)}\b|Unreleased)", (ROOT / "CHANGELOG.md").read_text(), re.M
    )


@pytest.mark.slow
def test_the_command_makes_surface_and_head(made, installed):
    said, out = made
    assert {path.name for path in (out / "portrait").iterdir()} >= MADE
    assert "no Blender here" in said
    assert "usage: photobust" in installed("photobust", "--help")
    assert (out / "index.html").is_file()


@pytest.mark.slow
def test_importing_is_cheap_and_stays_inside_the_wheel(installed):
    code = (
        "import sys, photobust\n"
        "from photobust import Reconstructor, load_photo, write_reconstruction\n"
        "print(photobust.__file__, *(name for name in ('torch', 'mediapipe', 'core') if name in sys.modules))"
    )
    (file,) = installed("python", "-c", code).split()
    assert file.startswith(str(installed.folder))


@pytest.mark.slow
def test_examples_run_as_they_stand(installed, portrait):
    examples = ROOT / "examples"
    installed("python", examples / "reconstruct_photo.py", portrait, "example")
    assert {path.name for path in (installed.folder / "example/face_1").iterdir()} >= MADE - {"view.js"}
    said = installed("python", examples / "measure_face.py", portrait)
    pupils = float(re.search(r"([\d.]+) mm  between the pupils", said)[1])
    assert 50 < pupils < 75, "as between grown-up people's"
    broken = portrait.with_name("a_broken.jpg")
    broken.write_bytes(b"no picture")
    try:
        said = installed("python", examples / "reconstruct_folder.py", portrait.parent, "folder")
    finally:
        broken.unlink()
    assert "no head: a_broken.jpg" in said
    assert [path.name for path in (installed.folder / "folder").iterdir()] == ["portrait"]
    assert len(list(examples.glob("*.py"))) == 3, "another example is not run here"


@pytest.mark.slow
def test_the_page_is_served(installed):
    server = installed("photobust", "serve", "--port", 0, start=True)
    try:
        address = re.search(r"http://\S+/", server.stdout.readline())[0]
        for name, words in (("", b"<title>Photobust</title>"), ("static/model-viewer.min.js", b"three")):
            with urllib.request.urlopen(address + name, timeout=PATIENCE_SECONDS) as answer:
                assert words in answer.read()
    finally:
        server.terminate()
        _, said = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == 0 and said == ""


@pytest.mark.slow
def test_a_dask_worker_serves_a_batch(installed, portrait, made):
    address_file = installed.folder / "scheduler.json"
    scheduler = installed(
        *("dask", "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard"),
        *("--scheduler-file", address_file),
        start=True,
    )
    processes = [scheduler]
    try:
        wait_for(lambda: address_file.exists() and address_file.stat().st_size)
        address = json.loads(address_file.read_text())["address"]
        worker = installed("dask", "worker", address, "--nworkers", 1, "--no-dashboard", start=True)
        processes.append(worker)
        # The batch waits for one, but not as long as it may take to start beside others.
        assert any("Registered to" in line for line in worker.stderr), "the worker has ended"
        said = installed("photobust", portrait, "--out", "cluster", "--scheduler", address, "--no-preview")
    finally:
        for process in reversed(processes):
            process.terminate()
            process.communicate(timeout=PATIENCE_SECONDS)
    assert f"1 worker at {address}" in said
    cluster, here = installed.folder / "cluster/portrait", made[1] / "portrait"
    for name in ("surface.ply", "head.npz", "head.glb", "albedo.png"):
        assert (cluster / name).read_bytes() == (here / name).read_bytes(), name
