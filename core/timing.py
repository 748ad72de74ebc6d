"""Seconds by step of something that goes on."""

import time


class Clock:
    """`lap` ends the step that has been going on since the last one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Note the seconds of the step `name`."""
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
