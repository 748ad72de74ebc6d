"""Run by a Blender (`blender --background --python`) or a Python with bpy: retopologizes one mesh. Needs bpy.

`retopology_process` starts it and speaks the engine's protocol with it. It is not imported but run as a file,
so it loads the package that it lies in by its path: the same however the add-on was installed.
"""

import importlib
import importlib.util
import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

#: What the add-on's package is called in this process.
PACKAGE = "photobust_addon"


def main() -> None:
    """Answer the one request that comes; end when nobody listens any more, or it is cancelled."""
    load_package(Path(__file__).resolve().parents[1])
    source, sink = module("engine.protocol_streams").take_over_streams()
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, requests), name="requests", daemon=True).start()
    while True:
        answer(requests.get(), sink)


def load_package(folder: Path) -> None:
    """Import the package in `folder` as PACKAGE."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def module(name: str) -> ModuleType:
    """A module of the package."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def answer(request: dict[str, Any], sink: BinaryIO) -> None:
    """Do what a request asks for, and write progress and result."""

    def send(event: dict[str, Any]) -> None:
        sink.write(json.dumps({"id": request["id"], **event}).encode("ascii") + b"\n")
        sink.flush()

    def on_progress(fraction: float, message: str) -> None:
        send({"event": "progress", "step": "retopology", "fraction": fraction, "message": message})

    on_progress(0.0, "Reading the mesh")
    import bpy  # noqa: F401  (only now: what its start prints is no answer)

    errors, files = module("errors"), module("mesh.retopology_files")
    try:
        params = request["params"]
        result = files.retopologize_folder(
            Path(params["folder"]), params["quads"], params["texture"], params["matrix"], on_progress
        )
        send({"event": "result", "result": result})
    except errors.AddonError as error:
        send({"event": "error", "error": {"type": type(error).__name__, "message": str(error)}})
    except Exception as error:  # noqa: BLE001 (told to the user by the Blender that asked)
        traceback.print_exc()
        message = f"Blender failed: {type(error).__name__}: {error}"
        send({"event": "error", "error": {"type": "InternalError", "message": message}})


def _listen(source: BinaryIO, requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in source:
        request = json.loads(line)
        if request["method"] in ("cancel", "shutdown"):
            break
        requests.put(request)
    # At once, whatever is being made: nobody wants it any more, and QuadriFlow does not listen.
    os._exit(0)


if __name__ == "__main__":
    main()
