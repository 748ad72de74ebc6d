"""Whether the engine can be used, and which button repairs it if not. No bpy.

The interpreter is asked in a process of its own, which looks at what is installed and imports none of it.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ..errors import EngineNotFoundError
from .locate import (
    BESIDE,
    CHOSEN,
    ENVIRONMENT_VARIABLE,
    PRIVATE,
    PROJECT_ROOT,
    VARIABLE,
    Engine,
    find_engine,
    read_marker,
)
from .process_tree import no_window

#: Seconds an interpreter may take to say what it has; generous, for cold disks.
PROBE_TIMEOUT = 60.0
LOWEST_PYTHON = (3, 10)


class EngineStatus(str, Enum):
    """What is the matter with the engine."""

    READY = "ready"
    NO_PYTHON = "no_python"
    UNFINISHED = "unfinished"
    BROKEN = "broken"
    PACKAGES_MISSING = "packages_missing"
    WRONG_VERSION = "wrong_version"
    FILES_MISSING = "files_missing"


class EngineAction(str, Enum):
    """What repairs it."""

    SET_UP = "set_up"
    CHOOSE_PYTHON = "choose_python"
    REINSTALL = "reinstall"


@dataclass(frozen=True)
class EngineRequirement:
    """A package that the engine needs: pip's name for it, its module, and the versions that will do."""

    name: str
    module: str
    lowest: str
    below: str | None = None


#: As in pyproject.toml. OpenCV comes by several names, so only its module is asked for.
REQUIREMENTS = (
    EngineRequirement("mediapipe", "mediapipe", "1.2", "2"),
    EngineRequirement("numpy", "numpy", "1.26", "3"),
    EngineRequirement("pillow", "PIL", "10.3"),
    EngineRequirement("safetensors", "safetensors", "0.4.3"),
    EngineRequirement("scikit-image", "skimage", "0.24"),
    EngineRequirement("scipy", "scipy", "1.13"),
    EngineRequirement("", "cv2", "0"),
)
#: One of these is needed, or the one that was asked for.
BACKENDS = {
    "onnx": EngineRequirement("onnxruntime", "onnxruntime", "1.18", "2"),
    "torch": EngineRequirement("torch", "torch", "2.4", "3"),
}
#: Without these the engine would start and then fail.
FILES = ("core/worker/__main__.py", "models/face_landmarker.task", "models/head_template.npz")

# Runs in the engine's interpreter: which modules there are, and their packages' versions.
_PROBE_SCRIPT = """
import importlib.util, json, sys
from importlib import metadata
found = {}
for name, module in json.loads(sys.argv[1]):
    if importlib.util.find_spec(module) is None:
        continue
    try:
        found[module] = metadata.version(name) if name else ""
    except metadata.PackageNotFoundError:
        found[module] = ""
print(json.dumps({"python": list(sys.version_info[:3]), "found": found}))
"""


@dataclass(frozen=True)
class EngineState:
    """What a panel needs to know: whether the engine can be used, a sentence, and what would repair it."""

    status: EngineStatus
    message: str
    action: EngineAction | None = None
    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    python: Path | None = None
    python_version: str = ""

    @property
    def ready(self) -> bool:
        """Whether a photo can be reconstructed."""
        return self.status is EngineStatus.READY


def locate(
    explicit: str | os.PathLike | None = None,
    environ: Mapping[str, str] | None = None,
    root: Path = PROJECT_ROOT,
    private: Path | None = None,
    current: str | None = None,
) -> tuple[Engine | None, EngineState]:
    """The engine that `find_engine` finds, if any, and its state. Takes about 0.1 s.

    Args:
        explicit: See `find_engine`, as for the others.
        environ: Variables.
        root: Folder of the sources.
        private: Folder of the add-on's environment.
        current: This interpreter.
    """
    try:
        engine = find_engine(explicit, environ, root, current, private)
    except EngineNotFoundError as error:
        chosen = explicit or (os.environ if environ is None else environ).get(ENVIRONMENT_VARIABLE)
        return None, no_engine(None if chosen else private, str(error), bool(chosen))
    return engine, probe(engine)


def no_engine(private: Path | None = None, reason: str | None = None, chosen: bool = False) -> EngineState:
    """The state when there is no engine at all.

    Args:
        private: Folder of the environment that the add-on sets up, which may be half finished.
        reason: Why there is none, a sentence.
        chosen: Whether that is because what was chosen is none.
    """
    if private and read_marker(private) is not None:
        message = "Setting up the engine was not finished: do it again."
        return EngineState(EngineStatus.UNFINISHED, message, EngineAction.SET_UP)
    action = EngineAction.CHOOSE_PYTHON if chosen else EngineAction.SET_UP
    return EngineState(EngineStatus.NO_PYTHON, reason or "The engine is not set up yet.", action)


