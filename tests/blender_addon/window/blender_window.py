"""A Blender in a real window, as a person has it: what is where on the screen, and what it says of itself."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.blender_addon.window.display import SIZE, Display
from tests.conftest import PATIENCE_SECONDS

INSIDE = Path(__file__).with_name("inside_window.py")
#: Pixels from one place to the next where a button is looked for: buttons are 20 high.
STEP = 9
#: Beats of Blender's heart (inside_window.py) in which it hears of what mouse and keys did before.
HEARD = 4
#: Beats without drawing after which there is nothing left to draw.
DRAWN = 40


class BlenderWindow:
    """Starts Blender, as large as the display. Use it as a context."""

    def __init__(self, blender: str, display: Display, env: dict[str, str], folder: Path) -> None:
        self.display = display
        self.log = folder / "blender.log"
        self._socket = folder / "s"
        self._command = [
            blender,
            *("--window-geometry", "0", "0", str(SIZE[0]), str(SIZE[1])),
            *("--python", str(INSIDE), "--", str(self._socket)),
        ]
        self._env = {**env, "DISPLAY": display.name, "LIBGL_ALWAYS_SOFTWARE": "1"}

    def __enter__(self) -> "BlenderWindow":
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._connection = socket.socket(socket.AF_UNIX)
        self.wait_until(self._connects, 60, "Blender to start")
        self._lines = self._connection.makefile("rw", encoding="utf-8")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._connection.close()
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def _connects(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError("Blender ended: " + self.log.read_text(errors="replace")[-2000:])
        try:
            self._connection.connect(str(self._socket))
        except OSError:
            return False
        return True

    def ask(self, expression: str, beats: int = 0) -> Any:
        """Value of a Python expression inside Blender, as far as JSON can hold it, after so many beats."""
        return self._send({"eval": expression, "beats": beats})

    def execute(self, statements: str) -> None:
        """Run Python statements inside Blender."""
        self._send({"exec": statements})

    def _send(self, question: dict[str, str | int]) -> Any:
        print(json.dumps(question), file=self._lines, flush=True)
        line = self._lines.readline()
        if not line:
            raise AssertionError("Blender ended: " + self.log.read_text(errors="replace")[-2000:])
        answer = json.loads(line)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["value"]

    def wait_until(self, done: Callable[[], Any], seconds: float, what: str) -> Any:
        """Wait until `done` gives something true, and return that.

        `seconds` is what it may take on an idle machine; a busy one is given more.
        """
        deadline = time.monotonic() + max(seconds, PATIENCE_SECONDS)
        while not (value := done()):
            if time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"waited in vain for {what}\n{tail}")
            time.sleep(0.01)
        return value

    def wait_until_drawn(self) -> None:
        """Wait until Blender has drawn what there is to draw, which takes a while without a graphics card."""
        self.execute("quiet_beats = 0")
        self.wait_until(lambda: self.ask("quiet_beats") >= DRAWN, 60, "Blender to have drawn")

    def wait_until_heard(self) -> None:
        """Wait until Blender has heard of what mouse and keys did."""
        self.ask("None", beats=HEARD)

    def click(self, x: float, y: float, held: str = "") -> None:
        """Click as the display does, when Blender has seen the mouse come: it takes a press as meant for what
        the mouse was over before.
        """
        self.display.move(x, y)
        self.wait_until_heard()
        self.display.click(x, y, held)

    def region(self, area: str, region: str) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of a region on the screen; the largest if there are several."""
        boxes = [
            place["box"]
            for place in self.ask("places()")
            if (place["area"], place["region"]) == (area, region)
        ]
        if not boxes:
            raise AssertionError(f"no {region} region in a {area} area is open")
        x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
        return x, SIZE[1] - y - height, x + width, SIZE[1] - y

    def buttons(self, area: str, region: str, across: float = 0.5) -> Iterator[tuple[str, float, float]]:
        """Go down a region with the mouse: the Python text of the button there, and where on the screen.

        `across` is the share of the region's width from its left side.
        """
        left, top, right, bottom = self.region(area, region)
        x = left + across * (right - left)
        for y in range(top + STEP // 2, bottom, STEP):
            self.display.move(x, y)
            if text := self.ask(f"button_at_mouse({area!r}, {region!r})", beats=HEARD):
                yield text, x, y

    def find_button(
        self, operator: str, area: str = "VIEW_3D", region: str = "UI", across: float = 0.5
    ) -> tuple[float, float]:
        """Where on the screen the button of an operator is, such as "photobust.reconstruct".

        The operator's arguments may be given too, as Blender writes them.
        """
        wanted = f"bpy.ops.{operator}" + ("" if "(" in operator else "(")
        seen: list[str] = []

        def find() -> tuple[float, float] | None:
            seen.clear()
            return self._find(wanted, area, region, across, seen)

        try:
            return self.wait_until(find, 20, f"{operator} in the {region} of {area}")
        except AssertionError as error:
            raise AssertionError(f"{error}\nThere were {seen}") from None

    def find_accept_button(self) -> tuple[float, float]:
        """Where the file browser's button is that takes what was chosen; its place differs by system."""

        def find() -> tuple[float, float] | None:
            tries = (
                self._find("bpy.ops.file.execute(", "FILE_BROWSER", "EXECUTE", x) for x in (0.95, 0.85, 0.75)
            )
            return next(filter(None, tries), None)

        return self.wait_until(find, 20, "the file browser's button to accept")

    def _find(
        self, wanted: str, area: str, region: str, across: float, seen: list[str] | None = None
    ) -> tuple[float, float] | None:
        """Where the button is whose text begins so; `seen` gets the texts of those before it."""
        for text, x, y in self.buttons(area, region, across):
            if seen is not None:
                seen.append(text)
            if text.startswith(wanted):
                # Buttons may come or go, as when a row appears above.
                self.wait_until_drawn()
                if self.ask(f"button_at_mouse({area!r}, {region!r})") == text:
                    return x, y
        return None

    def open_tab(self, panel: str) -> tuple[float, float]:
        """Click down the tabs beside the sidebar until this panel is drawn; returns where its tab is."""
        self.execute(f"watch_panel({panel!r})")

        def find() -> tuple[float, float] | None:
            _, top, right, bottom = self.region("VIEW_3D", "UI")
            for y in range(top + 20, bottom, 20):
                self.execute(f"drawn.pop({panel!r}, None)")
                self.click(right - 8, y)
                self.wait_until_drawn()
                if self.ask(f"drawn.get({panel!r})"):
                    return right - 8, y
            return None

        return self.wait_until(find, 30, f"a tab that shows the panel {panel}")
