"""Unfolds the lids of an eye, keeps them off its eyeball, and makes eyeBlink close them.

A lid is millimeters thin and rolls over into the socket: a blendshape that is transferred, or subtracted,
folds a triangle or two of its rim or of what is hidden behind, or pushes them into the eyeball. Replacing
patches (`core.wrapping.fold_repair`) moves millimeters of skin for that, and neutral plus blendshapes is not
the photographed head any more. Here the displacement d of what is around an eye minimizes

    integral of s⁴ |laplacian d|² + h |d|²,  such that nothing is folded, nor in the eyeball,

with h small for what the skin hides, which so gives way first. Normals are not linear in d: the problem is
solved again and again where the last solution has led (sequential quadratic programming; Nocedal and Wright,
Numerical optimization, 18.1), each time for the multipliers of its few dozen constraints by non-negative
least squares. What the energy makes of a push does not depend on the photo.
"""

import numpy as np

from ..geometry.mesh import cotangent_laplacian, row_cross, triangle_normals, unit_vectors
from ..geometry.sphere import Sphere
from .fold_repair import FOLD_COSINE, FoldRepair
from .nonrigid_icp import TemplateRegistration
from .rigid_parts import CLEARANCE, DEEP_IN_EYEBALL, RigidParts

#: Smoothing length s, meters.
SMOOTHING_LENGTH = 0.002
#: Weight h, without unit, of the skin off the rim.
SKIN_WEIGHT = 1.0
#: The same of the rim.
RIM_WEIGHT = 0.3
#: The same of what the skin hides, which gives way first.
HIDDEN_WEIGHT = 0.02
#: Rings of vertices around the rim that may move.
RINGS = 6
#: Cosine to the reference's normal below which a triangle is constrained, and which it is brought to.
CONSTRAINED_COSINE = 0.2
#: Most rounds.
ROUNDS = 8
#: Rounds after which each goes only half the way, lest they alternate between two solutions.
FULL_STEPS = 2
#: Depth, meters, in the eyeball that does not matter.
NEGLIGIBLE_DEPTH = 1e-5
#: How far constraints give way, beside what they move by as much push.
HARD = 1e-4
#: The same for what the skin hides and should be off the eyeball: it is never visible, and enforcing it
#: costs a millimeter of lid.
SOFT = 10.0
#: A vertex belongs to the falling lid if eyeBlink moves it by this fraction of the most.
FALLING_FRACTION = 0.15
#: Falls below this, meters, are none.
MIN_FALL = 1e-5