def probe(engine: Engine, timeout: float = PROBE_TIMEOUT) -> EngineState:
    """Ask the engine's interpreter what it has."""
    missing_files = [name for name in FILES if not (engine.root / name).is_file()]
    if missing_files:
        which = ", ".join(missing_files)
        message = f"Files of the engine are missing in {engine.root} ({which}): install Photobust again."
        return EngineState(EngineStatus.FILES_MISSING, message, python=engine.python)
    backends = [BACKENDS[engine.backend]] if engine.backend in BACKENDS else list(BACKENDS.values())
    question = json.dumps([(r.name, r.module) for r in (*REQUIREMENTS, *backends)])
    try:
        # Not beside `core`: nothing there is to be taken for an installed package.
        done = subprocess.run(
            [str(engine.python), "-c", _PROBE_SCRIPT, question],
            env={**engine.environment(os.environ), "PYTHONPATH": ""},
            cwd=engine.python.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            encoding="utf-8",
            errors="replace",
            creationflags=no_window(),
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired:
        answer, reason = None, f"no answer in {timeout:g} seconds"
    except (OSError, ValueError) as error:
        answer, reason = None, str(error)
    if not isinstance(answer, dict):
        what = (
            "The Python that the engine was set up with is gone or broken, as after removing its Blender"
            if engine.origin == PRIVATE
            else f"{engine.python} cannot be used"
        )
        advice = _advice(engine)
        return EngineState(
            EngineStatus.BROKEN, f"{what}: {reason}. {advice[1]}", advice[0], python=engine.python
        )
    return _assess(engine, answer, backends)


def _assess(engine: Engine, answer: dict[str, Any], backends: list[EngineRequirement]) -> EngineState:
    version, found = tuple(answer["python"]), answer["found"]
    action, advice = _advice(engine)
    text = ".".join(map(str, version))

    def state(status: EngineStatus, message: str, **more: Any) -> EngineState:
        return EngineState(
            status,
            message,
            None if status is EngineStatus.READY else action,
            python=engine.python,
            python_version=text,
            **more,
        )

    if version < LOWEST_PYTHON:
        needed = ".".join(map(str, LOWEST_PYTHON))
        return state(
            EngineStatus.WRONG_VERSION,
            f"{engine.python} is Python {text}; at least {needed} is needed. {advice}",
        )
    needed_here = [*REQUIREMENTS, *([b for b in backends if b.module in found][:1] or backends[:1])]
    missing = tuple(r.name or "opencv-contrib-python" for r in needed_here if r.module not in found)
    if missing:
        message = f"Packages are missing in {engine.python}: {', '.join(missing)}. {advice}"
        return state(EngineStatus.PACKAGES_MISSING, message, missing=missing)
    wrong = tuple(filter(None, (_complaint(r, found[r.module]) for r in needed_here)))
    if wrong:
        return state(
            EngineStatus.WRONG_VERSION, f"In {engine.python}: {'; '.join(wrong)}. {advice}", wrong=wrong
        )
    return state(EngineStatus.READY, f"The engine is ready (Python {text}, {needed_here[-1].name}).")


def _advice(engine: Engine) -> tuple[EngineAction, str]:
    """What repairs this engine, and the sentence that says so."""
    if engine.origin == PRIVATE:
        return EngineAction.REINSTALL, "Set up the engine again."
    if engine.origin in (CHOSEN, VARIABLE):
        return (
            EngineAction.CHOOSE_PYTHON,
            "Choose another interpreter, or none, and let the add-on set up its own engine.",
        )
    if engine.origin == BESIDE:
        return EngineAction.SET_UP, f"Run `make setup` in {engine.root}, or set up the engine."
    return EngineAction.SET_UP, "Set up the engine."


def _complaint(requirement: EngineRequirement, found: str) -> str | None:
    """What is wrong with a package's version; None if it fits or is not known."""
    if not found:
        return None
    version = _numbers(found)
    if version < _numbers(requirement.lowest):
        return f"{requirement.name} {found}, at least {requirement.lowest} is needed"
    if requirement.below and version >= _numbers(requirement.below):
        return f"{requirement.name} {found}, older than {requirement.below} is needed"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "2.13.0+cpu" -> (2, 13, 0)."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)
