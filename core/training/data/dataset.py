"""Inputs and targets of the volume network, built from the samples of the shards."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ...detection.detector import FaceLandmarks
from ...geometry.frames import CROP_SIZE
from ...geometry.pose import umeyama
from ...image.crop import cut_crop
from ...lifting.lifter import HeadPrior, LandmarkLifter
from ...volume.guidance import CANONICAL_UNIT, MAPS, TEMPLATE_REACH, depth_channel, mesh_in_crop, neck_plane
from ...volume.predictor import picture_channels
from ..face_models.face_weights import face_weights
from ..face_models.heads import HeadSource
from ..rasterize import front_and_back, occupancy_columns, ray_distance_columns
from ..synthesis.sample import Sample
from .shards import Shard, shard_paths

#: Weight in the loss of a ray through the face; one through the rest of the head has 1.
FACE_WEIGHT = 4.0
#: Channels of the network's inputs: the crop, and the detector's mesh, whose last one is its depth.
PICTURE_CHANNELS = (0, 1, 2)
MESH_CHANNELS = (3, 4, 5, 6)
#: Fraction of training samples whose landmarks are degraded.
DEGRADED_LANDMARKS = 0.06


@dataclass(frozen=True)
class DropRates:
    """How often inputs are dropped in training, so that one network serves all modes and the worth of each
    input can be measured.

    picture: the crop; mesh: the detector's mesh; mesh_depth: its depth alone, where the mesh is kept.
    """

    picture: float = 0.03
    mesh: float = 0.1
    mesh_depth: float = 0.1

    def sample(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Channels of the network's inputs that are dropped from one sample."""
        picture = PICTURE_CHANNELS if rng.random() < self.picture else ()
        if rng.random() < self.mesh:
            return (*picture, *MESH_CHANNELS)
        return (*picture, MESH_CHANNELS[-1]) if rng.random() < self.mesh_depth else picture


def compiled_guidance_maps(
    points: np.ndarray, prior: HeadPrior, lifter: LandmarkLifter
) -> tuple[np.ndarray, np.ndarray]:
    """`core.volume.guidance.build_guidance`, compiled.

    Args:
        points: (478, 3) float64 the detector's landmarks, photo frame, pixels.
        prior: the head prior.
        lifter: that made it.

    Returns:
        Maps (7, 192, 192) float32, and the template's columns (192, 192, 200) uint8 [y, x, z].
    """
    frame, template = prior.frame, lifter.template
    maps = np.zeros((MAPS, CROP_SIZE, CROP_SIZE), np.float32)
    mesh = mesh_in_crop(points, lifter.canonical, frame)
    index, bary, depth, _ = front_and_back(mesh.astype(np.float32), lifter.mesh, CROP_SIZE)
    filled = index >= 0
    corners = (lifter.canonical / CANONICAL_UNIT).astype(np.float32)[lifter.mesh[index[filled]]]
    maps[:3, filled] = np.einsum("nk,nkc->cn", bary[filled], corners)
    maps[3] = depth_channel(depth, filled)
    solid = frame.camera_to_volume(
        prior.pose.head_to_camera(template.solid(prior.vertices.astype(np.float64)))
    )
    solid = solid.astype(np.float32)
    index, _, front, back = front_and_back(solid, template.solid_triangles, CROP_SIZE)
    filled = index >= 0
    maps[4], maps[5], maps[6] = depth_channel(front, filled), depth_channel(back, filled), filled
    plane = neck_plane(frame, prior.pose)
    return maps, ray_distance_columns(solid, template.solid_triangles, plane, TEMPLATE_REACH)


def true_head_in_volume(sample: Sample, prior: HeadPrior, heads: HeadSource) -> tuple[np.ndarray, np.ndarray]:
    """The true head as far as a reconstruction can recover it: the target of the volume network.

    The face is where the photo shows it and as large; it is turned as the head prior is. Two things that
    would outweigh what is visible are left out of what is learned: how far the face lies before the middle of
    its head, and the few degrees by which landmarks mistake the head's rotation. Neither changes the head's
    shape.

    Args:
        sample: a synthetic picture with its true head.
        prior: the head that the lifter makes of it.
        heads: both families of heads.

    Returns:
        Points (N, 3) in the volume frame, and triangles (T, 3) of the closed head.
    """
    scene, frame, pose = sample.scene, prior.frame, prior.pose
    vertices = heads.vertices(sample.source, sample.identity, sample.expression)
    template = heads.template_of(sample.source, sample.identity, sample.expression).astype(np.float64)
    weight = face_weights(heads.template.vertices)
    face = weight > 0.5 * weight.max()
    _, rotation, _ = umeyama(template[face], prior.vertices[face].astype(np.float64))
    middle = template[face].mean(0)
    true_middle = scene.pose.head_to_camera(middle)
    depth = float(pose.head_to_camera(prior.vertices[face].mean(0).astype(np.float64))[2])
    # Photo pixels per meter at the face: as photographed, and as the assumed camera would have it at this
    # depth.
    scale = (scene.camera.focal_px / true_middle[2]) / (frame.camera.focal_px / depth)
    principal_point = np.array([frame.camera.cx, frame.camera.cy])
    offset = (scene.camera.project(true_middle) - principal_point) / frame.camera.focal_px
    points, triangles = heads.solid(sample.source, vertices.astype(np.float64))
    rotated = (points - middle) @ (pose.rotation @ rotation).T * scale + np.append(offset, 1.0) * depth
    return frame.camera_to_volume(rotated), triangles


