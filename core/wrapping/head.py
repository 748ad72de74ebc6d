"""The animation-ready head: the template wrapped onto the surface, its neutral and its 52 face units."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..detection.detector import FaceLandmarks
from ..geometry.frames import Camera, HeadPose
from ..surface.isosurface import Surface
from ..template.template import HeadTemplate
from ..template.topology import HeadTopology
from ..timing import Clock
from .confidence import ConfidenceEstimator
from .deformation_transfer import DeformationTransfer
from .expression import ExpressionFit
from .eyelid_closing import close_eyelid
from .eyelids import EyelidRepair
from .fold_repair import FoldRepair
from .lips import Lips
from .nonrigid_icp import Wrap, landmark_rays
from .refinement import settle
from .rigid_parts import DEEP, SIDES, HeadParts, Sphere

#: Units that move a lid by more than this, metres, are kept off the eyeballs.
LID_MOVE = 0.0003
#: Units that move the lips by more than this, metres, must not push one through the other.
LIP_MOVE = 0.0005


@dataclass(frozen=True)
class Head:
    """A wrapped head; its topology is `core.template.topology.HeadTopology`. All in the head frame, metres.

    vertices: (V, 3) float32, as photographed. neutral: (V, 3) float32, without the expression. units: (52,
    V, 3) float32, offsets from the neutral. expression: (52,) float32 weights: neutral plus the weighted
    units is near the vertices. confidence: (V,) float32, 0 (guessed) to 1 (seen, facing the camera); what it
    takes `core.wrapping.confidence` says.
    deviation: (V,) float32, distance to the surface. timings: seconds by step.
    """

    vertices: np.ndarray
    neutral: np.ndarray
    units: np.ndarray
    expression: np.ndarray
    confidence: np.ndarray
    deviation: np.ndarray
    timings: dict[str, float]

    @property
    def photo(self) -> np.ndarray:
        """(V, 3) float32: the neutral with the photo's expression, what the units make of it."""
        return self.neutral + np.tensordot(self.expression, self.units, 1).astype(np.float32)


