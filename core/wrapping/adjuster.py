"""Applies what a person has corrected to a wrapped head: at once, as a preview, and thoroughly."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import RequestError
from ..geometry.frames import Camera, HeadPose
from ..template.sliders import HeadSliders, load_sliders
from ..template.topology import HeadTopology
from .adjustments import Adjustments
from .pin_solver import PinnedHead, PinScene, PinSolver, PinView
from .rigid_parts import SIDES, RigidParts

if TYPE_CHECKING:
    from .head import Head, HeadWrapper


@dataclass(frozen=True)
class BaseHead:
    """A head as the photo alone has it: what corrections start from.

    Attributes:
        neutral: (V, 3) float32, head frame, meters.
        photo: (V, 3) float32, as photographed.
        blendshapes: (52, V, 3), offsets, meters.
        expression: (52,) weights.
        pose: Of the head.
        further: The head in further photos of the person, by their names.
    """

    neutral: np.ndarray
    photo: np.ndarray
    blendshapes: np.ndarray
    expression: np.ndarray
    pose: HeadPose
    further: Mapping[str, PinView] = field(default_factory=dict)


@dataclass(frozen=True)
class AdjustedHead:
    """A corrected head.

    Attributes:
        head: The head.
        pose: Of the head.
        base: What it was before.
        adjustments: What was corrected.
        errors_px: By the pins' names, how far each is from its place in the photo.
        further: The head in further photos of the person, by their names.
    """

    head: "Head"
    pose: HeadPose
    base: BaseHead
    adjustments: Adjustments
    errors_px: dict[str, float]
    further: Mapping[str, PinView] = field(default_factory=dict)


@dataclass(frozen=True)
class AdjustedShape:
    """What corrections make of a head at once.

    Attributes:
        neutral: (V, 3) float64, head frame, meters.
        photo: (V, 3) float64, as photographed.
        solved: What the pins change.
        further: The head in further photos of the person, by their names.
    """

    neutral: np.ndarray
    photo: np.ndarray
    solved: PinnedHead
    further: Mapping[str, PinView] = field(default_factory=dict)


class HeadAdjuster:
    """Corrects heads of one topology."""

    def __init__(self, topology: HeadTopology, sliders: HeadSliders) -> None:
        """Take what does not depend on the head.

        Args:
            topology: Of the heads.
            sliders: Of the same template.
        """
        self.solver = PinSolver(topology)
        self.sliders = sliders
        self.parts = RigidParts(topology)
        #: (n,) vertices of eyeballs, teeth, tongue and lashes, which follow the skin.
        self._followers = np.setdiff1d(np.arange(len(topology.vertices)), self.parts.body)

    @classmethod
    def from_pretrained(cls, models_dir: str | Path) -> "HeadAdjuster":
        """The adjuster with the template of the folder of the models."""
        return cls(HeadTopology.load(Path(models_dir)), load_sliders(Path(models_dir)))

    def check(self, adjustments: Adjustments) -> None:
        """Raises RequestError if corrections name a pin or a slider that there is none of."""
        known = {*self.solver.pins, *self.sliders.names}
        for name in (*(pin.name for pin in adjustments.pins), *adjustments.sliders):
            if name not in known:
                raise RequestError(f"there is no pin and no slider {name}: it is of another version")

    def preview(self, base: BaseHead, camera: Camera, adjustments: Adjustments) -> AdjustedShape:
        """What corrections make of a head; takes some milliseconds.

        Pins come last: whatever sliders do, points are where their pins are.

        Args:
            base: The head as the photo alone has it.
            camera: Of the photo.
            adjustments: The corrections.
        """
        self.check(adjustments)
        sculpted = self.sliders.offset(adjustments.sliders)
        expression = base.expression.astype(np.float64)
        photo = base.photo + sculpted
        # What further photos show differs by expressions, which sliders leave alone.
        further = {name: replace(view, photo=view.photo + sculpted) for name, view in base.further.items()}
        main = PinView(photo, camera, base.pose)
        solved = self.solver.solve(PinScene(main, base.blendshapes, expression, further), adjustments.pins)
        neutral, photo = base.neutral + sculpted + solved.offset, photo + solved.photo_offset
        opened_further = {name: view.photo - photo for name, view in solved.further.items()}
        index = self._followers
        followed = self._followed(base, neutral, photo)
        neutral[index] = base.neutral[index] + followed
        opened = np.tensordot(solved.expression, base.blendshapes[:, index], 1)
        photo[index] = base.photo[index] + followed + opened
        shown = {
            name: replace(view, photo=photo + opened_further[name]) for name, view in solved.further.items()
        }
        return AdjustedShape(neutral, photo, solved, shown)

    def _followed(self, base: BaseHead, neutral: np.ndarray, photo: np.ndarray) -> np.ndarray:
        """(n, 3) how far what is not skin goes with the skin of a head (V, 3), neutral and photographed."""
        before = base.neutral.astype(np.float64)
        own = {side: self.parts.eyeball_of(before, side) for side in SIDES}
        moved = {side: self.parts.follow_lids(own[side], base.photo, photo, side) for side in SIDES}
        change = self.parts.assemble(neutral, moved) - self.parts.assemble(before, own)
        return np.asarray(change[self._followers])

    def apply(
        self,
        head: "Head",
        wrapper: "HeadWrapper",
        camera: Camera,
        pose: HeadPose,
        adjustments: Adjustments,
        further: Mapping[str, PinView] | None = None,
    ) -> AdjustedHead:
        """Correct a head, and all that depends on its shape.

        Args:
            head: As wrapped.
            wrapper: What wraps heads.
            camera: Of the photo.
            pose: Of the head.
            adjustments: The corrections.
            further: The head in further photos of the person, by their names.
        """
        base = BaseHead(head.neutral, head.vertices, head.blendshapes, head.expression, pose, further or {})
        made = self.preview(base, camera, adjustments)
        solved = made.solved
        if solved.pose is not pose or not np.array_equal(made.photo, base.photo):
            head = wrapper.rebuilt(head, made.photo, base.expression + solved.expression)
        shown = {
            name: replace(view, photo=head.vertices + (view.photo - made.photo))
            for name, view in made.further.items()
        }
        return AdjustedHead(head, solved.pose, base, adjustments, solved.errors_px, shown)
