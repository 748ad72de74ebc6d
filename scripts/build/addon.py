"""Pack the add-on into dist/photobust-<version>.zip, which every Blender from 3.4 installs.

Blender 4.2 and later take a zip whose only folder holds blender_manifest.toml (an extension), earlier ones a
zip whose only folder holds __init__.py with bl_info (a legacy add-on). This one is both. Beside the add-on's
own modules the folder has what the engine process needs: core/ without training, and models/.

With --offline PLATFORM the zip also has the engine's wheels, each checked against its lock file, from which
Set Up Engine works without a network: dist/photobust-<version>-offline-<platform>.zip.

The same files give the same zip, byte for byte.
"""

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import core
from blender_addon.engine.wheel_lock import PLATFORMS, PYTHONS, WHEELS_FOLDER

#: Name of the folder in the zip: the module's name in legacy Blenders, the extension's id in later ones.
FOLDER = "photobust"
#: Where in the project what comes from, and where in the folder it goes.
TREES = {"blender_addon": "", "core": "core", "models": "models"}
FILES = ("LICENSE", "THIRD_PARTY.md")
#: What only runs in a checkout: training, and scripts/batch.py with its page.
NOT_PACKED = {"core/training", "blender_addon/batch", "blender_addon/blender_worker"}
#: The artist's guide, of these pages of docs/: as plain text, which every system has a program for.
GUIDE = "documentation.txt"
GUIDE_PAGES = ("addon.md", "adjust.md")
#: Leftovers of Python, editors and interrupted runs.
LEFTOVER = re.compile(r"(^|/)(\.|__pycache__(/|$))|(\.py[cod]|\.nb[ci]|\.part|\.orig|~)$")
#: Zips know no earlier date.
DATE = (1980, 1, 1, 0, 0, 0)


class PackagingError(Exception):
    """The add-on cannot be packed from what is there."""


def packed_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Name inside the add-on's folder, and path, of each file that is packed, in no special order."""
    for name in FILES:
        yield name, root / name
    for tree, target in TREES.items():
        for path in (root / tree).rglob("*"):
            inside = path.relative_to(root)
            skipped = LEFTOVER.search(inside.as_posix()) or any(
                parent.as_posix() in NOT_PACKED for parent in inside.parents
            )
            if path.is_file() and not skipped and not _has_onnx_twin(path):
                yield (Path(target) / path.relative_to(root / tree)).as_posix(), path


def _has_onnx_twin(path: Path) -> bool:
    """Whether these are weights for torch, which artists do not install, and ONNX Runtime has its own."""
    return path.suffix == ".safetensors" and path.with_suffix(".onnx").exists()


def stamped(name: str, data: bytes, version: str) -> bytes:
    """The file's content with the project's version in the two places that Blender reads it from."""
    if name == "blender_manifest.toml":
        pattern, value = r'^version = "[^"]*"', f'version = "{version}"'
    elif name == "__init__.py":
        numbers = ", ".join(version.split("."))
        pattern, value = r'^(\s*)"version": \([^)]*\)', rf'\1"version": ({numbers})'
    else:
        return data
    text, count = re.subn(pattern, value, data.decode("utf-8"), flags=re.MULTILINE)
    if count != 1:
        raise PackagingError(f"blender_addon/{name} has no one version to write {version} into.")
    return text.encode("utf-8")


def package(root: Path, version: str) -> dict[str, bytes]:
    """Content of each packed file by its name inside the add-on's folder, sorted by name."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise PackagingError(f"Blender wants a version of three numbers, and core's is {version}.")
    contents = {name: stamped(name, path.read_bytes(), version) for name, path in packed_files(root)}
    pages = [(root / "docs" / name).read_text("utf-8") for name in GUIDE_PAGES]
    contents[GUIDE] = "\n\n".join(map(plain_text, pages)).encode("utf-8")
    return dict(sorted(contents.items()))


def plain_text(page: str) -> str:
    """A page of the documentation without its pictures, and without links to pages that are not packed."""
    page = re.sub(r"^!\[[^\]]*\]\([^)]*\)\n+", "", page, flags=re.MULTILINE)
    page = re.sub(r" \(\[more\]\([^)]*\)\)", "", page)
    page = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", page)
    return page.replace("**", "")


def write_zip(contents: dict[str, bytes], path: Path, wheels: Sequence[Path] = ()) -> None:
    """Write `contents` and the engine's wheels into the one folder of a zip, without dates and users."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        # Blender removes an older version by the entries for folders that it finds at the zip's root.
        archive.writestr(_entry(f"{FOLDER}/", 0o40755), b"")
        for name, data in contents.items():
            archive.writestr(_entry(f"{FOLDER}/{name}", 0o100644), data)
        for wheel in wheels:
            entry = _entry(f"{FOLDER}/{WHEELS_FOLDER}/{wheel.name}", 0o100644)
            entry.compress_type = zipfile.ZIP_STORED  # it is a zip
            entry.file_size = wheel.stat().st_size
            with archive.open(entry, "w") as target, wheel.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    partial.replace(path)


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.compress_type = zipfile.ZIP_STORED if name.endswith("/") else zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever this runs
    entry.external_attr = mode << 16
    return entry


def write_folder(contents: dict[str, bytes], folder: Path, wheels: Sequence[Path] = ()) -> None:
    """Lay `contents` out in `folder`, new or empty, for `blender --command extension build`."""
    if folder.exists() and any(folder.iterdir()):
        raise PackagingError(f"{folder} is not empty; name a new folder.")
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for wheel in wheels:
        (folder / WHEELS_FOLDER).mkdir(exist_ok=True)
        shutil.copyfile(wheel, folder / WHEELS_FOLDER / wheel.name)


def build(
    out: Path,
    root: Path = ROOT,
    version: str = core.__version__,
    offline: str | None = None,
    wheels: Sequence[Path] = (),
) -> Path:
    """Pack the add-on.

    Args:
        out: The folder that the zip goes to.
        root: The project.
        version: Of the add-on.
        offline: The platform whose wheels go in as well, for the zip's name.
        wheels: These wheels.

    Returns:
        The zip's path.
    """
    path = out / f"{FOLDER}-{version}{f'-offline-{offline}' if offline else ''}.zip"
    write_zip(package(root, version), path, wheels)
    return path


def _wheels(platform: str, pythons: Sequence[str] | None) -> list[Path]:
    from scripts.build import engine_wheels

    try:
        return engine_wheels.wheels(platform, ROOT / "build/wheels", pythons or engine_wheels.BLENDER_PYTHONS)
    except engine_wheels.LockError as error:
        raise PackagingError(str(error)) from error


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    parser.add_argument("--folder", type=Path, help="also lay the add-on's folder out here, unpacked")
    parser.add_argument("--offline", choices=PLATFORMS, help="put the engine's wheels for this platform in")
    parser.add_argument(
        "--python", choices=PYTHONS, action="append", help="Pythons that they are for (default: Blender's)"
    )
    options = parser.parse_args()
    try:
        wheels = _wheels(options.offline, options.python) if options.offline else []
        path = build(options.out, offline=options.offline, wheels=wheels)
        if options.folder:
            write_folder(package(ROOT, core.__version__), options.folder, wheels)
    except (PackagingError, OSError) as error:
        print(f"The add-on was not packed: {error}", file=sys.stderr)
        return 1
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
