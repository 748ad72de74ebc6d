"""What is not skin: eyes, teeth, tongue and lashes follow the head; the lids lie on the eyeballs.

Eyeballs stay the template's, teeth and tongue too: they are only moved and scaled alike in all directions.
Their blendshapes are the template's, scaled, so that they move with the jaw and the gaze.
"""

from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from ..detection.mediapipe_topology import IRIS_CENTERS
from ..geometry.frames import Camera, HeadPose
from ..geometry.sphere import Sphere, fit_sphere
from ..template.eye_surfaces import SIDES, lower_rim, tear_points
from ..template.topology import (
    CORNEAS,
    EYES,
    INNER,
    LASHES,
    SKIN,
    TEARS,
    TEETH_LOWER,
    TEETH_UPPER,
    TONGUE,
    HeadTopology,
)

#: Clearance between eyeball and lid, meters.
CLEARANCE = 0.0003
#: How far, meters, from the lids' rims skin and sockets are kept out of the eyeball.
LID_REACH = 0.006
#: Depth, meters, in the eyeball beyond which what the skin hides stays, where the skin must not move.
DEEP_IN_EYEBALL = 0.0015
#: Vertices that a lash vertex hangs on.
LASH_ROOTS = 3
#: Least distance of a root, meters, that its weight is computed from.
MIN_ROOT_DISTANCE = 1e-4
#: Limits of the eyeballs' and the mouth's size, of the template's.
EYEBALL_SCALE = (0.85, 1.2)
MOUTH_SCALE = (0.85, 1.15)
#: Distance from the lips' middle, meters, up to which skin carries teeth and tongue.
MOUTH_REACH = 0.045
#: How far teeth and tongue are from where MakeHuman has them, meters: at jawOpen its lower teeth hide behind
#: the lip, and its tongue stands above them.
MOUTH_OFFSETS = {
    TEETH_UPPER: (0.0, 0.0, 0.0),
    TEETH_LOWER: (0.0, 0.0012, 0.0048),
    TONGUE: (0.0, 0.0, -0.007),
}
#: Rounds of the fit of an eyeball into its lids.
EYEBALL_ROUNDS = 6
#: Greatest angle of the gaze, radians: the iris is a few pixels, and eyes seldom turn farther.
MAX_GAZE = np.radians(25.0)


