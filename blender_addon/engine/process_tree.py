"""Ends a process with all that it has started, on every system. No bpy."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Seconds that Windows' taskkill may take.
TASKKILL_TIMEOUT = 10.0


def kill_tree(popen: "subprocess.Popen[Any]") -> None:
    """End a process and its children now. It must have been started with `start_new_session`."""
    if popen.poll() is not None and sys.platform == "win32":
        return  # its number may be somebody else's by now
    if sys.platform == "win32":
        # Windows has no process groups to kill; taskkill follows the tree. By its full path: a name alone is
        # looked for in the current folder first.
        taskkill = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [str(taskkill), "/F", "/T", "/PID", str(popen.pid)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TASKKILL_TIMEOUT,
                check=False,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        with contextlib.suppress(OSError):
            popen.kill()
        return
    # macOS says EPERM of a group whose processes have all ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(popen.pid, signal.SIGKILL)


def no_window() -> int:
    """Flags for `subprocess` that keep Windows from opening a console; 0 elsewhere."""
    return getattr(subprocess, "CREATE_NO_WINDOW", 0) if sys.platform == "win32" else 0
