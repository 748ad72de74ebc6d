"""Lets two photos into one processor: one into its engine, the one before it into Blender. No bpy."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .processor import PhotoProcessor


class PhotoTurns:
    """Turns at a processor's engine, and at its Blender worker and the output folder behind that.

    A photo gives up its turn at the engine only when it has the other one, so that photos are put in their
    place in the order in which they came to the engine, and none waits for one behind it.
    """

    def __init__(self, processor: PhotoProcessor) -> None:
        self._processor = processor
        self._engine, self._filing = threading.Lock(), threading.Lock()

    @contextmanager
    def photo(self) -> Iterator["PhotoTurn"]:
        """A photo's turn, beginning at the engine; over at the end, wherever it is by then."""
        turn = PhotoTurn(self._processor, self._engine, self._filing)
        try:
            yield turn
        finally:
            turn.end()


class PhotoTurn:
    """The turn of one photo, for one thread.

    Attributes:
        processor: What it is a turn at.
        waited_s: How long `advance` has waited for the photo before, in seconds.
    """

    def __init__(self, processor: PhotoProcessor, engine: threading.Lock, filing: threading.Lock) -> None:
        engine.acquire()
        self.processor = processor
        self.waited_s = 0.0
        self._held, self._filing = engine, filing

    def advance(self) -> None:
        """Wait until the photo before is in its place, and let the next one into the engine.

        If that was done already, nothing happens.
        """
        if self._held is self._filing:
            return
        start = time.perf_counter()
        self._filing.acquire()
        self.waited_s = time.perf_counter() - start
        self._held.release()
        self._held = self._filing

    def end(self) -> None:
        """Let the next photo go where this one is."""
        self._held.release()
