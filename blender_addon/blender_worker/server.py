"""Answers the Blender worker's requests, in the engine's protocol: one JSON object a line. No bpy itself.

    {"id": 1, "method": "hello", "params": {}}
    {"id": 2, "method": "renderer", "params": {}}
    {"id": 3, "method": "step", "params": {"step": "preview", "folder": "...", "options": {"size": 512}}}
    {"id": 4, "method": "shutdown", "params": {}}

    {"id": 3, "event": "result", "result": {"files": {"preview.png": "..."}, "facts": {}}}
    {"id": 3, "event": "error", "error": {"type": "RenderError", "message": "..."}}

What a step has made is listed in the folder's face.json when its answer comes. The process ends at once when
stdin closes.
"""

import errno
import json
import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import AddonError
from ..heads.manifest import add_step
from .memory import release_free_memory
from .steps import Step, load_step

Method = Callable[[dict[str, Any]], dict[str, Any]]
#: `error_kind` of a step that found no room on the disk.
NO_SPACE = "NoSpaceError"


class Server:
    """Serves `source` and `sink`, one request after the other, on the thread that calls `run`."""

    def __init__(
        self,
        source: BinaryIO,
        sink: BinaryIO,
        hello: Callable[[], dict[str, Any]],
        renderer: Callable[[], str],
        load: Callable[[str], Step] = load_step,
    ) -> None:
        """Prepare to serve.

        Args:
            source: Requests come from here, one a line.
            sink: Answers go here.
            hello: Returns versions.
            renderer: Returns Blender's name of a renderer that works here.
            load: Returns the step of a name.
        """
        self._source = source
        self._sink = sink
        self._load = load
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._methods: dict[str, Method] = {
            "hello": lambda _: hello(),
            "renderer": lambda _: {"renderer": renderer()},
            "step": self._step,
        }

    def run(self) -> None:
        """Serve until shutdown."""
        # Blender's data may only be touched from this thread, so another one listens.
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while (line := self._requests.get()) is not None:
            self._serve(json.loads(line))

    def _read(self) -> None:
        for line in self._source:
            if b'"shutdown"' in line and json.loads(line)["method"] == "shutdown":
                break
            self._requests.put(line)
        # At once, whatever is being made, for nobody waits for it any more, and Blender takes long to end by
        # itself. With what the steps have started, an encoder for example.
        if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)

    def _serve(self, request: dict[str, Any]) -> None:
        try:
            answer = {"event": "result", "result": self._methods[request["method"]](request["params"])}
        except AddonError as error:
            # Blender's exporters report a full disk in words of their own, with the reason as their cause.
            answer = _error(type(error).__name__, str(error), error.__cause__)
        except Exception as error:  # noqa: BLE001 (the process has to go on serving)
            traceback.print_exc()
            answer = _error("InternalError", f"Blender failed: {type(error).__name__}: {error}", error)
        release_free_memory()
        self._sink.write(json.dumps({"id": request["id"], **answer}).encode("ascii") + b"\n")
        self._sink.flush()

    def _step(self, params: dict[str, Any]) -> dict[str, Any]:
        folder, name = Path(params["folder"]), params["step"]
        result = self._load(name)(folder, params["options"])
        add_step(folder, name, result.files, result.facts)
        return {"files": result.files, "facts": result.facts}


def _error(kind: str, message: str, cause: BaseException | None) -> dict[str, Any]:
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        kind = NO_SPACE
    return {"event": "error", "error": {"type": kind, "message": message}}
