"""The animation-ready head: the template wrapped onto the surface, its neutral and its 52 blendshapes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from ..detection.detector import FaceLandmarks
from ..geometry.closest_point import ClosestPointQuery, LocatedPoints
from ..geometry.frames import Camera, HeadPose
from ..geometry.sphere import Sphere
from ..runtime.timing import Clock
from ..surface.isosurface import Surface
from ..template.eye_surfaces import SIDES
from ..template.template import HeadTemplate
from ..template.topology import HeadTopology
from .confidence import ConfidenceEstimator
from .deformation_transfer import DeformationTransfer
from .expression import ExpressionFit
from .eyelids import EyelidRepair, close_eyelid
from .fold_repair import FoldRepair
from .jaw import JawHinge
from .lips import LipSeparation
from .neck import NeckRing
from .nonrigid_icp import TemplateRegistration, landmark_rays
from .refinement import refine
from .rigid_parts import DEEP_IN_EYEBALL, RigidParts
from .settings import WrapSettings
from .skeleton import Rig, RigModel

#: Blendshapes that move a lid by more than this, meters, are kept off the eyeballs.
LID_MOVE = 0.0003
#: Blendshapes that move the lips by more than this, meters, must not push one through the other.
LIP_MOVE = 0.0005
#: Height, meters, head frame, above which the skin says something about the expression.
EXPRESSION_MIN_Z = -0.13


@dataclass(frozen=True)
class HeadShape:
    """A wrapped head without its blendshapes: all that texture and hair need. In the head frame, meters.

    Attributes:
        topology: Quads, texture coordinates, parts, names of the blendshapes.
        vertices: (V, 3) float32, as photographed.
        neutral: (V, 3) float32, without the expression.
    """

    topology: HeadTopology
    vertices: np.ndarray
    neutral: np.ndarray


@dataclass(frozen=True)
class Head(HeadShape):
    """A wrapped head. All in the head frame, meters.

    Attributes:
        topology: Quads, texture coordinates, parts, names of the blendshapes.
        vertices: (V, 3) float32, as photographed.
        neutral: (V, 3) float32, without the expression.
        blendshapes: (52, V, 3) float32, offsets from the neutral.
        expression: (52,) float32 weights: neutral plus the weighted blendshapes is near the vertices.
        confidence: (V,) float32, 0 (guessed) to 1 (visible, facing the camera).
        deviation: (V,) float32, distance to the surface.
        timings: Seconds by step.
        rig: Bones inside the neutral head, if they were asked for.
    """

    blendshapes: np.ndarray
    expression: np.ndarray
    confidence: np.ndarray
    deviation: np.ndarray
    timings: dict[str, float]
    rig: Rig | None = None

    @property
    def photo(self) -> np.ndarray:
        """(V, 3) float32: the neutral with the photo's expression, by the blendshapes."""
        return self.neutral + np.tensordot(self.expression, self.blendshapes, 1).astype(np.float32)

    def rigged(self, model: RigModel) -> "Head":
        """The head with bones."""
        opening = self.blendshapes[self.topology.blendshape_index("jawOpen")]
        return replace(self, rig=model.fit(self.topology, self.neutral, opening))

    def in_progress(self) -> "HeadInProgress":
        """The head where one that is not finished is expected."""
        return HeadInProgress(self, lambda: self)


class HeadInProgress:
    """A head that is wrapped but for the repair of its blendshapes, which texture and hair need not wait for.

    Attributes:
        shape: The head without blendshapes. Where lashes and tear lines are is not final, everything else is.
    """

    def __init__(self, shape: HeadShape, make: Callable[[], Head]) -> None:
        """Keep what is needed for the rest.

        Args:
            shape: The head without blendshapes.
            make: Makes the head; called once.
        """
        self.shape = shape
        self._make = make
        self._head: Head | None = None
        self._lock = Lock()

    def finish(self) -> Head:
        """The head. In any thread; it is made the first time."""
        with self._lock:
            if self._head is None:
                self._head = self._make()
            return self._head


