"""Sets up the engine: a private virtual environment with the packages that it needs. No bpy.

    setup = EngineSetup(plan_setup(folder), online=True)
    setup.start()
    while not setup.done:            # a modal operator does this on a timer
        for progress in setup.poll(): ...
    engine = setup.result()

The work is done by other processes (venv, pip), which a thread reads along with. Until everything is there
the folder is marked as unfinished; what was there before is kept aside, and comes back if this fails or is
cancelled. A second try finds what the first one has downloaded.
"""

import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..blender.file_lock import held_lock
from ..errors import NoSpaceError, OfflineError, SetupCancelledError, SetupError
from .client import Progress as SetupProgress
from .environment import (
    LOCK_TIMEOUT,
    downloads_folder,
    environment_size,
    lock_path,
    mark,
    previous_folder,
    remove_environment,
    restore,
    set_aside,
)
from .locate import PRIVATE, PROJECT_ROOT, Engine, environment_python
from .pip_output import PipReader, failure_reason, is_disk_full
from .process_group import ProcessGroup
from .setup_plan import SetupPlan, plan_setup
from .state import probe

__all__ = [
    "EngineSetup",
    "SetupPlan",
    "SetupProgress",
    "environment_size",
    "plan_setup",
    "remove_environment",
]

LOG_NAME = "engine_setup.log"
#: A recent pip, that reports how far a download is, whichever one the interpreter brings.
PIP = "pip==26.3"
#: Python that minds no variables and no folder but its own, and says at once what it has to say.
ISOLATED = ("-I", "-u", "-X", "utf8")
#: Shares of the time: where each step begins.
STARTS = {"prepare": 0.0, "pip": 0.04, "download": 0.08, "install": 0.75, "check": 0.95}
LINES_KEPT = 60
#: Imports what the engine will, to find libraries that the system lacks, and compiles it on the way.
IMPORTS = "import cv2, mediapipe, numpy, onnxruntime, PIL, safetensors, scipy, skimage.measure"