class HeadWrapper:
    """Wraps heads of one topology; keeps what does not depend on the photo. Takes half a second to make."""

    def __init__(self, template: HeadTemplate, topology: HeadTopology) -> None:
        self.template = template
        self.topology = topology
        self.wrap = Wrap(topology)
        self.parts = HeadParts(topology)
        self.lips = Lips(topology, self.wrap.triangles, self.wrap.skin_triangles)
        self.sight = ConfidenceEstimator(topology, self.parts, self.wrap.triangles)
        count = self.wrap.count
        self._mean = topology.vertices[:count].astype(np.float64)
        self._mender = FoldRepair(
            self._mean,
            self.wrap.triangles,
            np.concatenate([self.wrap.skin_triangles, self.wrap.rim_triangles]),
            self.wrap.rim_skin,
            self.wrap.rim_side,
        )
        self._lids = {side: EyelidRepair(self._mender, self.parts, self.wrap, side) for side in SIDES}
        self._transfer = DeformationTransfer(
            topology.vertices[:count], topology.units[:, :count], self.wrap.triangles
        )
        counted = np.flatnonzero(self.wrap.skin & ~self.wrap.ear)
        self._blinks = {topology.unit(f"eyeBlink{side.capitalize()}"): side for side in SIDES}
        self._expression = ExpressionFit(topology, counted[topology.vertices[counted, 2] > -0.13])

    @classmethod
    def from_pretrained(cls, models_dir: str | Path) -> "HeadWrapper":
        """The wrapper with the template of the folder of the models."""
        return cls(HeadTemplate.load(Path(models_dir)), HeadTopology.load(Path(models_dir)))

    def __call__(
        self, surface: Surface, lifted: np.ndarray, landmarks: FaceLandmarks, camera: Camera, pose: HeadPose
    ) -> Head:
        """Wrap a surface. lifted: (V, 3) the likely head that the surface began as, head frame, metres."""
        clock = Clock()
        target = surface.closest_point_query()
        rays = landmark_rays(landmarks.points, self.template, camera, pose)
        clock.lap("prepare")
        fitted = self.wrap.fit(self.wrap.ease(lifted), target, rays)
        clock.lap("fit")
        count = self.wrap.count
        shape = fitted.copy()
        shape[:count] = self.wrap.bend(fitted, target, rays)
        clock.lap("bend")
        balls = {side: self.parts.eyeball(shape, side) for side in SIDES}
        shape = self._clean(shape, self._mean, balls)
        clock.lap("clean")

        def sure(body: np.ndarray) -> np.ndarray:
            return self.sight.confidence(np.concatenate([body, shape[count:]]), target, camera, pose)[:count]

        def clean(body: np.ndarray) -> np.ndarray:
            return self._clean(np.concatenate([body, shape[count:]]), self._mean, balls)[:count]

        skin = self.wrap.skin_triangles
        shape[:count], used = settle(shape[:count], self.wrap.triangles, skin, sure, target, clean)
        clock.lap("settle")
        # Rims count here, too: landmarks have placed them.
        seen = self.sight.surface_confidence(shape, target)
        gaze = self.parts.gaze_weights(self.parts.gaze(balls, landmarks.points, camera, pose))
        weights = self._expression.weights(shape, seen, gaze)
        clock.lap("expression")
        neutral, units = self._neutral(shape, weights, balls)
        self._finish(neutral, units, balls)
        clock.lap("units")
        moved = neutral + np.tensordot(weights, units, 1)
        shape[count:] = moved[count:]
        confidence = self.sight.confidence(shape, target, camera, pose)
        # What the registration did not go by, it has not measured, even if it has come out into view since.
        confidence[:count] = np.minimum(confidence[:count], used)
        deviation = target.distance(shape)
        clock.lap("measure")
        return Head(
            vertices=shape.astype(np.float32),
            neutral=neutral.astype(np.float32),
            units=units.astype(np.float32),
            expression=weights.astype(np.float32),
            confidence=confidence.astype(np.float32),
            deviation=deviation.astype(np.float32),
            timings=clock.seconds,
        )

    def folded(self, vertices: np.ndarray) -> np.ndarray:
        """(k,) triangles of a head (V, 3) that look inwards where the template's look outwards."""
        return self._mender.folded(vertices[: self.wrap.count].astype(np.float64), self._mean)

    def _neutral(
        self, shape: np.ndarray, weights: np.ndarray, balls: dict[str, Sphere]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neutral (V, 3) and units (52, V, 3) of a photographed head (V, 3)."""
        count = self.wrap.count
        # The units depend on the neutral, which depends on the units, but little: two rounds settle it.
        body = self.topology.units[:, :count]
        for _ in range(2):
            rest = shape[:count] - np.tensordot(weights, body, 1)
            body = self._transfer.apply(rest)
        # What closes the eyes belongs to the units that the neutral has not, or both are not the photo's.
        for k, side in self._blinks.items():
            blinked = self._blinked(np.concatenate([rest + body[k], shape[count:]]), k, balls)[:count]
            here = (self._mean[:, 0] > 0) == (side == "left")
            body[k, here] = (blinked - rest)[here]
        neutral = shape.copy()
        neutral[:count] = shape[:count] - np.tensordot(weights, body, 1)
        neutral = self._unfold(neutral, self._mean, balls)
        neutral = self.parts.place(neutral, balls)
        return neutral, self.parts.units(body, balls, self.parts.mouth_scale(neutral))

    def _finish(self, neutral: np.ndarray, units: np.ndarray, balls: dict[str, Sphere]) -> None:
        """Unfold units (52, V, 3), keep the eyes of eyeBlink closed, lids off the eyeballs and lips out of
        one another; changes them.
        """
        count = self.wrap.count
        lids = np.concatenate([self.parts.lids[side] for side in SIDES])
        # mouthClose closes the lips over an open jaw, as Apple has it; over a closed one they have nowhere to
        # go. It comes after jawOpen.
        jaw, close = self.topology.unit("jawOpen"), self.topology.unit("mouthClose")
        for k, unit in enumerate(units):
            start = neutral + units[jaw] if k == close else neutral
            moved = start + unit
            reference = self._mean + self.topology.units[k, :count]
            if k == close:
                reference = reference + self.topology.units[jaw, :count]
            if np.abs(unit[self.topology.lips]).max() > LIP_MOVE:
                moved[:count] = self.lips.parted(moved[:count])
            if np.abs(unit[lids]).max() > LID_MOVE:
                moved = self._unfold(moved, reference, balls, part=False)
            else:
                moved[:count] = self._mender.mend(moved[:count], reference, part=False)
            if k in self._blinks:  # neutral and unfolding have moved the rims a little
                moved = close_eyelid(self.parts, moved, self._blinks[k], balls[self._blinks[k]])
            unit[:count] = (moved - start)[:count]
            self.parts.attach_lashes(unit, self.topology.units[k])

    def _blinked(self, vertices: np.ndarray, k: int, balls: dict[str, Sphere]) -> np.ndarray:
        """(V, 3) vertices, which unit k, an eyeBlink, has moved at weight 1, with the eye closed."""
        side, count = self._blinks[k], self.wrap.count
        reference = self._mean + self.topology.units[k, :count]
        closed = close_eyelid(self.parts, vertices, side, balls[side])
        # A lid that closes folds in many places: what the least change makes of it shows as creases.
        for _ in range(2):
            closed = self.parts.free_lids(closed, side, balls[side], DEEP)
            closed[:count] = self._mender.mend(closed[:count], reference, part=False)
        return close_eyelid(self.parts, closed, side, balls[side])  # unfolding has moved the rims a little

    def _clean(self, vertices: np.ndarray, reference: np.ndarray, balls: dict[str, Sphere]) -> np.ndarray:
        """(V, 3) vertices without folds that the reference (n, 3) has not, and with lids off the eyeballs."""
        count = self.wrap.count
        cleaned = vertices.copy()
        for _ in range(2):
            for side in SIDES:
                cleaned = self.parts.free_lids(cleaned, side, balls[side])
            cleaned[:count] = self._mender.mend(cleaned[:count], reference)
        return cleaned

    def _unfold(
        self, vertices: np.ndarray, reference: np.ndarray, balls: dict[str, Sphere], part: bool = True
    ) -> np.ndarray:
        """The same for what is made of a head without folds, from which it must not go far."""
        count = self.wrap.count
        unfolded = vertices.astype(np.float64)
        if part:
            unfolded[:count] = self._mender.parted(unfolded[:count])
        for side in SIDES:
            unfolded = self._lids[side].mend(unfolded, reference, balls[side])
        # What is still folded is laid anew: by itself what the skin hides, or it would drag the skin along.
        body = self._mender.mend(unfolded[:count], reference, part, ~self.wrap.skin)
        # In units, folds that the skin hides do not matter. The skin comes first.
        limit = len(self._mender.judged) if part else len(self.wrap.skin_triangles)
        folded = (self._mender.folded(body, reference) < limit).sum()
        if folded:
            laid = self._mender.mend(body, reference, part)
            if (self._mender.folded(laid, reference) < limit).sum() < folded:
                body = laid
        unfolded[:count] = body
        return unfolded
