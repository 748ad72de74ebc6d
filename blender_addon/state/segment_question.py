"""Asks the engine what a place of the photo belongs to, while Blender goes on. No bpy."""

import time
from pathlib import Path
from typing import Any

from ..engine.client import START_TIMEOUT, WorkerClient
from ..errors import AddonError, EngineTimeoutError

#: What the engine's classes are called; others as they are.
WORDS = {
    "accessory": "glasses or jewelry",
    "background": "the background",
    "facial_hair": "brows or beard",
    "occluder": "a hand, or what else is in front of the face",
}


class SegmentQuestion:
    """What a pixel of a photo belongs to: a hat, glasses, a hand. Nothing here waits.

    Attributes:
        view: The photo that was asked about: empty for the main one, else its name.
        shape: Rows and columns of the mask that the answer is for.
    """

    def __init__(
        self,
        client: WorkerClient,
        folder: Path,
        photo: Path,
        place: tuple[float, float],
        mask: tuple[int, int],
        view: str = "",
        timeout: float = START_TIMEOUT,
    ) -> None:
        """Ask. Raises EngineStartError.

        Args:
            client: Of the engine, which starts if it does not run.
            folder: The head's.
            photo: The file.
            place: Photo frame, pixels.
            mask: Width and height of the mask that the answer is for, which shows all of the photo.
            view: See the class.
            timeout: Seconds that the answer is waited for: the engine may have to start, and reads its
                network the first time.
        """
        self.view = view
        self.shape = (mask[1], mask[0])
        asked = {"photo": str(photo), "x": place[0], "y": place[1], "mask": list(mask)}
        self._deadline = time.monotonic() + timeout
        self._request = client.submit(
            "adjust", folder=str(folder), out=None, adjustments={}, segment=asked, view=view
        )

    def poll(self) -> tuple[str, Any] | None:
        """Look for the answer.

        Returns:
            What it is, in a word, and where, as `heads.ignored_mask.add_runs` takes it; None before that is
            known.

        Raises:
            EngineTimeoutError: It has not come in time.
            AddonError: The engine cannot say.
        """
        self._request.poll()
        if not self._request.done:
            if time.monotonic() > self._deadline:
                raise EngineTimeoutError("The engine has not answered for a while: paint over it instead.")
            return None
        segment = self._request.result().get("segment")
        found = segment if isinstance(segment, dict) else {}
        if not found.get("runs"):
            raise AddonError("The engine sees nothing there that could be told apart: paint over it.")
        kind = str(found.get("class", "it"))
        return WORDS.get(kind, kind.replace("_", " ")), found["runs"]