def detected_landmarks(
    sample: Sample, rng: np.random.Generator, degraded_fraction: float = DEGRADED_LANDMARKS
) -> np.ndarray:
    """The detector's landmarks, a fraction of them degraded as by a failing detector: moved, scaled,
    flattened.

    Args:
        sample: with the landmarks that the detector found.
        rng: random numbers.
        degraded_fraction: probability that these landmarks are degraded.

    Returns:
        (478, 3) float64, photo frame.
    """
    points = sample.landmarks.astype(np.float64)
    if rng.random() >= degraded_fraction:
        return points
    size = np.ptp(points[:, :2], axis=0).max()
    center = points.mean(0)
    scale = np.array([*np.exp(rng.normal(0, 0.05, 2)), np.exp(rng.normal(0, 0.2))])
    return center + (points - center) * scale + np.append(rng.normal(0, 0.04, 2) * size, 0)


def shuffled_samples(
    folder: Path, split: str, rng: np.random.Generator, worker: int = 0, workers: int = 1
) -> Iterator[Sample]:
    """Endless stream of the samples of a split in random order, each worker with shards of its own.

    New shards are picked up as they are written, so training can begin before the last picture is made.

    Args:
        folder: Of the shards.
        split: "train" or "eval".
        rng: Random numbers.
        worker: Which of the workers this is, from 0 on.
        workers: How many there are.
    """
    times_read: dict[Path, int] = {}
    while True:
        paths = shard_paths(folder, split)[worker::workers]
        fewest = min((times_read.get(p, 0) for p in paths), default=0)
        fresh = [p for p in paths if times_read.get(p, 0) == fewest]
        picked = [fresh[i] for i in rng.permutation(len(fresh))[:4]]
        if not picked:
            raise FileNotFoundError(f"no shards named {split}_*.npz for worker {worker} in {folder}")
        shards = [Shard(p) for p in picked]
        for path in picked:
            times_read[path] = times_read.get(path, 0) + 1
        order = [(s, i) for s in shards for i in range(len(s))]
        for k in rng.permutation(len(order)):
            shard, i = order[k]
            yield shard.sample(i)


class TargetBuilder:
    """Turns samples into network inputs and targets."""

    def __init__(self, heads: HeadSource, lifter: LandmarkLifter, drop: DropRates | None = None) -> None:
        """Without `drop` no input is dropped and no landmarks are degraded."""
        self.heads, self.lifter, self.drop = heads, lifter, drop

    def build(self, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Inputs (10, 192, 192) float32; template and target (192, 192, 200) uint8 columns [y, x, z]; rays
        (192, 192) float32, their weights in the loss.
        """
        points = detected_landmarks(sample, rng, DEGRADED_LANDMARKS if self.drop else 0)
        prior = self.lifter.lift(
            FaceLandmarks(points.astype(np.float32)), sample.scene.assumed_camera, sample.picture
        )
        maps, template = compiled_guidance_maps(points, prior, self.lifter)
        solid, triangles = true_head_in_volume(sample, prior, self.heads)
        target = occupancy_columns(solid, triangles, neck_plane(prior.frame, prior.pose))
        rays = np.where(np.abs(maps[:3]).sum(0) > 0, np.float32(FACE_WEIGHT), np.float32(1))
        picture = picture_channels(cut_crop(sample.picture, prior.frame))
        inputs = np.concatenate([picture, maps])
        if self.drop is not None:
            inputs[list(self.drop.sample(rng))] = 0
        return {"inputs": inputs, "template": template, "target": target, "rays": rays}


class ShardDataset(IterableDataset):
    """Endless stream of training samples in random order, each worker with shards of its own."""

    def __init__(self, folder: Path, builder: TargetBuilder, seed: int, split: str = "train") -> None:
        super().__init__()
        self.folder, self.builder, self.seed, self.split = Path(folder), builder, seed, split

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        torch.set_num_threads(1)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rng = np.random.default_rng([self.seed, worker])
        for sample in shuffled_samples(self.folder, self.split, rng, worker, workers):
            yield self.builder.build(sample, rng)
