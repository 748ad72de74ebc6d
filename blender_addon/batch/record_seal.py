"""Whether a record's photos were named by this user on this computer. No bpy.

A record may come from anybody, and with --resume a batch reads the photos that it names, wherever they lie:
somebody else's record would have it make heads of the user's own pictures. So a record is sealed with a key
that only this user has.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..blender.atomic_file import write_all
from ..blender.regular_file import read_regular

#: Environment variable: the folder of what a user's batches keep.
HOME_VARIABLE = "PHOTOBUST_HOME"
#: That folder below the user's, where nothing else is said.
HOME_NAME = ".photobust"
KEY_NAME = "record.key"
KEY_BYTES = 32


def seal(inputs: Sequence[str]) -> str:
    """The seal of the photos and folders of a record; empty if there is no place for a key."""
    key = _key(make=True)
    return _seal(key, inputs) if key else ""


def is_sealed(inputs: Sequence[str], sealed: str) -> bool:
    """Whether this user's own batch has sealed these."""
    key = _key(make=False)
    # As bytes: texts have to be ASCII.
    return bool(key) and hmac.compare_digest(_seal(key, inputs).encode("utf-8"), _encoded(sealed))


def _seal(key: bytes, inputs: Sequence[str]) -> str:
    return hmac.new(key, json.dumps(list(inputs)).encode("ascii"), hashlib.sha256).hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _key(make: bool) -> bytes:
    """The user's key, made if need be; empty if there is none."""
    try:
        folder = Path(os.environ.get(HOME_VARIABLE) or Path.home() / HOME_NAME)
        if make:
            _make_key(folder)
        key = read_regular(folder / KEY_NAME, KEY_BYTES)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return b""
    return key if len(key) == KEY_BYTES else b""


def _make_key(folder: Path) -> None:
    """Make the key, unless there is one. Raises OSError."""
    path = folder / KEY_NAME
    if path.exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f"{KEY_NAME}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(partial, flags, 0o600)
    try:
        try:
            write_all(descriptor, secrets.token_bytes(KEY_BYTES))
        finally:
            os.close(descriptor)
        # Of two batches that begin at once, one gives its key to both.
        with contextlib.suppress(FileExistsError):
            _move(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _move(partial: Path, path: Path) -> None:
    """Give a file its name, if nothing has it yet. Raises OSError."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError, NotImplementedError):
        # No hard links on this file system or system, each of which says so in its own way.
        partial.rename(path)