class EyelidRepair:
    """Unfolds the lids of one eye of heads of one topology."""

    def __init__(
        self, fold_repair: FoldRepair, parts: RigidParts, registration: TemplateRegistration, side: str
    ) -> None:
        """Prepare the response of the skin around the eye.

        Args:
            fold_repair: Of the topology.
            parts: Of the topology.
            registration: Of the topology.
            side: "left" or "right", the subject's.
        """
        mean = parts.mean[: registration.count]
        near = np.zeros(registration.count, bool)
        near[parts.loops[side]] = True
        for _ in range(RINGS):
            near = fold_repair.adjacency @ near
        self._index = np.flatnonzero(near)
        local = np.full(registration.count, -1)
        local[self._index] = np.arange(len(self._index))
        _, area = cotangent_laplacian(mean, registration.triangles)
        conditions = [~registration.skin, registration.rim_distance == 0]
        hold = np.select(conditions, [HIDDEN_WEIGHT, RIM_WEIGHT], SKIN_WEIGHT) * area
        energy = fold_repair.energy[self._index][:, self._index].toarray()
        #: (m, m): how far each vertex goes when one is pushed.
        self._response = np.linalg.inv(SMOOTHING_LENGTH**4 * energy + np.diag(hold[self._index]))
        checked = fold_repair.checked[near[fold_repair.checked].all(1)]
        _, first = np.unique(np.sort(checked, 1), axis=0, return_index=True)  # rims are in it twice
        self._checked = checked[first]
        self._triangles = local[self._checked]
        self._lid, self._hidden = local[parts.lids[side]], parts.hidden[side]
        self._max_radius = parts.max_radius[side]

    def repair(self, vertices: np.ndarray, reference: np.ndarray, eyeball: Sphere) -> np.ndarray:
        """Unfold the lids and move them off the eyeball.

        Args:
            vertices: (V, 3) a head, head frame, meters.
            reference: (n, 3) the template moved alike.
            eyeball: The eye's.

        Returns:
            (V, 3) float64 without folds that the reference does not have; `FoldRepair.folded` finds what is
            still folded.
        """
        start = vertices[self._index].astype(np.float64)
        facing = triangle_normals(reference, self._checked)
        facing = unit_vectors(facing, 1e-12)
        room = self._max_radius * eyeball.radius + CLEARANCE
        left = self._hidden & (
            room - np.linalg.norm(start[self._lid] - eyeball.center, axis=1) > DEEP_IN_EYEBALL
        )
        move = np.zeros_like(start)
        turned, pushed = np.zeros(len(self._triangles), bool), np.zeros(len(self._lid), bool)
        for number in range(ROUNDS):
            now = start + move
            normal = triangle_normals(now, self._triangles)
            size = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
            toward = (normal * facing).sum(1)
            outward = now[self._lid] - eyeball.center
            distance = np.linalg.norm(outward, axis=1)
            inside = (room - distance > NEGLIGIBLE_DEPTH) & ~left
            # What is hidden is pushed out once: it need not get all the way.
            if not (toward < FOLD_COSINE * size).any() and not inside[~self._hidden | (number == 0)].any():
                break
            # What has once been in the way stays a constraint: it would be again.
            turned |= toward < CONSTRAINED_COSINE * size
            pushed |= inside
            t, p = np.flatnonzero(turned), np.flatnonzero(pushed)
            rows = np.zeros((len(t) + len(p), len(start), 3))
            # By the root of the triangles' areas all rows are lengths.
            turn = (facing[t] - CONSTRAINED_COSINE * normal[t] / size[t, None]) / np.sqrt(size[t, None])
            corners = now[self._triangles[t]]
            for k in range(3):
                opposite = corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3]
                rows[np.arange(len(t)), self._triangles[t, k]] = row_cross(turn, opposite)
            rows[np.arange(len(t), len(rows)), self._lid[p]] = outward[p] / distance[p, None]
            missing = np.concatenate(
                [(CONSTRAINED_COSINE * size - toward)[t] / np.sqrt(size[t]), room - distance[p]]
            )
            soft = np.concatenate([np.full(len(t), HARD), np.where(self._hidden[p], SOFT, HARD)])
            solved = self._least_displacement(rows, missing + np.tensordot(rows, move, 2), soft)
            move = solved if number < FULL_STEPS else (move + solved) / 2
        repaired = vertices.astype(np.float64)
        repaired[self._index] = start + move
        return repaired

    def _least_displacement(self, rows: np.ndarray, goal: np.ndarray, soft: np.ndarray) -> np.ndarray:
        """(m, 3) the least displacement by which all rows (k, m, 3) reach at least their goals (k,), meters,
        but for what their softness (k,) gives way.
        """
        from scipy.optimize import nnls  # slow to import, and 10 MB that surfaces do not need

        used = np.flatnonzero(rows.any((0, 2)))
        some = rows[:, used].transpose(2, 0, 1)
        matrix = (some @ self._response[np.ix_(used, used)] @ some.transpose(0, 2, 1)).sum(0)
        matrix += np.diag(soft * np.median(np.diag(matrix)))
        factor = np.linalg.cholesky(matrix)
        push, _ = nnls(factor.T, np.linalg.solve(factor, goal), maxiter=50 * len(goal))
        return self._response[:, used] @ (push @ some).T


def close_eyelid(parts: RigidParts, blinked: np.ndarray, side: str, eyeball: Sphere) -> np.ndarray:
    """Close an eye: the upper lid's rim comes to lie on the lower one's, off the eyeball.

    Args:
        parts: Of the topology.
        blinked: (V, 3) the head with the transferred eyeBlink, head frame, meters.
        side: "left" or "right", the subject's.
        eyeball: The eye's.

    Returns:
        (V, 3) float64 the head with the eye closed.
    """
    loop = parts.loops[side]
    source = parts.topology.blendshapes[parts.topology.blendshape_index(f"eyeBlink{side.capitalize()}")]
    fall = -source[loop, 2]
    falling = fall > FALLING_FRACTION * fall.max()
    upper, lower = loop[falling], loop[~falling]
    closed = blinked.astype(np.float64)
    order = lower[np.argsort(closed[lower, 0])]
    across = closed[order, 0]
    x = closed[upper, 0]
    # What is missing to the lower rim, over the width of the eye; the corners are met already.
    target = np.stack([np.interp(x, across, closed[order, c]) for c in range(3)], 1)
    residual = target - closed[upper]
    residual[:, 0] = 0
    # Each vertex of the lid goes along with the rim below it, as much as it falls beside it.
    lid = np.flatnonzero(-source[:, 2] > FALLING_FRACTION * fall.max())
    lid = lid[lid < len(parts.body)]
    sorted_rim = np.argsort(x)
    rim_x, rim_residual, rim_fall = x[sorted_rim], residual[sorted_rim], fall[falling][sorted_rim]
    lid_x = closed[lid, 0]
    fraction = -source[lid, 2] / np.maximum(np.interp(lid_x, rim_x, rim_fall), MIN_FALL)
    fraction = np.clip(fraction, 0, 1)
    fraction = np.clip((fraction - FALLING_FRACTION) / (1 - 2 * FALLING_FRACTION), 0, 1)
    moved = np.stack([np.interp(lid_x, rim_x, rim_residual[:, c]) for c in range(3)], 1)
    closed[lid] += moved * fraction[:, None]
    return parts.free_lids(closed, side, eyeball, DEEP_IN_EYEBALL)