class HeadWrapper:
    """Wraps heads of one topology; keeps what does not depend on the photo. Takes half a second to make."""

    def __init__(
        self,
        template: HeadTemplate,
        topology: HeadTopology,
        settings: WrapSettings = WrapSettings(),  # noqa: B008 (frozen)
    ) -> None:
        """Prepare what depends on the template alone.

        Args:
            template: The template.
            topology: The same template's.
            settings: What can be set.
        """
        self.settings = settings
        self.template = template
        self.topology = topology
        self.registration = TemplateRegistration(topology, settings)
        self.parts = RigidParts(topology)
        self.neck = NeckRing(topology)
        self.lips = LipSeparation(topology, self.registration.triangles, self.registration.skin_triangles)
        self.confidence_estimator = ConfidenceEstimator(topology, self.parts, self.registration.triangles)
        count = self.registration.count
        self._mean = topology.vertices[:count].astype(np.float64)
        self._fold_repair = FoldRepair(
            self._mean,
            self.registration.triangles,
            np.concatenate([self.registration.skin_triangles, self.registration.rim_triangles]),
            self.registration.rim_skin,
            self.registration.rim_side,
        )
        self._lids = {
            side: EyelidRepair(self._fold_repair, self.parts, self.registration, side) for side in SIDES
        }
        self._transfer = DeformationTransfer(
            topology.vertices[:count], topology.blendshapes[:, :count], self.registration.triangles
        )
        skin = np.flatnonzero(self.registration.skin & ~self.registration.ear)
        self._blinks = {topology.blendshape_index(f"eyeBlink{side.capitalize()}"): side for side in SIDES}
        self._expression = ExpressionFit(topology, skin[topology.vertices[skin, 2] > EXPRESSION_MIN_Z])

    @classmethod
    def from_pretrained(cls, models_dir: str | Path) -> "HeadWrapper":
        """The wrapper with the template of the folder of the models."""
        return cls(HeadTemplate.load(Path(models_dir)), HeadTopology.load(Path(models_dir)))

    def __call__(
        self, surface: Surface, prior: np.ndarray, landmarks: FaceLandmarks, camera: Camera, pose: HeadPose
    ) -> Head:
        """Wrap a surface.

        Args:
            surface: The surface.
            prior: (T, 3) the template's vertices, as the landmarks were lifted to them, head frame, meters.
            landmarks: As detected.
            camera: Of the photo.
            pose: Of the head.

        Returns:
            The head.
        """
        return self.begin(surface, prior, landmarks, camera, pose).finish()

    def begin(
        self, surface: Surface, prior: np.ndarray, landmarks: FaceLandmarks, camera: Camera, pose: HeadPose
    ) -> HeadInProgress:
        """Wrap a surface up to the point from which on texture and hair can be made beside the rest.

        Args:
            surface: The surface.
            prior: (T, 3) the template's vertices, as the landmarks were lifted to them, head frame, meters.
            landmarks: As detected.
            camera: Of the photo.
            pose: Of the head.

        Returns:
            The head's shape, and what makes the head of it.
        """
        clock = Clock()
        target = surface.closest_point_query()
        rays = landmark_rays(landmarks.points, self.template, camera, pose)
        clock.lap("prepare")
        smooth = self.registration.smooth_prior(prior[self.topology.origin])
        shape = self.registration.fit_linear_model(smooth, target, rays)
        clock.lap("linear model")
        count = self.registration.count
        shape[:count] = self.registration.nonrigid_icp(shape, target, rays)
        clock.lap("non-rigid ICP")
        eyeballs = {side: self.parts.fit_eyeball(shape, side) for side in SIDES}
        shape = self._clean(shape, self._mean, eyeballs)
        clock.lap("fold repair")
        shape[:count], used = self._refined(shape, target, camera, pose, eyeballs)
        clock.lap("refinement")
        # Rims count here, too: landmarks have placed them.
        visible = self.confidence_estimator.surface_confidence(shape, target)
        shape[:count] = self.neck.level(shape[:count], used)
        gaze = self.parts.gaze_weights(self.parts.gaze(eyeballs, landmarks.points, camera, pose))
        weights = self._expression.weights(shape, visible, gaze)
        clock.lap("expression")
        neutral, blendshapes = self._neutral(shape, weights, eyeballs)
        shape[count:] = (neutral + np.tensordot(weights, blendshapes, 1))[count:]
        clock.lap("neutral")
        wrapped = HeadShape(self.topology, shape.astype(np.float32), neutral.astype(np.float32))

        def finish() -> Head:
            clock = Clock()
            self._finish(neutral, blendshapes, eyeballs)
            shape[count:] = (neutral + np.tensordot(weights, blendshapes, 1))[count:]
            clock.lap("blendshapes")
            # Where they are on the surface, both ask.
            located = target.locate(shape)
            deviation = np.linalg.norm(located.nearest()[0] - shape, axis=1)
            confidence = self.confidence_estimator.confidence(shape, target, camera, pose, located=located)
            # What the registration did not go by, it has not measured, even if it has come into view since.
            confidence[:count] = np.minimum(confidence[:count], used)
            clock.lap("measure")
            return Head(
                topology=self.topology,
                vertices=shape.astype(np.float32),
                neutral=wrapped.neutral,
                blendshapes=blendshapes.astype(np.float32),
                expression=weights.astype(np.float32),
                confidence=confidence.astype(np.float32),
                deviation=deviation.astype(np.float32),
                timings=timings | clock.seconds,
            )

        timings = clock.seconds
        return HeadInProgress(wrapped, finish)

    def _refined(
        self,
        shape: np.ndarray,
        target: ClosestPointQuery,
        camera: Camera,
        pose: HeadPose,
        eyeballs: dict[str, Sphere],
    ) -> tuple[np.ndarray, np.ndarray]:
        """The body (n, 3) of a head (V, 3), moved onto the surface, and the confidence (n,) that was used."""
        count = self.registration.count

        def confidence_of(body: np.ndarray, skin: LocatedPoints) -> np.ndarray:
            whole = np.concatenate([body, shape[count:]])
            return self.confidence_estimator.confidence(whole, target, camera, pose, skin)[:count]

        def clean(body: np.ndarray) -> np.ndarray:
            return self._clean(np.concatenate([body, shape[count:]]), self._mean, eyeballs)[:count]

        return refine(
            shape[:count],
            self.registration.triangles,
            self.registration.skin_triangles,
            confidence_of,
            target,
            clean,
            self.registration.solver,
            self.settings,
        )

    def rebuilt(self, head: Head, vertices: np.ndarray, expression: np.ndarray) -> Head:
        """A head whose skin has been moved, with what depends on it: neutral, blendshapes, eyes and mouth.

        Args:
            head: As it was wrapped; its confidence, deviation and rig are kept.
            vertices: (V, 3) where its vertices are now as photographed, head frame, meters.
            expression: (52,) weights of the blendshapes.

        Returns:
            The head.
        """
        count = self.registration.count
        shape = vertices.astype(np.float64)
        weights = expression.astype(np.float64)
        before, neutral = head.vertices.astype(np.float64), head.neutral.astype(np.float64)
        eyeballs = {
            side: self.parts.follow_lids(self.parts.eyeball_of(neutral, side), before, shape, side)
            for side in SIDES
        }
        shape = self._clean(shape, self._mean, eyeballs)
        neutral, blendshapes = self._neutral(shape, weights, eyeballs)
        self._finish(neutral, blendshapes, eyeballs)
        shape[count:] = (neutral + np.tensordot(weights, blendshapes, 1))[count:]
        return replace(
            head,
            vertices=shape.astype(np.float32),
            neutral=neutral.astype(np.float32),
            blendshapes=blendshapes.astype(np.float32),
            expression=weights.astype(np.float32),
        )

    def folded(self, vertices: np.ndarray) -> np.ndarray:
        """Find folded triangles.

        Args:
            vertices: (V, 3) a head, head frame, meters.

        Returns:
            (k,) int indices of triangles that face inward where the template's face outward.
        """
        return self._fold_repair.folded(vertices[: self.registration.count].astype(np.float64), self._mean)

    def _neutral(
        self, shape: np.ndarray, weights: np.ndarray, eyeballs: dict[str, Sphere]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neutral (V, 3) and blendshapes (52, V, 3) of a photographed head (V, 3)."""
        count = self.registration.count
        # The blendshapes depend on the neutral, which depends on them, but little: two rounds are enough, and
        # the first needs only those that the expression has.
        body = self.topology.blendshapes[:, :count]
        jaw = [self.topology.blendshape_index(name) for name in ("jawOpen", "mouthClose")]
        in_use = weights != 0
        in_use[jaw] = in_use[jaw].any()
        for chosen in (in_use, np.ones(len(weights), bool)):
            neutral_body = shape[:count] - np.tensordot(weights, body, 1)
            body = self._transfer.apply(neutral_body, chosen)
            if chosen[jaw].all():
                self._bound_jaw(body, np.concatenate([neutral_body, shape[count:]]), eyeballs)
        # What closes the eyes belongs to the blendshapes and not to the neutral, or both are not the photo's.
        for k, side in self._blinks.items():
            transferred = np.concatenate([neutral_body + body[k], shape[count:]])
            blinked = self._blinked(transferred, k, eyeballs)[:count]
            own_side = (self._mean[:, 0] > 0) == (side == "left")
            body[k, own_side] = (blinked - neutral_body)[own_side]
        neutral = shape.copy()
        neutral[:count] = shape[:count] - np.tensordot(weights, body, 1)
        neutral = self._unfold(neutral, self._mean, eyeballs)
        neutral = self.parts.assemble(neutral, eyeballs)
        return neutral, self.parts.blendshapes(body, eyeballs, self.parts.mouth_scale(neutral))

    def _bound_jaw(self, body: np.ndarray, neutral: np.ndarray, eyeballs: dict[str, Sphere]) -> None:
        """Keep jawOpen of blendshapes (52, n, 3) near what the jaw's bone can do to a neutral (V, 3).

        mouthClose, which is used on top of it, closes the same lips to the same place.
        """
        count = self.registration.count
        jaw, close = self.topology.blendshape_index("jawOpen"), self.topology.blendshape_index("mouthClose")
        whole = self.parts.assemble(neutral, eyeballs)
        teeth = self.topology.blendshapes[jaw, count:] * self.parts.mouth_scale(whole)
        hinge = JawHinge.fit(whole, np.concatenate([body[jaw], teeth]), self.topology)
        bounded = hinge.bounded(whole[:count], body[jaw], self.topology).astype(body.dtype)
        body[close] += body[jaw] - bounded
        body[jaw] = bounded

    def _finish(self, neutral: np.ndarray, blendshapes: np.ndarray, eyeballs: dict[str, Sphere]) -> None:
        """Unfold blendshapes (52, V, 3), keep the eyes of eyeBlink closed, lids off the eyeballs and lips out
        of one another; changes them.
        """
        count = self.registration.count
        lids = np.concatenate([self.parts.lids[side] for side in SIDES])
        # mouthClose closes the lips over an open jaw, as Apple has it; over a closed one they have nowhere to
        # go. It comes after jawOpen.
        jaw, close = self.topology.blendshape_index("jawOpen"), self.topology.blendshape_index("mouthClose")
        for k, blendshape in enumerate(blendshapes):
            start = neutral + blendshapes[jaw] if k == close else neutral
            moved = start + blendshape
            reference = self._mean + self.topology.blendshapes[k, :count]
            if k == close:
                reference = reference + self.topology.blendshapes[jaw, :count]
            if np.abs(blendshape[self.topology.lips]).max() > LIP_MOVE:
                moved[:count] = self.lips.separate(moved[:count])
            if np.abs(blendshape[lids]).max() > LID_MOVE:
                moved = self._unfold(moved, reference, eyeballs, separate=False)
            else:
                moved[:count] = self._fold_repair.repair(moved[:count], reference, separate=False)
            if k in self._blinks:  # neutral and unfolding have moved the rims a little
                moved = close_eyelid(self.parts, moved, self._blinks[k], eyeballs[self._blinks[k]])
            blendshape[:count] = (moved - start)[:count]
            self.parts.attach_lashes(blendshape, self.topology.blendshapes[k])
            self.parts.attach_tears(blendshape, neutral, eyeballs)

    def _blinked(self, vertices: np.ndarray, k: int, eyeballs: dict[str, Sphere]) -> np.ndarray:
        """(V, 3) vertices, which blendshape k, an eyeBlink, has moved at weight 1, with the eye closed."""
        side, count = self._blinks[k], self.registration.count
        reference = self._mean + self.topology.blendshapes[k, :count]
        closed = close_eyelid(self.parts, vertices, side, eyeballs[side])
        # A lid that closes folds in many triangles: what the least change makes of it shows as creases.
        for _ in range(2):
            closed = self.parts.free_lids(closed, side, eyeballs[side], DEEP_IN_EYEBALL)
            closed[:count] = self._fold_repair.repair(closed[:count], reference, separate=False)
        return close_eyelid(self.parts, closed, side, eyeballs[side])  # unfolding has moved the rims a little

    def _clean(self, vertices: np.ndarray, reference: np.ndarray, eyeballs: dict[str, Sphere]) -> np.ndarray:
        """(V, 3) vertices without folds that the reference (n, 3) does not have, lids off the eyeballs."""
        count = self.registration.count
        cleaned = vertices.copy()
        for _ in range(2):
            for side in SIDES:
                cleaned = self.parts.free_lids(cleaned, side, eyeballs[side])
            cleaned[:count] = self._fold_repair.repair(cleaned[:count], reference)
        return cleaned

    def _unfold(
        self,
        vertices: np.ndarray,
        reference: np.ndarray,
        eyeballs: dict[str, Sphere],
        separate: bool = True,
    ) -> np.ndarray:
        """The same for what is made of a head without folds, from which it must not go far."""
        count = self.registration.count
        unfolded = vertices.astype(np.float64)
        if separate:
            unfolded[:count] = self._fold_repair.separate_rims(unfolded[:count])
        for side in SIDES:
            unfolded = self._lids[side].repair(unfolded, reference, eyeballs[side])
        # What is still folded is replaced: by itself what the skin hides, or it would drag the skin along.
        body = self._fold_repair.repair(unfolded[:count], reference, separate, ~self.registration.skin)
        # In blendshapes, folds that the skin hides do not matter. The skin comes first.
        limit = len(self._fold_repair.checked) if separate else len(self.registration.skin_triangles)
        folded = (self._fold_repair.folded(body, reference) < limit).sum()
        if folded:
            replaced = self._fold_repair.repair(body, reference, separate)
            if (self._fold_repair.folded(replaced, reference) < limit).sum() < folded:
                body = replaced
        unfolded[:count] = body
        return unfolded
