"""One of MediaPipe's face landmarkers, closed by its owner and never by the garbage collector.

Everything that a MediaPipe task does, closing included, is submitted to a thread of its own, and
`ThreadPoolExecutor.submit` holds a lock of the whole interpreter that is not re-entrant. If the garbage
collector runs inside that call and frees another landmarker, closing that one waits for the lock that its own
thread holds: for ever. So a landmarker that its owner has let go of is only put on a list here, and closed by
the next ordinary call of any landmarker.
"""

import os
import weakref
from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .mediapipe_import import import_mediapipe

#: MediaPipe's tasks whose owner is gone, each with the process that made it. Shared by all landmarkers:
#: whichever is used next closes them. A deque's append and popleft need no lock.
_abandoned: deque[tuple[Any, int]] = deque()


class MediaPipeLandmarker:
    """A `FaceLandmarker` task of MediaPipe's. A context manager; usable only in the process that made it."""

    def __init__(self, model_path: Path, confidence: float, max_faces: int = 20) -> None:
        """Load a model.

        Args:
            model_path: A `.task` file.
            confidence: Least confidence, 0..1, of a face's detection and of its landmarks.
            max_faces: The most faces that one call finds.

        Raises:
            ModelError: The file is missing or is no landmarker.
        """
        import_mediapipe()
        from mediapipe.tasks.python import BaseOptions, vision

        close_abandoned()
        if not model_path.is_file():
            raise ModelError(f"{model_path} is missing: make it with scripts/build/face_landmarker.py")
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model_path)),
            num_faces=max_faces,
            min_face_detection_confidence=confidence,
            min_face_presence_confidence=confidence,
        )
        try:
            task = vision.FaceLandmarker.create_from_options(options)
        except (ValueError, RuntimeError) as error:
            raise ModelError(
                f"{model_path} is damaged ({error}): get the project's models folder again."
            ) from error
        task.__class__ = _class_without_destructor()
        self._task: Any = task
        self._finalizer = weakref.finalize(self, _abandoned.append, (task, os.getpid()))
        self._finalizer.atexit = False  # the system frees what is left at the end

    def detect(self, image: Any) -> list[Any]:
        """The landmarks of each face in an `mp.Image`.

        Raises:
            RuntimeError: MediaPipe's graph failed, and is of no use any more.
        """
        close_abandoned()
        return self._task.detect(image).face_landmarks

    def close(self) -> None:
        """Free the graph now. May be called again."""
        close_abandoned()
        details = self._finalizer.detach()
        if details:
            _, _, ((task, pid),), _ = details
            _close(task, pid)

    def __enter__(self) -> "MediaPipeLandmarker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def close_abandoned() -> None:
    """Close the landmarkers whose owners are gone. Never called from a finalizer."""
    while True:
        try:
            task, pid = _abandoned.popleft()
        except IndexError:
            return
        _close(task, pid)


@cache
def _class_without_destructor() -> Any:
    """MediaPipe's class less its `__del__`, which closes wherever the garbage collector happens to run."""
    from mediapipe.tasks.python import vision

    return type("FaceLandmarker", (vision.FaceLandmarker,), {"__del__": lambda _: None})


def _close(task: Any, pid: int) -> None:
    """Free a graph, unless another process made it: its threads are not here."""
    if os.getpid() == pid:
        task.close()
