"""A screen without a monitor (Xvfb), with a mouse, a keyboard (xdotool) and a camera (ImageMagick)."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import PATIENCE_SECONDS

SIZE = (1280, 800)
PROGRAMS = ("Xvfb", "xdotool", "import")


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if not shutil.which(program)]


class Display:
    """Use it as a context; coordinates are pixels from the screen's top left corner."""

    def __enter__(self):
        read, write = os.pipe()
        # Xvfb chooses a free number and writes it when it is ready.
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"],
            pass_fds=[write],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise RuntimeError("Xvfb did not start")
        self.name = f":{number}"
        return self

    def __exit__(self, *exc_info):
        self._server.terminate()
        self._server.wait(PATIENCE_SECONDS)

    def move(self, x: float, y: float) -> None:
        self._xdotool("mousemove", str(round(x)), str(round(y)))

    def click(self, x: float, y: float, held: str = "") -> None:
        """`held`: a key that is held meanwhile, such as "shift"."""
        self.move(x, y)
        # Blender takes a press as meant for what the mouse was over before: let it see the mouse come.
        click = ["sleep", "0.1", "click", "1"]
        self._xdotool(*(["keydown", held, *click, "sleep", "0.1", "keyup", held] if held else click))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.move(*start)
        self._xdotool("sleep", "0.3", "mousedown", "1", "sleep", "0.2")
        for share in (0.1, 0.4, 0.7, 1.0):
            self.move(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))
            self._xdotool("sleep", "0.1")
        self._xdotool("mouseup", "1", "sleep", "0.2")

    def stroke(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """A drag without the pauses that Blender's own buttons need."""
        middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
        words = ["mousemove", *_rounded(start), "sleep", "0.1", "mousedown", "1"]
        for place in (middle, end):
            words += ["mousemove", *_rounded(place), "sleep", "0.1"]
        self._xdotool(*words, "mouseup", "1")

    def key(self, *names: str) -> None:
        self._xdotool("key", "--delay", "50", *names)

    def type(self, text: str) -> None:
        self._xdotool("type", "--delay", "20", text)

    def photograph(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._run("import", "-display", self.name, "-window", "root", str(path))

    def _xdotool(self, *arguments: str) -> None:
        self._run("xdotool", *arguments)

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, env={**os.environ, "DISPLAY": self.name}, check=True, timeout=PATIENCE_SECONDS
        )


def _rounded(place: tuple[float, float]) -> list[str]:
    return [str(round(value)) for value in place]
