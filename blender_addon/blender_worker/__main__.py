"""`python -m blender_addon.blender_worker`, in a Python that has the bpy module. Needs bpy."""

from typing import Any

from ..engine.protocol_streams import take_over_streams
from .server import Server


def main() -> None:
    """Serve stdin and stdout."""
    source, sink = take_over_streams()
    # What importing Blender prints is no answer, so it is imported only now.
    Server(source, sink, hello, Renderer().get).run()


def hello() -> dict[str, Any]:
    """Versions, and what this Blender can do."""
    import os

    import bpy

    from .. import bl_info
    from ..heads.export import formats

    version = ".".join(map(str, bl_info["version"]))
    return {
        "version": version,
        "blender": bpy.app.version_string,
        "formats": list(formats()),
        "pid": os.getpid(),
    }


class Renderer:
    """What pictures can be rendered with here; found out once, which takes as long as Blender's start."""

    def __init__(self) -> None:
        self._found: str | None = None

    def get(self) -> str:
        """WORKBENCH if it works here, else CYCLES."""
        from ..render.previews import WorkbenchProbe

        self._found = self._found or WorkbenchProbe().renderer()
        return self._found


if __name__ == "__main__":
    main()