class EngineSetup:
    """One run of setting up. To try again, make another one."""

    def __init__(
        self,
        plan: SetupPlan,
        *,
        online: bool,
        log_path: Path | None = None,
        pip_options: tuple[str, ...] = (),
        upgrade_pip: bool = True,
        root: Path = PROJECT_ROOT,
    ) -> None:
        """Prepare it.

        Args:
            plan: What to do.
            online: Whether the network may be used.
            log_path: Where everything that happens is written down; else beside the environment.
            pip_options: More options, such as `--find-links FOLDER`.
            upgrade_pip: Install with the pip that is locked; else with the one that comes with the
                interpreter, which may say less about how far it is.
            root: The folder that holds `core`.
        """
        self.plan = plan
        self.log_path = log_path or plan.folder.parent / LOG_NAME
        self.progress = SetupProgress("prepare", 0.0, "Preparing")
        self._online = online
        self._options = pip_options
        self._upgrade_pip = upgrade_pip
        self._root = root
        self._news: queue.SimpleQueue[SetupProgress] = queue.SimpleQueue()
        self._group = ProcessGroup()
        self._thread: threading.Thread | None = None
        self._cancelled = threading.Event()
        self._engine: Engine | None = None
        self._error: Exception | None = None

    def start(self) -> None:
        """Begin, on a thread. Raises OfflineError or NoSpaceError at once."""
        if not self._online and not self.plan.wheels:
            raise OfflineError(
                "Blender is set to stay offline: allow online access in Preferences, System, or choose a"
                " Python that has the engine's packages already."
            )
        needed, free = self.plan.needed_bytes / 1e6, self.plan.free_bytes / 1e6
        if free < needed:
            raise NoSpaceError(
                f"{needed:.0f} MB are needed in {self.plan.folder.parent}, where {free:.0f} MB are free:"
                " make room there."
            )
        self._thread = threading.Thread(target=self._run, name="photobust-setup", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether `result` has an answer."""
        return self._engine is not None or self._error is not None

    def poll(self, wait: float = 0.0) -> list[SetupProgress]:
        """What has happened since the last time, oldest first; waits up to `wait` seconds for something."""
        news: list[SetupProgress] = []
        while True:
            try:
                first_wait = wait if wait > 0 and not news and not self.done else 0.0
                news.append(self._news.get(timeout=first_wait) if first_wait else self._news.get_nowait())
            except queue.Empty:
                break
            self.progress = news[-1]
        return news

    def result(self) -> Engine:
        """The engine; raises SetupError or SetupCancelledError. Only when it is done."""
        if self._error is not None:
            raise self._error
        if self._engine is None:
            raise RuntimeError("the set-up is not done yet")
        return self._engine

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[SetupProgress], None] | None = None
    ) -> Engine:
        """Wait for the end, calling `on_progress` on this thread; after `timeout` seconds it is cancelled."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done:
            for progress in self.poll(0.1):
                if on_progress:
                    on_progress(progress)
            if deadline is not None and time.monotonic() > deadline:
                self.cancel()
                deadline = None
        return self.result()

    def cancel(self) -> None:
        """Stop, and remove what is half-made; `done` becomes true when that is finished."""
        self._cancelled.set()
        self._group.kill()

    def _run(self) -> None:
        try:
            with held_lock(lock_path(self.plan.folder), LOCK_TIMEOUT) as held:
                if held:
                    self._replace()
                else:
                    self._error = SetupError(
                        "Another Blender is setting up the engine: wait until it has finished."
                    )
        except OSError as error:
            self._error = self._problem(error)

    def _replace(self) -> None:
        """Make the environment; what was there before is kept aside until it is complete."""
        folder = self.plan.folder
        previous, downloads = previous_folder(folder), downloads_folder(folder)
        try:
            self._report("prepare", 0.0, "Making a place for the engine")
            set_aside(folder, previous)
            folder.mkdir(parents=True)
            mark(folder, self.plan.base, self.plan.packages, finished=False)
            with self.log_path.open("w", encoding="utf-8") as log:
                engine = self._make(log)
            mark(folder, self.plan.base, self.plan.packages, finished=True)
        except Exception as error:  # noqa: BLE001 (whatever happens, whoever polls has to learn of it)
            problem = self._problem(error)
            try:
                restore(folder, previous)
            except (OSError, SetupError) as trouble:
                problem = SetupError(f"{problem} {folder} could not be tidied up ({trouble}): remove it.")
            if self._cancelled.is_set():
                shutil.rmtree(downloads, ignore_errors=True)
            self._error = problem
        else:
            shutil.rmtree(previous, ignore_errors=True)
            shutil.rmtree(downloads, ignore_errors=True)
            self._report("check", 1.0, "The engine is ready")
            self._engine = engine

    def _problem(self, error: Exception) -> Exception:
        """The error to report: a cancelled run fails in all kinds of ways, a full disk in two."""
        if self._cancelled.is_set():
            return SetupCancelledError("Setting up the engine was cancelled; nothing of it is left behind.")
        if isinstance(error, SetupError):
            return error
        if isinstance(error, OSError):
            full = error.errno == 28
            kind = NoSpaceError if full else SetupError
            return kind(f"The engine could not be set up: {error.strerror or error} ({error.filename}).")
        return SetupError(
            f"The engine could not be set up ({type(error).__name__}: {error}); see {self.log_path}."
        )

    def _make(self, log: IO[str]) -> Engine:
        folder, base = self.plan.folder, self.plan.base
        python = environment_python(folder)
        # The marker is already in the folder, so it is not to be cleared.
        self._call(log, [base.path, *ISOLATED, "-m", "venv", folder], "Python's own set-up failed")
        pip = [python, *ISOLATED, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        # A cache of its own: it makes a second try quicker, and goes when the engine is there.
        pip += [
            "--no-deps",
            "--only-binary",
            ":all:",
            "--cache-dir",
            downloads_folder(folder),
            "--require-hashes",
            *(["--no-index", "--find-links", self.plan.wheels] if self.plan.wheels else []),
            *self._options,
        ]
        if self._upgrade_pip:
            self._report("pip", STARTS["pip"], "Getting the installer")
            self._call(
                log, [*pip, "--upgrade", "-r", self.plan.installer_lock], "The installer could not be had"
            )
            pip += ["--progress-bar", "raw"]
        self._report(
            "download",
            STARTS["download"],
            "Unpacking packages" if self.plan.wheels else "Downloading packages",
        )
        reader = PipReader(self.plan.download_bytes, len(self.plan.packages))
        self._call(
            log,
            [*pip, "-r", self.plan.lock],
            "The packages could not be installed",
            lambda line: self._follow_pip(reader, line),
            lambda: self._follow_installation(reader),
        )
        self._report("check", STARTS["check"], "Checking that everything works")
        self._call(log, [python, *ISOLATED, "-c", IMPORTS], "The installed packages do not work here")
        engine = Engine(python, self._root, origin=PRIVATE)
        state = probe(engine)
        if not state.ready:
            raise SetupError(state.message)
        return engine

    def _call(
        self,
        log: IO[str],
        command: list,
        failure: str,
        on_line: Callable[[str], object] | None = None,
        on_tick: Callable[[], object] | None = None,
    ) -> None:
        """Run a command to its end. Raises SetupError that begins with `failure`."""
        arguments = [str(part) for part in command]
        print(f"{time.strftime('%H:%M:%S')} $ {subprocess.list2cmdline(arguments)}", file=log, flush=True)
        tail: list[str] = []

        def take(line: str) -> None:
            if not line.startswith("Progress "):
                print(line, file=log, flush=True)
                tail.append(line)
                del tail[:-LINES_KEPT]
            if on_line:
                on_line(line)

        if self._cancelled.is_set():
            raise SetupCancelledError("cancelled")
        code = self._group.run(arguments, _quiet_environment(), take, on_tick)
        if self._cancelled.is_set():
            raise SetupCancelledError("cancelled")
        if code != 0:
            kind = NoSpaceError if is_disk_full(tail) else SetupError
            raise kind(f"{failure}: {failure_reason(tail)}. The log says more: {self.log_path}")

    def _follow_pip(self, reader: PipReader, line: str) -> None:
        if reader.read(line) and not reader.installing:
            span = STARTS["install"] - STARTS["download"]
            message = f"Downloading {reader.name}, {reader.downloaded / 1e6:.0f} MB so far"
            self._report("download", STARTS["download"] + span * reader.fraction, message)

    def _follow_installation(self, reader: PipReader) -> None:
        # pip says nothing while it unpacks; what it has finished with has a folder of its own.
        if reader.installing:
            site = next(self.plan.folder.glob("[Ll]ib/**/site-packages"), None)
            count = max(len(list(site.glob("*.dist-info"))) - 1, 0) if site else 0
            span = STARTS["check"] - STARTS["install"]
            message = f"Installing packages, {count} of {reader.packages}"
            self._report("install", STARTS["install"] + span * min(count / reader.packages, 1.0), message)

    def _report(self, step: str, fraction: float, message: str) -> None:
        self._news.put(SetupProgress(step, round(fraction, 4), message))


def _quiet_environment() -> dict[str, str]:
    """The user's environment, with its proxies and pip's index, but nothing that sends packages elsewhere."""
    elsewhere = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k not in elsewhere}
    return {**environment, "NO_COLOR": "1"}
