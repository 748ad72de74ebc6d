"""What the add-on keeps from one click to the next: the engine, what it is doing, the last message. No bpy.

Blender makes operators and panels anew for each use, so what lasts longer lives here: one `AddonSession`,
opened when the add-on is switched on and closed when it is switched off or Blender ends. The engine starts
when it is first needed and is kept warm.
"""

import atexit
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..blender.private_folder import private_folder, remove_leftovers
from ..engine.client import EngineRequest, WorkerClient
from ..engine.locate import Engine, find_engine
from ..engine.setup import EngineSetup
from ..engine.state import EngineState, locate
from ..mesh.retopology_process import RetopologyRun
from .reconstruction import ReconstructionRun

#: Names of the folders for files that nobody needs once Blender has ended begin with this.
SCRATCH_PREFIX = "photobust-blender-"


@dataclass(frozen=True)
class EngineChoice:
    """What decides which interpreter runs the engine; see `engine.find_engine`."""

    explicit: str | None = None
    private: Path | None = None
    current: str | None = None

    def find(self) -> Engine:
        """The engine. Raises EngineNotFoundError."""
        engine = find_engine(self.explicit, private=self.private, current=self.current)
        return replace(engine, background=True)

    def locate(self) -> EngineState:
        """Whether it can be used; runs the interpreter, which takes a moment."""
        return locate(self.explicit, private=self.private, current=self.current)[1]


@dataclass(frozen=True)
class Message:
    """A line of a panel.

    level: one of Blender's: INFO, WARNING, ERROR. operator: the operator that says it, such as
    "photobust.export_head": its button has the message below it; empty for the panel as a whole.
    """

    level: str = "INFO"
    text: str = ""
    operator: str = ""


@dataclass
class FaceSearch:
    """Looking for the faces of a photo that was just chosen, before anything is made of it.

    `answer`: the engine's, None until it is there or if it failed.
    """

    photo: Path
    job: EngineRequest
    answer: dict[str, Any] | None = field(default=None)


class EngineCheck:
    """Finds out on a thread whether the engine can be used."""

    def __init__(self, choice: EngineChoice) -> None:
        self.choice = choice
        self.state: EngineState | None = None
        self._thread = threading.Thread(target=self._run, name="photobust-check", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether the state is known."""
        return not self._thread.is_alive()

    def wait(self) -> EngineState | None:
        """The state, once it is known."""
        self._thread.join()
        return self.state

    def _run(self) -> None:
        self.state = self.choice.locate()


class AddonSession:
    """The one engine and what is going on."""

    def __init__(self, log: Callable[[str], None], log_path: Path) -> None:
        """`log` is called with the engine's words, on another thread; they end up in `log_path`."""
        self.log_path = log_path
        self.message = Message()
        self.run: ReconstructionRun | None = None
        self.face_search: FaceSearch | None = None
        self.retopology: RetopologyRun | None = None
        #: Whether points of a head are being dragged.
        self.adjusting = False
        #: Whether parts of the photo are being painted over.
        self.ignoring = False
        #: By heads' names, over which of their photos they are corrected, as Match Camera counts views.
        self.corrected_photos: dict[str, int] = {}
        #: The engine being set up; None when that is over. `setup_log`: of the last time.
        self.setup: EngineSetup | None = None
        self.setup_log: Path | None = None
        self._check: EngineCheck | None = None
        self._log = log
        self._client: WorkerClient | None = None
        self._scratch: Path | None = None
        self._scratch_stack = contextlib.ExitStack()

    def client(self, engine: Engine) -> WorkerClient:
        """The client of `engine`; another engine than last time ends the former one."""
        if self._client is None or self._client.engine != engine:
            self.stop_engine()
            self._client = WorkerClient(engine, self._log)
        return self._client

    @property
    def correcting(self) -> bool:
        """Whether a head is being corrected over its photo."""
        return self.adjusting or self.ignoring

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine, None if it is not running."""
        return self._client.pid if self._client else None

    def stop_engine(self) -> None:
        """End the engine, whatever it is doing; the next use starts it again."""
        if self._client:
            self._client.close()

    def check_engine(self, choice: EngineChoice, again: bool = False) -> EngineCheck:
        """The check of this choice: started if it is a new one, or is to be made `again`."""
        if self._check is None or self._check.choice != choice or (again and self._check.done):
            self._check = EngineCheck(choice)
        return self._check

    @property
    def engine_state(self) -> EngineState | None:
        """What the last check found; None if there was none or it is still going on."""
        return self._check.state if self._check else None

    def scratch(self) -> Path:
        """A folder for files that nobody needs once Blender has ended; only this user can read it."""
        if self._scratch is None:
            self._scratch = self._scratch_stack.enter_context(private_folder(SCRATCH_PREFIX))
        return self._scratch

    def close(self) -> None:
        """End everything."""
        if self.setup and not self.setup.done:
            self.setup.cancel()
        if self.retopology:
            self.retopology.close()
        self.stop_engine()
        self._scratch_stack.close()


_current: AddonSession | None = None


def open_session(log: Callable[[str], None], log_path: Path) -> AddonSession:
    """Begin the session; ends one that was left open, and removes what a killed Blender has left."""
    global _current
    close_session()
    remove_leftovers(SCRATCH_PREFIX)
    _current = AddonSession(log, log_path)
    atexit.register(close_session)
    return _current


def close_session() -> None:
    """End the session, if there is one."""
    global _current
    session, _current = _current, None
    atexit.unregister(close_session)
    if session:
        session.close()


def current() -> AddonSession:
    """The open session; only while the add-on is switched on."""
    if _current is None:
        raise RuntimeError("the add-on is not registered")
    return _current