class RigidParts:
    """Where the parts of one topology belong."""

    def __init__(self, topology: HeadTopology) -> None:
        """Measure the average head.

        Args:
            topology: Of the heads.
        """
        self.topology = topology
        mean = topology.vertices.astype(np.float64)
        self.mean = mean
        self.skin = topology.vertices_of(SKIN)
        self.body = topology.vertices_of(SKIN, INNER)
        self.loops = {"left": topology.lid_left, "right": topology.lid_right}
        self.eyes = {side: topology.vertices_of(name) for side, name in zip(SIDES, EYES, strict=True)}
        self.eyeballs = {side: fit_sphere(mean[index]) for side, index in self.eyes.items()}
        #: What an eyeball carries: itself and its cornea.
        self.carried = {
            side: topology.vertices_of(eye, cornea)
            for side, eye, cornea in zip(SIDES, EYES, CORNEAS, strict=True)
        }
        #: By side, the lower lid's rim from corner to corner, and the rows of the tear line along it.
        self.tears = {
            side: (lower_rim(topology.vertices, self.loops[side]), topology.vertices_of(name))
            for side, name in zip(SIDES, TEARS, strict=True)
        }
        near = {
            side: cKDTree(mean[loop]).query(mean[self.body])[0] < LID_REACH
            for side, loop in self.loops.items()
        }
        self.lids = {side: self.body[index] for side, index in near.items()}
        #: Which of these the skin hides.
        self.hidden = {side: ~np.isin(index, self.skin) for side, index in self.lids.items()}
        self.lashes = topology.vertices_of(LASHES)
        rim = np.concatenate([*self.loops.values()])
        self._roots = rim[cKDTree(mean[rim]).query(mean[self.lashes], LASH_ROOTS)[1]]
        distance = np.linalg.norm(mean[self._roots] - mean[self.lashes][:, None], axis=2)
        weight = 1 / np.maximum(distance, MIN_ROOT_DISTANCE)
        self._root_weights = weight / weight.sum(1, keepdims=True)
        mouth = mean[topology.lips].mean(0)
        around = self.skin[np.linalg.norm(mean[self.skin] - mouth, axis=1) < MOUTH_REACH]
        above = mean[around, 2] > mouth[2]
        #: Each part of the mouth, what it is carried by, and its offset.
        self._mouth = tuple(
            (topology.vertices_of(name), around[above if name == TEETH_UPPER else ~above], np.array(offset))
            for name, offset in MOUTH_OFFSETS.items()
        )

    def fit_eyeball(self, vertices: np.ndarray, side: str) -> Sphere:
        """Fit an eyeball into the lids.

        Args:
            vertices: (V, 3) a head, head frame, meters.
            side: "left" or "right", the subject's.

        Returns:
            The eyeball.
        """
        loop, ball = self.loops[side], self.eyeballs[side]
        width = np.ptp(vertices[loop, 0]) / np.ptp(self.mean[loop, 0])
        scale = float(np.clip(width, *EYEBALL_SCALE))
        radius = ball.radius * scale
        wanted = radius + np.maximum(
            (np.linalg.norm(self.mean[loop] - ball.center, axis=1) - ball.radius) * scale, CLEARANCE
        )
        start = vertices[loop].mean(0) + (ball.center - self.mean[loop].mean(0)) * scale
        center = start
        for _ in range(EYEBALL_ROUNDS):
            outward = center - vertices[loop]
            length = np.linalg.norm(outward, axis=1)
            rows = np.concatenate([outward / length[:, None], np.eye(3)])
            residual = np.concatenate([wanted - length, start - center])
            center = center + np.linalg.lstsq(rows, residual, rcond=None)[0]
        return Sphere(center, radius)

    def eyeball_of(self, neutral: np.ndarray, side: str) -> Sphere:
        """The eyeball that a finished head has.

        Args:
            neutral: (V, 3) float64, as `assemble` has made it, head frame, meters.
            side: "left" or "right", the subject's.
        """
        ball, before, now = self.eyeballs[side], self.mean[self.eyes[side]], neutral[self.eyes[side]]
        scale = float(np.sqrt(now.var(0).sum() / before.var(0).sum()))
        return Sphere(now.mean(0) + (ball.center - before.mean(0)) * scale, ball.radius * scale)

    def follow_lids(self, eyeball: Sphere, before: np.ndarray, after: np.ndarray, side: str) -> Sphere:
        """An eyeball that goes with its lids.

        Fitted into the lids of a finished head, which it has pushed away, it would come out another: it moves
        by what the fit changes by.

        Args:
            eyeball: The eye's.
            before: (V, 3) the head that it is in, head frame, meters.
            after: (V, 3) the same with its lids elsewhere.
            side: "left" or "right", the subject's.
        """
        old, new = self.fit_eyeball(before, side), self.fit_eyeball(after, side)
        return Sphere(eyeball.center + (new.center - old.center), eyeball.radius * new.radius / old.radius)

    def free_lids(
        self, vertices: np.ndarray, side: str, eyeball: Sphere, max_depth: float = np.inf
    ) -> np.ndarray:
        """Move the lids of one eye out of its eyeball.

        Args:
            vertices: (V, 3) a head, head frame, meters.
            side: "left" or "right", the subject's.
            eyeball: The eye's.
            max_depth: Meters; what the skin hides and is deeper stays.

        Returns:
            (V, 3) the moved vertices.
        """
        index = self.lids[side]
        outward = vertices[index] - eyeball.center
        length = np.linalg.norm(outward, axis=1)
        depth = np.maximum(self.max_radius[side] * eyeball.radius + CLEARANCE - length, 0)
        depth[self.hidden[side] & (depth > max_depth)] = 0
        moved = vertices.copy()
        moved[index] += outward / length[:, None] * depth[:, None]
        return moved

    @cached_property
    def max_radius(self) -> dict[str, float]:
        """Greatest distance of the eyeballs' front from their centers, in radii, by side."""
        radii = {}
        for side, index in self.eyes.items():
            outward = self.mean[index] - self.eyeballs[side].center
            front = outward[:, 1] < 0
            radii[side] = float(np.linalg.norm(outward[front], axis=1).max() / self.eyeballs[side].radius)
        return radii

    def assemble(self, neutral: np.ndarray, eyeballs: dict[str, Sphere]) -> np.ndarray:
        """Move every part that is not skin to where it belongs.

        Args:
            neutral: (V, 3) a head whose skin and inner are right, head frame, meters.
            eyeballs: By side.

        Returns:
            (V, 3) the head.
        """
        placed = neutral.copy()
        for side, index in self.carried.items():
            ball = self.eyeballs[side]
            scale = eyeballs[side].radius / ball.radius
            placed[index] = (self.mean[index] - ball.center) * scale + eyeballs[side].center
        scale = self.mouth_scale(neutral)
        for part, carriers, offset in self._mouth:
            middle = self.mean[carriers].mean(0)
            placed[part] = (self.mean[part] + offset - middle) * scale + neutral[carriers].mean(0)
        scale = float(np.mean([eyeballs[side].radius / self.eyeballs[side].radius for side in SIDES]))
        roots = (self.mean[self._roots] * self._root_weights[..., None]).sum(1)
        moved_roots = (neutral[self._roots] * self._root_weights[..., None]).sum(1)
        placed[self.lashes] = moved_roots + (self.mean[self.lashes] - roots) * scale
        for side in SIDES:
            self._place_tears(placed, side, eyeballs[side])
        return placed

    def mouth_scale(self, neutral: np.ndarray) -> float:
        """Size of teeth and tongue, relative to the template's.

        Args:
            neutral: (V, 3) float64, head frame, meters.
        """
        carriers = np.unique(np.concatenate([index for _, index, _ in self._mouth]))
        now, before = neutral[carriers], self.mean[carriers]
        return float(np.clip(np.sqrt(now.var(0).sum() / before.var(0).sum()), *MOUTH_SCALE))

    def blendshapes(self, body: np.ndarray, eyeballs: dict[str, Sphere], mouth_scale: float) -> np.ndarray:
        """Complete the blendshapes of skin and inner by those of the other parts.

        Args:
            body: (52, n, 3) offsets of skin and inner, which come first, meters.
            eyeballs: By side.
            mouth_scale: Size of teeth and tongue, of the template's.

        Returns:
            (52, V, 3) float32 offsets, meters.
        """
        source = self.topology.blendshapes
        blendshapes = source * np.float32(mouth_scale)
        # The tongue goes out over the teeth from where it lies.
        out, tongue = self.topology.blendshape_index("tongueOut"), self.topology.vertices_of(TONGUE)
        forward = -source[out, tongue, 1]
        lift = np.clip(forward / max(float(forward.max()), 1e-6), 0, 1)
        blendshapes[out, tongue, 2] += lift * np.float32(-MOUTH_OFFSETS[TONGUE][2] * mouth_scale)
        blendshapes[:, : body.shape[1]] = body
        for side, index in self.carried.items():
            scale = np.float32(eyeballs[side].radius / self.eyeballs[side].radius)
            blendshapes[:, index] = source[:, index] * scale
        for blendshape, before in zip(blendshapes, source, strict=True):
            self.attach_lashes(blendshape, before)
        return blendshapes

    def attach_lashes(self, blendshape: np.ndarray, source: np.ndarray) -> None:
        """Let the lashes of a blendshape go with its lids as in the template's.

        Args:
            blendshape: (V, 3) offsets, meters, changed in place.
            source: (V, 3) the template's.
        """
        weights = self._root_weights[..., None]
        change = ((blendshape[self._roots] - source[self._roots]) * weights).sum(1)
        blendshape[self.lashes] = source[self.lashes] + change

    def attach_tears(self, blendshape: np.ndarray, neutral: np.ndarray, eyeballs: dict[str, Sphere]) -> None:
        """Let the tear lines of a blendshape at weight 1 lie between lid and eyeball.

        Args:
            blendshape: (V, 3) offsets, meters, changed in place.
            neutral: (V, 3) of the same head, head frame, meters.
            eyeballs: By side.
        """
        for side, (rim, rows) in self.tears.items():
            if not blendshape[rim].any():
                blendshape[rows] = 0.0
                continue
            moved = neutral + blendshape
            self._place_tears(moved, side, eyeballs[side])
            blendshape[rows] = moved[rows] - neutral[rows]

    def _place_tears(self, vertices: np.ndarray, side: str, eyeball: Sphere) -> None:
        """Put the tear line of an eye where lid and eyeball of vertices (V, 3) are, in place."""
        rim, rows = self.tears[side]
        vertices[rows] = tear_points(vertices[rim].astype(np.float64), eyeball).reshape(-1, 3)

    def gaze(
        self,
        eyeballs: dict[str, Sphere],
        points: np.ndarray,
        camera: Camera,
        pose: HeadPose,
    ) -> np.ndarray:
        """The gaze, from the photo's irises.

        Args:
            eyeballs: By side.
            points: (478, 3) the detector's landmarks, photo frame, pixels.
            camera: Of the photo.
            pose: Of the head.

        Returns:
            (2,) angles to the subject's left and up, radians.
        """
        origin = pose.camera_to_head(np.zeros(3))
        total = np.zeros(3)
        for side in SIDES:
            ball = eyeballs[side]
            pixel = points[IRIS_CENTERS[side], :2].astype(np.float64)
            ray = np.append((pixel - (camera.cx, camera.cy)) / camera.focal_px, 1.0) @ pose.rotation
            ray /= np.linalg.norm(ray)
            to = ball.center - origin
            along = to @ ray
            square = ball.radius**2 - (to @ to - along**2)
            hit = ray * (along - np.sqrt(max(square, 0.0))) - to
            # Eyes look at one thing: their mean has less error than each.
            total += hit / np.linalg.norm(hit)
        x, y, z = total / np.linalg.norm(total)
        angles = np.array([np.arctan2(x, -y), np.arcsin(z)])
        return np.clip(angles, -MAX_GAZE, MAX_GAZE)

    def gaze_weights(self, gaze: np.ndarray) -> np.ndarray:
        """Weights of the gaze's blendshapes.

        Args:
            gaze: (2,) angles to the left and up, radians.

        Returns:
            (52,) float64, 0..1.
        """
        weights = np.zeros(len(self.topology.blendshape_names))
        left, up = gaze
        for side in SIDES:
            sideways = "Out" if (left > 0) == (side == "left") else "In"
            for direction, angle in ((sideways, abs(left)), ("Up" if up > 0 else "Down", abs(up))):
                k = self.topology.blendshape_index(f"eyeLook{direction}{side.capitalize()}")
                weights[k] = min(angle / self._turns[k], 1.0)
        return weights

    @cached_property
    def _turns(self) -> dict[int, float]:
        """The angle, radians, that each of the gaze's blendshapes turns its eye by."""
        turns = {}
        for side, index in self.eyes.items():
            outward = self.mean[index] - self.eyeballs[side].center
            front = int(outward[:, 1].argmin())
            for direction in ("In", "Out", "Up", "Down"):
                k = self.topology.blendshape_index(f"eyeLook{direction}{side.capitalize()}")
                a = outward[front]
                b = a + self.topology.blendshapes[k, index[front]]
                cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
                turns[k] = float(np.arccos(np.clip(cosine, -1, 1)))
        return turns
