"""The add-on's log file: what went wrong in detail, and what the engine says. No bpy."""

import contextlib
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_NAME = "photobust.log"
MAX_BYTES = 1_000_000
#: All of the add-on's loggers are children of this one, whatever the add-on's package is called.
LOGGER = logging.getLogger("photobust")


def open_log(folder: Path) -> Path:
    """Log into `folder` from now on. Returns the file; without one if the folder cannot be written to."""
    close_log()
    path = folder / FILE_NAME
    LOGGER.setLevel(logging.INFO)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        LOGGER.addHandler(handler)
    return path


def close_log() -> None:
    """Let go of the file."""
    for handler in list(LOGGER.handlers):
        LOGGER.removeHandler(handler)
        handler.close()


def log_engine_line(line: str) -> None:
    """Note a line of the engine's own log."""
    LOGGER.info("engine: %s", line)
