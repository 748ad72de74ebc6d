"""Metrics of wrapped heads: their distance from the surface, region by region, and faults of the meshes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from ...geometry.mesh import corner_sum, self_intersections, triangle_normals
from ...surface.isosurface import Surface
from ...wrapping.confidence import RELIABLE_CONFIDENCE
from ...wrapping.head import Head, HeadWrapper

#: Distance from the surface, meters, that is allowed where the confidence is reliable.
TOLERANCE = 0.0005
#: Quantiles of the distance that are reported.
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
#: Limits of the bins of confidence.
CONFIDENCE_BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Edges from their rims that lids and lips reach.
RINGS = 3
#: Meters around iBUG's landmarks of the nostrils that belong to them.
NOSTRIL_RADIUS = 0.010
NOSTRIL_POINTS = range(31, 36)
#: Height of the average head, meters, below which the neck begins.
NECK_Z = -0.12
#: How far back the back of the average head begins, meters.
BACK_Y = 0.06


@dataclass
class HeadMetrics:
    """Figures of many heads of one topology; `add` them, then ask for tables.

    Attributes:
        wrapper: What made the heads.
        deviation: One array (n,) a head, of skin and inner, meters.
        area: The same, m².
        confidence: The same, 0..1.
        faults: A row a head: folded triangles of photo and neutral, self-intersections of the skin in either,
            blendshapes whose lips intersect (mouthClose with jawOpen), greatest difference between Photo and
            neutral plus expression, mm.
        reliable_area: A row a head, cm² of skin where the surface alone, and where the head, is reliable.
        seconds: By step, one a head.
    """

    wrapper: HeadWrapper
    deviation: list[np.ndarray] = field(default_factory=list)
    area: list[np.ndarray] = field(default_factory=list)
    confidence: list[np.ndarray] = field(default_factory=list)
    faults: list[list[float]] = field(default_factory=list)
    reliable_area: list[list[float]] = field(default_factory=list)
    seconds: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.regions = head_regions(self.wrapper)

    def add(self, head: Head, surface: Surface) -> None:
        """Measure one more head."""
        registration = self.wrapper.registration
        count, skin = registration.count, registration.skin_triangles
        size = np.linalg.norm(triangle_normals(head.vertices, skin), axis=1) / 6
        area = corner_sum(size[:, None], skin, count)[:, 0]
        found = self.wrapper.confidence_estimator.surface_confidence(
            head.vertices.astype(np.float64), surface.closest_point_query()
        )
        self.deviation.append(head.deviation[:count])
        self.area.append(area)
        self.confidence.append(head.confidence[:count])
        self.reliable_area.append(
            [1e4 * area[c[:count] > RELIABLE_CONFIDENCE].sum() for c in (found, head.confidence)]
        )
        # The rims of lids and lips belong to the mouth and to the sockets, too.
        off_rims = registration.skin & (registration.rim_distance > 0)
        gap = np.linalg.norm(head.photo - head.vertices, axis=1)[:count][off_rims].max() * 1000
        shapes = (head.vertices, head.neutral)
        self.faults.append(
            [
                sum(len(self.wrapper.folded(shape)) for shape in shapes),
                sum(len(self_intersections(shape, skin)) for shape in shapes),
                len(self.intersecting_blendshapes(head)),
                float(gap),
            ]
        )
        self.seconds.append(head.timings)

    def intersecting_blendshapes(self, head: Head) -> list[str]:
        """Names of the blendshapes in which one lip passes through the other."""
        topology = self.wrapper.topology
        jaw = head.blendshapes[topology.blendshape_index("jawOpen")]
        found = []
        for name, offset in zip(topology.blendshape_names, head.blendshapes, strict=True):
            shape = head.neutral + offset + (jaw if name == "mouthClose" else 0)
            if len(self.wrapper.lips.intersections(shape[: self.wrapper.registration.count])):
                found.append(name)
        return found

    def by_region(self) -> list[list[str]]:
        """Rows: region, vertices, % of the reliable area, quantiles in mm, % over TOLERANCE."""
        reliable = [c > RELIABLE_CONFIDENCE for c in self.confidence]
        return [
            [name, *self._figures([region & r for r in reliable], reliable)]
            for name, region in self.regions.items()
        ]

    def by_confidence(self) -> list[list[str]]:
        """The same rows by confidence, for all the skin."""
        skin = self.regions["all skin"]
        rows = []
        for low, high in pairwise(CONFIDENCE_BINS):
            inside = [
                skin & (c >= low) & ((c < high) | (high == CONFIDENCE_BINS[-1])) for c in self.confidence
            ]
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
        over = far > TOLERANCE
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
    topology, registration = wrapper.topology, wrapper.registration
    mean = topology.vertices[: registration.count].astype(np.float64)
    to_lids = cKDTree(mean[np.concatenate([topology.lid_left, topology.lid_right])]).query(mean)[0]
    to_lips = cKDTree(mean[topology.lips]).query(mean)[0]
    to_nostrils = cKDTree(mean[topology.ibug68[NOSTRIL_POINTS]]).query(mean)[0]
    rings = registration.rim_distance
    conditions = {
        "lids": (rings <= RINGS) & (to_lids < to_lips),
        "lips": (rings <= RINGS) & (to_lips < to_lids),
        "nostrils": to_nostrils < NOSTRIL_RADIUS,
        "ears": registration.ear,
        "neck": mean[:, 2] < NECK_Z,
        "back": mean[:, 1] > BACK_Y,
        "rest of the face": np.ones(registration.count, bool),
    }
    left, regions = registration.skin.copy(), {}
    for name, condition in conditions.items():
        regions[name] = left & condition
        left &= ~condition
    return {**regions, "all skin": registration.skin}
