"""The streams of a process that speaks the engine's protocol from inside a Blender. No bpy."""

import os
import sys
from typing import BinaryIO


def take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's streams, stdin and stdout: whatever prints, C code too, gets stderr instead."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Unbuffered: a buffer that a thread reads from would keep the interpreter from ending.
    return os.fdopen(0, "rb", buffering=0, closefd=False), sink
