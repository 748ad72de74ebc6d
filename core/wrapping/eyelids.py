"""Unfolds the lids of an eye, and keeps them off its eyeball, by the least change of the head.

A lid is millimetres thin and rolls over into the socket: a face unit carried over, or taken away, folds a
triangle or two of its rim or of what is hidden behind, or pushes them into the eyeball. Laying patches anew
(`core.wrapping.fold_repair`) moves millimetres of skin for that, and neutral plus units is not the
photographed head any more. Here the displacement d of what is around an eye minimises

    integral of s⁴ |laplacian d|² + h |d|²,  such that nothing is folded, nor in the eyeball,

with h small for what the skin hides, which so gives way first. Normals are not linear in d: the problem is
solved again and again where the last solution has led (sequential quadratic programming; Nocedal and Wright,
Numerical optimization, 18.1), each time for the multipliers of its few dozen constraints by non-negative
least squares. What the energy makes of a push does not depend on the photo.
"""

import numpy as np
from scipy.optimize import nnls

from ..geometry.mesh import cotangent_laplacian, triangle_normals
from .fold_repair import FOLDED, FoldRepair
from .nonrigid_icp import Wrap
from .rigid_parts import CLEARANCE, DEEP, HeadParts, Sphere

#: Smoothing length s, metres; weights h of the skin off the rim, of the rim, and of what the skin hides.
LENGTH, SKIN, RIM, HIDDEN = 0.002, 1.0, 0.3, 0.02
#: Rings of vertices around the rim that may move.
RINGS = 6
#: Cosine to the reference's normal below which a triangle is kept, or turned, up to as much.
TURNED = 0.2
#: Most rounds, and after how many each goes only half the way, lest they alternate between two solutions.
ROUNDS, WHOLE = 8, 2
#: Depth, metres, in the eyeball that does not matter.
SLIGHT = 1e-5
#: How far constraints give way, beside what they move by as much push: all, and that what the skin hides
#: stays off the eyeball. The latter is never seen, and enforced it costs a millimetre of lid.
HARD, SOFT = 1e-4, 10.0


class EyelidRepair:
    """Unfolds the lids of one eye of heads of one topology."""

    def __init__(self, mender: FoldRepair, parts: HeadParts, wrap: Wrap, side: str) -> None:
        mean = parts.mean[: wrap.count]
        near = np.zeros(wrap.count, bool)
        near[parts.loops[side]] = True
        for _ in range(RINGS):
            near = mender.near @ near
        self._index = np.flatnonzero(near)
        local = np.full(wrap.count, -1)
        local[self._index] = np.arange(len(self._index))
        _, area = cotangent_laplacian(mean, wrap.triangles)
        hold = np.select([~wrap.skin, wrap.from_rim == 0], [HIDDEN, RIM], SKIN) * area
        energy = mender.energy[self._index][:, self._index].toarray()
        #: (m, m): how far each vertex goes when one is pushed.
        self._response = np.linalg.inv(LENGTH**4 * energy + np.diag(hold[self._index]))
        judged = mender.judged[near[mender.judged].all(1)]
        _, first = np.unique(np.sort(judged, 1), axis=0, return_index=True)  # rims are there twice
        self._judged = judged[first]
        self._triangles = local[self._judged]
        self._lid, self._hidden = local[parts.lids[side]], parts.hidden[side]
        self._widest = parts.widest[side]

    def mend(self, vertices: np.ndarray, reference: np.ndarray, ball: Sphere) -> np.ndarray:
        """(V, 3) vertices without folds around the eye that the reference (n, 3), the template moved alike,
        has not, with the lids off the ball; as far as that goes, which `FoldRepair.folded` tells.
        """
        start = vertices[self._index].astype(np.float64)
        facing = triangle_normals(reference, self._judged)
        facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
        room = self._widest * ball.radius + CLEARANCE
        left = self._hidden & (room - np.linalg.norm(start[self._lid] - ball.centre, axis=1) > DEEP)
        move = np.zeros_like(start)
        turned, pushed = np.zeros(len(self._triangles), bool), np.zeros(len(self._lid), bool)
        for number in range(ROUNDS):
            now = start + move
            normal = triangle_normals(now, self._triangles)
            size = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
            toward = (normal * facing).sum(1)
            away = now[self._lid] - ball.centre
            far = np.linalg.norm(away, axis=1)
            inside = (room - far > SLIGHT) & ~left
            # What is hidden is pushed out once: it need not get there.
            if not (toward < FOLDED * size).any() and not inside[~self._hidden | (number == 0)].any():
                break
            # What has once been in the way stays a constraint: it would be again.
            turned |= toward < TURNED * size
            pushed |= inside
            t, p = np.flatnonzero(turned), np.flatnonzero(pushed)
            rows = np.zeros((len(t) + len(p), len(start), 3))
            # By the root of the triangles' areas all rows are lengths.
            turn = (facing[t] - TURNED * normal[t] / size[t, None]) / np.sqrt(size[t, None])
            corners = now[self._triangles[t]]
            for k in range(3):
                opposite = corners[:, (k + 2) % 3] - corners[:, (k + 1) % 3]
                rows[np.arange(len(t)), self._triangles[t, k]] = np.cross(turn, opposite)
            rows[np.arange(len(t), len(rows)), self._lid[p]] = away[p] / far[p, None]
            missing = np.concatenate([(TURNED * size - toward)[t] / np.sqrt(size[t]), room - far[p]])
            soft = np.concatenate([np.full(len(t), HARD), np.where(self._hidden[p], SOFT, HARD)])
            solved = self._least(rows, missing + np.tensordot(rows, move, 2), soft)
            move = solved if number < WHOLE else (move + solved) / 2
        mended = vertices.astype(np.float64)
        mended[self._index] = start + move
        return mended

    def _least(self, rows: np.ndarray, goal: np.ndarray, soft: np.ndarray) -> np.ndarray:
        """(m, 3) the least displacement by which all rows (k, m, 3) reach at least their goals (k,), metres,
        but for what their softness (k,) gives way.
        """
        used = np.flatnonzero(rows.any((0, 2)))
        some = rows[:, used].transpose(2, 0, 1)
        matrix = (some @ self._response[np.ix_(used, used)] @ some.transpose(0, 2, 1)).sum(0)
        matrix += np.diag(soft * np.median(np.diag(matrix)))
        factor = np.linalg.cholesky(matrix)
        push, _ = nnls(factor.T, np.linalg.solve(factor, goal), maxiter=50 * len(goal))
        return self._response[:, used] @ (push @ some).T
