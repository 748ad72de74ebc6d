"""How far a reconstruction is, by the time that its steps take."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..runtime.timing import Stopwatch
from ..wrapping.options import HeadOptions

#: Fraction of the progress that detection is.
DETECTION_FRACTION = 0.1
#: Fraction of the progress that looking at several photos of a person is.
PERSON_FRACTION = 0.15
#: Seconds that the steps take for a face in a 1024-pixel photo on two cores: they share out the progress.
#: What is done beside another step counts nothing.
STEP_SECONDS = {
    "guidance": 0.05,
    "network": 0.06,
    "segmentation": 0.0,
    "surface": 0.15,
    "color": 0.04,
    "landmarks": 0.01,
    "quality": 0.02,
    "head": 1.2,
    "texture": 0.9,
    "hair": 0.3,
}


def step_starts(head: bool, texture: bool, hair: bool) -> dict[str, float]:
    """The progress at which each step of a face begins, in proportion to the time that the steps take.

    Args:
        head: Whether the animation-ready head is made too.
        texture: Whether its texture is painted too.
        hair: Whether its hair is made too.

    Returns:
        Progress in 0..1 by the step's name, for the steps that are taken.
    """
    left_out = {"head": not head, "texture": not texture, "hair": not hair}
    steps = [(name, seconds) for name, seconds in STEP_SECONDS.items() if not left_out.get(name)]
    total = sum(seconds for _, seconds in steps)
    starts, passed = {}, 0.0
    for name, seconds in steps:
        starts[name] = passed / total
        passed += seconds
    return starts


@dataclass(frozen=True)
class FaceProgress:
    """The progress of one face's steps.

    Attributes:
        watch: Times the steps; its progress is that of this face.
        starts: The fraction of the face's progress at which each step begins, see `step_starts`.
    """

    watch: Stopwatch
    starts: Mapping[str, float]

    @classmethod
    def toward(cls, wrap: HeadOptions | None, watch: Stopwatch) -> "FaceProgress":
        """The progress toward a head as the options say, or toward a surface alone."""
        starts = step_starts(bool(wrap), bool(wrap and wrap.texture), bool(wrap and wrap.wants_hair))
        return cls(watch, starts)

    def step(self, name: str, message: str) -> AbstractContextManager[None]:
        """Time a step.

        Args:
            name: Its name in STEP_SECONDS.
            message: A sentence for people.

        Returns:
            What the step's work stands in.

        Raises:
            Cancelled: On entering, if the work was cancelled.
        """
        return self.watch.step(name, self.starts[name], message)
