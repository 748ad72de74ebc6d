"""Asks an interpreter something. No bpy."""

import json
import os
import subprocess
from typing import Any

from .locate import without_python_settings
from .process_tree import no_window


def ask_python(python: str | os.PathLike, script: str, seconds: float) -> Any:
    """What a script says in another interpreter, kept apart from this one's and the user's settings.

    Args:
        python: The interpreter.
        script: Statements that print JSON as their last line.
        seconds: How long they may take.

    Returns:
        What that line says.

    Raises:
        OSError: It is no program.
        subprocess.SubprocessError: It fails, or takes too long.
        ValueError: It says something else.
    """
    done = subprocess.run(
        [str(python), "-I", "-c", script],
        env=without_python_settings(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=seconds,
        check=True,
        encoding="utf-8",
        creationflags=no_window(),
    )
    return json.loads("".join(done.stdout.splitlines()[-1:]))
