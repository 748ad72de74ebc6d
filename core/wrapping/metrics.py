"""Measures wrapped heads: how near they are to their surfaces, region by region, and how sound they are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from ..geometry.mesh import corner_sum, self_intersections, triangle_normals
from ..surface.isosurface import Surface
from .confidence import WELL_SEEN
from .head import Head, HeadWrapper

#: What is allowed where a head is well seen, metres.
ALLOWED = 0.0005
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Edges from their rims that lids and lips reach; metres around iBUG's landmarks of the nostrils.
RINGS, NOSTRIL = 3, 0.010
NOSTRIL_POINTS = range(31, 36)
#: Height, metres, below which the neck begins, and how far back the back of the head, average head.
NECK_Z, BACK_Y = -0.12, 0.06


@dataclass
class HeadMeasures:
    """Figures of many heads of one topology; `add` them, then ask for tables.

    deviation: metres, area: m², confidence: one array (n,) a head, of skin and inner. flaws: a row a head:
    folded triangles of photo and neutral, crossings of the skin with itself in either, units whose lips cross
    (mouthClose with jawOpen), greatest difference between Photo and what the units make of it, mm. wide:
    a row a head, cm² of skin where the surface alone, and where the head, is well seen. seconds: by step.
    """

    wrapper: HeadWrapper
    deviation: list[np.ndarray] = field(default_factory=list)
    area: list[np.ndarray] = field(default_factory=list)
    confidence: list[np.ndarray] = field(default_factory=list)
    flaws: list[list[float]] = field(default_factory=list)
    wide: list[list[float]] = field(default_factory=list)
    seconds: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.regions = head_regions(self.wrapper)

    def add(self, head: Head, surface: Surface) -> None:
        """Measure one more head."""
        wrap = self.wrapper.wrap
        count, skin = wrap.count, wrap.skin_triangles
        size = np.linalg.norm(triangle_normals(head.vertices, skin), axis=1) / 6
        area = corner_sum(size[:, None], skin, count)[:, 0]
        found = self.wrapper.sight.surface_confidence(
            head.vertices.astype(np.float64), surface.closest_point_query()
        )
        self.deviation.append(head.deviation[:count])
        self.area.append(area)
        self.confidence.append(head.confidence[:count])
        self.wide.append([1e4 * area[c[:count] > WELL_SEEN].sum() for c in (found, head.confidence)])
        # The rims of lids and lips belong to the mouth and to the sockets, too.
        judged = wrap.skin & (wrap.from_rim > 0)
        gap = np.linalg.norm(head.photo - head.vertices, axis=1)[:count][judged].max() * 1000
        shapes = (head.vertices, head.neutral)
        self.flaws.append(
            [
                sum(len(self.wrapper.folded(shape)) for shape in shapes),
                sum(len(self_intersections(shape, skin)) for shape in shapes),
                len(self.crossed_units(head)),
                float(gap),
            ]
        )
        self.seconds.append(head.timings)

    def crossed_units(self, head: Head) -> list[str]:
        """Names of the units in which one lip passes through the other."""
        topology = self.wrapper.topology
        jaw = head.units[topology.unit("jawOpen")]
        found = []
        for name, unit in zip(topology.unit_names, head.units, strict=True):
            shape = head.neutral + unit + (jaw if name == "mouthClose" else 0)
            if len(self.wrapper.lips.crossed(shape[: self.wrapper.wrap.count])):
                found.append(name)
        return found

    def by_region(self) -> list[list[str]]:
        """Rows: region, vertices, share of the well-seen area, quantiles in mm, shares over ALLOWED."""
        seen = [c > WELL_SEEN for c in self.confidence]
        return [
            [name, *self._figures([region & s for s in seen], seen)] for name, region in self.regions.items()
        ]

    def by_confidence(self) -> list[list[str]]:
        """The same rows by confidence, for all the skin."""
        skin = self.regions["all skin"]
        rows = []
        for low, high in pairwise(BINS):
            inside = [skin & (c >= low) & ((c < high) | (high == BINS[-1])) for c in self.confidence]
            rows.append([f"{low:.1f} to {high:.1f}", *self._figures(inside, [skin] * len(inside))])
        return rows

    def _figures(self, chosen: Sequence[np.ndarray], whole: Sequence[np.ndarray]) -> list[str]:
        """The cells of a row, for vertices chosen, (n,) bool a head, as a part of the whole ones."""
        far = np.concatenate([d[c] for d, c in zip(self.deviation, chosen, strict=True)])
        area = np.concatenate([a[c] for a, c in zip(self.area, chosen, strict=True)])
        total = sum(
            float(a[w & self.regions["all skin"]].sum()) for a, w in zip(self.area, whole, strict=True)
        )
        if not len(far):
            return ["0", "0.0", *["-"] * (len(QUANTILES) + 2)]
        over = far > ALLOWED
        return [
            str(len(far)),
            f"{100 * area.sum() / total:.1f}",
            *(f"{1000 * np.quantile(far, q):.2f}" for q in QUANTILES),
            f"{100 * over.mean():.2f}",
            f"{100 * area[over].sum() / area.sum():.2f}",
        ]


HEADINGS = (
    "",
    "vertices",
    "% of area",
    "median",
    "90 %",
    "99 %",
    "99.9 %",
    "max",
    "% over",
    "% area over",
)


def head_regions(wrapper: HeadWrapper) -> dict[str, np.ndarray]:
    """Regions of the skin by name, (n,) bool each, of skin and inner; "all skin" is the last."""
    topology, wrap = wrapper.topology, wrapper.wrap
    mean = topology.vertices[: wrap.count].astype(np.float64)
    to_lids = cKDTree(mean[np.concatenate([topology.lid_left, topology.lid_right])]).query(mean)[0]
    to_lips = cKDTree(mean[topology.lips]).query(mean)[0]
    to_nostrils = cKDTree(mean[topology.ibug68[NOSTRIL_POINTS]]).query(mean)[0]
    rings = wrap.from_rim
    conditions = {
        "lids": (rings <= RINGS) & (to_lids < to_lips),
        "lips": (rings <= RINGS) & (to_lips < to_lids),
        "nostrils": to_nostrils < NOSTRIL,
        "ears": wrap.ear,
        "neck": mean[:, 2] < NECK_Z,
        "back": mean[:, 1] > BACK_Y,
        "rest of the face": np.ones(wrap.count, bool),
    }
    left, regions = wrap.skin.copy(), {}
    for name, condition in conditions.items():
        regions[name] = left & condition
        left &= ~condition
    return {**regions, "all skin": wrap.skin}
