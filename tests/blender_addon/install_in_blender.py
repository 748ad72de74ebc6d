"""Installs the add-on's zip as artists do: `install_in_blender.py -- legacy|extension ZIP REPORT.json`."""

import importlib
import json
import sys
from pathlib import Path

import bpy

#: Names of the package, installed either way.
LEGACY = "photobust"
EXTENSION = "bl_ext.user_default.photobust"


def present(module):
    return {
        "panel": hasattr(bpy.types, "PHOTOBUST_PT_photo"),
        "operator": "reconstruct" in dir(bpy.ops.photobust),
        "scene": hasattr(bpy.types.Scene, "photobust"),
        "preferences": module in bpy.context.preferences.addons,
    }


def install(way, path):
    if way == "legacy":
        bpy.ops.preferences.addon_install(filepath=path, overwrite=True)
        bpy.ops.preferences.addon_enable(module=LEGACY)
    else:
        bpy.ops.extensions.package_install_files(
            filepath=path, repo="user_default", enable_on_install=True, overwrite=True
        )


def remove(way, module):
    if way == "legacy":
        bpy.ops.preferences.addon_disable(module=module)
        # Pressed in the preferences' window, it redraws that.
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):
            bpy.ops.preferences.addon_remove(module=module)
    else:
        repos = [repo.module for repo in bpy.context.preferences.extensions.repos]
        bpy.ops.extensions.package_uninstall(repo_index=repos.index("user_default"), pkg_id="photobust")


def version_of(way, module, folder):
    if way == "legacy":
        import addon_utils

        (found,) = [m for m in addon_utils.modules() if m.__name__ == module]
        return ".".join(map(str, found.bl_info["version"]))
    (line,) = [
        line
        for line in (folder / "blender_manifest.toml").read_text().splitlines()
        if "version =" in line[:9]
    ]
    return line.split('"')[1]


def check(way, path):
    if way == "extension" and not hasattr(bpy.types, "EXTENSIONS_OT_package_install_files"):
        if bpy.app.version < (4, 2):
            return {"skipped": f"Blender {bpy.app.version_string} knows no extensions"}
        bpy.ops.preferences.addon_enable(module="bl_pkg")
    module = LEGACY if way == "legacy" else EXTENSION
    install(way, path)
    package = importlib.import_module(module)
    folder = Path(package.__file__).parent
    answers = {"registered": present(module), "folder of the add-on": str(folder)}
    stale = folder / "of_an_older_version.py"
    stale.write_text("")
    importlib.import_module(f"{module}.engine").of_an_older_version = True
    install(way, path)
    answers["stale file after the update"] = stale.exists()
    answers["registered after the update"] = present(module)
    engine = importlib.import_module(f"{module}.engine")
    locate = importlib.import_module(f"{module}.engine.locate")
    answers["stale code after the update"] = hasattr(engine, "of_an_older_version")
    answers["root of the engine"] = str(locate.PROJECT_ROOT)
    answers["version"] = version_of(way, module, folder)
    remove(way, module)
    answers["removed"] = present(module)
    answers["folder after removal"] = folder.exists()
    return answers


way, path, report = sys.argv[sys.argv.index("--") + 1 :]
Path(report).write_text(json.dumps(check(way, path)))
