"""Figures of a reconstruction against the truth, on held-out made heads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.crop import cut_crop
from core.detection import FaceLandmarks
from core.geometry import VOXELS_PER_METRE
from core.guidance import TEMPLATE_LOGIT, Guidance, neck_plane
from core.lifter import LandmarkLifter, LiftedHead
from core.predictor import SOFTNESS
from core.training.dataset import fast_guidance, true_in_volume
from core.training.heads import HeadSource
from core.training.rasterize import columns
from core.training.shards import Sample

YAW_BINS = (0, 30, 60)
#: Rays whose neighbours' fronts lie further away than this, voxels, are edges, not surface.
STEEP = 3.0
MM_PER_VOXEL = 1000 / VOXELS_PER_METRE


@dataclass(frozen=True)
class Truth:
    """A held-out head in the frame that the reconstruction has chosen.

    target: (192, 192, 200) float32 columns [y, x, z]; lifted, guidance: what the network is told; crop: its
    picture.
    """

    sample: Sample
    lifted: LiftedHead
    guidance: Guidance
    crop: np.ndarray
    target: np.ndarray


def prepare(sample: Sample, heads: HeadSource, lifter: LandmarkLifter) -> Truth:
    """What `core.reconstructor` would do with this picture, and the true occupancy in the same frame."""
    points = sample.landmarks.astype(np.float64)
    lifted = lifter.lift(FaceLandmarks(sample.landmarks), sample.scene.assumed_camera)
    maps, template = fast_guidance(points, lifted, lifter)
    logits = (template.transpose(2, 0, 1).astype(np.float32) / 255 * 2 - 1) * np.float32(TEMPLATE_LOGIT)
    solid, triangles = true_in_volume(sample, lifted, heads)
    target = columns(solid, triangles, neck_plane(lifted.frame, lifted.pose)).astype(np.float32) / 255
    return Truth(sample, lifted, Guidance(maps, logits), cut_crop(sample.picture, lifted.frame), target)


def front_depth(occupancy: np.ndarray) -> np.ndarray:
    """(192, 192) float64: where each ray, coming from the camera, first falls below the surface; NaN where it
    never does.

    occupancy: (192, 192, 200) columns [y, x, z].
    """
    solid = occupancy > 0.5
    top = occupancy.shape[2] - 1 - np.argmax(solid[..., ::-1], axis=2)
    hit = solid.any(2)
    above = np.minimum(top + 1, occupancy.shape[2] - 1)
    inside = np.take_along_axis(occupancy, top[..., None], 2)[..., 0].astype(np.float64)
    outside = np.take_along_axis(occupancy, above[..., None], 2)[..., 0].astype(np.float64)
    depth = top + (inside - 0.5) / np.maximum(inside - outside, 1e-6)
    return np.where(hit, depth, np.nan)


def normals(depth: np.ndarray) -> np.ndarray:
    """(H, W, 3) unit normals of a depth map in voxels; NaN beside edges."""
    dy, dx = np.gradient(depth)
    steep = (np.abs(dx) > STEEP) | (np.abs(dy) > STEEP)
    n = np.stack([-dx, -dy, np.ones_like(depth)], -1)
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    n[steep] = np.nan
    return n


@dataclass
class VolumeFigures:
    """Lists of per-head figures by yaw bin."""

    iou: dict[int, list[float]] = field(default_factory=lambda: {b: [] for b in YAW_BINS})
    depth: dict[int, list[float]] = field(default_factory=lambda: {b: [] for b in YAW_BINS})
    normal: dict[int, list[float]] = field(default_factory=lambda: {b: [] for b in YAW_BINS})

    def add(self, truth: Truth, occupancy: np.ndarray) -> None:
        """occupancy: (200, 192, 192) float32 [z, y, x]."""
        predicted = np.ascontiguousarray(occupancy.transpose(1, 2, 0))
        a, b = predicted > 0.5, truth.target > 0.5
        yaw = truth.sample.yaw_bin
        self.iou[yaw].append(float((a & b).sum() / max((a | b).sum(), 1)))
        mine, true = front_depth(predicted), front_depth(truth.target)
        face = face_rays(truth)
        n_mine, n_true = normals(mine), normals(true)
        valid = face & np.isfinite(mine) & np.isfinite(true) & np.isfinite(n_true).all(-1)
        self.depth[yaw].append(float(np.abs(mine - true)[valid].mean()))
        both = valid & np.isfinite(n_mine).all(-1)
        cosine = np.clip((n_mine * n_true).sum(-1)[both], -1, 1)
        self.normal[yaw].append(float(np.degrees(np.arccos(cosine)).mean()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each yaw bin and one for the mean of the bins."""
        rows: list[dict[str, Any]] = []
        for yaw in YAW_BINS:
            if self.iou[yaw]:
                depth = float(np.mean(self.depth[yaw]))
                rows.append(
                    {
                        "yaw": f"{yaw}-{yaw + 30}",
                        "heads": len(self.iou[yaw]),
                        "iou": float(np.mean(self.iou[yaw])),
                        "depth_voxels": depth,
                        "depth_mm": depth * MM_PER_VOXEL,
                        "normal_deg": float(np.mean(self.normal[yaw])),
                    }
                )
        yield from rows
        mean = {
            k: float(np.mean([r[k] for r in rows])) for k in ("iou", "depth_voxels", "depth_mm", "normal_deg")
        }
        yield {"yaw": "mean", "heads": sum(int(r["heads"]) for r in rows), **mean}


def face_rays(truth: Truth) -> np.ndarray:
    """(192, 192) bool: rays inside the outline of the face mesh that the detector has drawn."""
    return np.abs(truth.guidance.maps[:3]).sum(0) > 0


class TemplatePredictor:
    """The lifted template itself, as a `VolumePredictor`: what the network starts from."""

    def predict(self, crop: np.ndarray, guidance: Guidance) -> np.ndarray:
        """See `VolumePredictor.predict`; the picture is not looked at."""
        return 1 / (1 + np.exp(-guidance.template_logits / SOFTNESS))
