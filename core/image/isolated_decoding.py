"""Decodes a picture in a process of its own, with limits on its time and memory.

Some formats can be made so that a small file takes minutes or gigabytes, and some decoders have crashed on
damaged files: a process that serves others must neither wait for that nor end with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .. import errors
from .decoding import DecodedPicture, decode

#: Seconds of processor time that a picture may take, over all cores, where the system can limit it.
#: A JPEG 2000 of 48 megapixels takes about 5.
PROCESSOR_SECONDS = 9
#: Seconds on the clock, for a computer that is busy with other things too.
DEADLINE_SECONDS = 60.0
#: How much the hard limits, which end a process without saying why, lie above the others.
GRACE = 2
#: Bytes of memory that the process may take, where the system can limit it.
MEMORY_BYTES = 2_000_000_000
#: The child runs this module; its parent's search path is handed over, so that it finds the same packages.
START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {module} import main; main(sys.argv[2])"
)
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def decode_isolated(data: bytes, name: str, moment: float = 0.0) -> DecodedPicture:
    """Decode a picture file as `decode` does, in a process of its own.

    Args:
        data: The file.
        name: What to call it in messages.
        moment: Which frame of an animation, from 0 for the first to 1 for the last.

    Returns:
        The picture.

    Raises:
        PhotoFormatError: It is damaged or no picture, its decoder has crashed, or takes too long.
        PhotoTooLargeError: It has too many pixels.
    """
    path = [str(Path(folder).resolve()) if folder == "" else folder for folder in sys.path]
    arguments = json.dumps({"name": name, "moment": moment})
    command = [sys.executable, "-c", START.format(module=__name__), json.dumps(path), arguments]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=NO_WINDOW
        )
    except OSError:  # no further process can be started: better a picture at some risk than none
        return decode(data, name, moment)
    with process:
        try:
            answer, _ = process.communicate(data, timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise errors.PhotoFormatError(_too_slow(name)) from error
        finally:
            process.kill()
    header, _, pixels = answer.partition(b"\n")
    if process.returncode == 0 and header:
        return _parse(json.loads(header), pixels)
    if process.returncode == -getattr(signal, "SIGXCPU", 0):
        raise errors.PhotoFormatError(_too_slow(name))
    raise errors.PhotoFormatError(
        f"{name} is damaged (its decoder has failed): open it in an image editor and save it again"
    )


def _too_slow(name: str) -> str:
    return f"{name} takes too long to decode, or is made to: open it in an image editor and save it as JPEG"


def _parse(header: dict[str, Any], pixels: bytes) -> DecodedPicture:
    """The child's answer as a picture. Raises the error that it has met."""
    if "error" in header:
        raise getattr(errors, header["error"])(header["message"])
    height, width = header.pop("shape")
    rgb = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    return DecodedPicture(rgb=rgb, **{**header, "size": tuple(header["size"])})


def main(arguments: str) -> None:
    """The child: decode standard input, and answer on standard output with a line of JSON and the pixels."""
    _limit()
    # Libraries may print: standard output is kept for the answer.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        picture = decode(sys.stdin.buffer.read(), **json.loads(arguments))
    except errors.PhotoError as error:
        sink.write(json.dumps({"error": type(error).__name__, "message": str(error)}).encode("ascii") + b"\n")
    else:
        header = {
            "shape": picture.rgb.shape[:2],
            "focal_mm35": picture.focal_mm35,
            "size": picture.size,
            "orientation": picture.orientation,
            "is_animated": picture.is_animated,
        }
        sink.write(json.dumps(header).encode("ascii") + b"\n")
        sink.write(picture.rgb.data)
    sink.flush()
    # Decoders' threads need not be waited for.
    os._exit(0)


def _limit() -> None:
    """Set limits on this process where the system has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = ((resource.RLIMIT_CPU, PROCESSOR_SECONDS), (resource.RLIMIT_DATA, MEMORY_BYTES))
    for kind, limit in ((resource.RLIMIT_CORE, 0), *limits):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (limit, limit + GRACE if limit else 0))
