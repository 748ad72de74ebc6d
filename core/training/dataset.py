"""What the volume network trains on: samples of the shards turned into its inputs and targets."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from core.crop import cut_crop
from core.detection import FaceLandmarks
from core.geometry import CROP_SIZE, HEAD_CENTRE, NECK_PLANE_Z, VOLUME_CENTRE_Z, CropFrame
from core.guidance import CANONICAL_UNIT, DEPTH_UNIT, MAPS, TEMPLATE_REACH, depth_channel, mesh_in_crop, neck_plane
from core.lifter import LandmarkLifter, LiftedHead
from core.training.heads import HeadSource
from core.training.rasterize import columns, distances, front_and_back
from core.training.scenes import Scene
from core.training.shards import Sample, Shard, shard_paths


#: How much more a ray through the face counts than one through the rest of the head.
FACE_WEIGHT = 4.0


@dataclass(frozen=True)
class DropRates:
    """How often an input is withheld, so that one network serves all modes and shows what each input is worth."""

    picture: float = 0.03
    mesh: float = 0.1
    mesh_depth: float = 0.1


def fast_guidance(points: np.ndarray, lifted: LiftedHead, lifter: LandmarkLifter) -> tuple[np.ndarray, np.ndarray]:
    """`core.guidance.build_guidance` compiled: maps (7, 192, 192) float32, template columns (192, 192, 200) uint8."""
    frame, template = lifted.frame, lifter.template
    maps = np.zeros((MAPS, CROP_SIZE, CROP_SIZE), np.float32)
    mesh = mesh_in_crop(points, lifter.canonical, frame)
    index, bary, depth, _ = front_and_back(mesh.astype(np.float32), lifter.mesh, CROP_SIZE)
    filled = index >= 0
    corners = (lifter.canonical / CANONICAL_UNIT).astype(np.float32)[lifter.mesh[index[filled]]]
    maps[:3, filled] = np.einsum("nk,nkc->cn", bary[filled], corners)
    maps[3] = depth_channel(depth, filled)
    solid = frame.camera_to_volume(lifted.pose.head_to_camera(template.solid(lifted.vertices.astype(np.float64))))
    solid = solid.astype(np.float32)
    index, _, front, back = front_and_back(solid, template.solid_triangles, CROP_SIZE)
    filled = index >= 0
    maps[4], maps[5], maps[6] = depth_channel(front, filled), depth_channel(back, filled), filled
    plane = neck_plane(frame, lifted.pose)
    return maps, distances(solid, template.solid_triangles, plane, TEMPLATE_REACH)


def true_neck_plane(scene: Scene, frame: CropFrame) -> np.ndarray:
    """(4,) `core.guidance.neck_plane` of the true head."""
    x, y = HEAD_CENTRE[:2]
    points = np.array([[x, y, 0], [x + 0.04, y, 0], [x, y - 0.04, 0]]) + np.array([0, 0, NECK_PLANE_Z])
    a, b, c, inside = scene.vertices_in_volume(np.vstack([points, HEAD_CENTRE]), frame)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal) * np.sign(np.cross(b - a, c - a) @ (inside - a))
    return np.append(normal, -normal @ a)


@dataclass(frozen=True)
class Target:
    """What a reconstruction should answer: columns (192, 192, 200) uint8 [y, x, z]; offset: voxels that the true head
    was moved along z for it."""

    columns: np.ndarray
    offset: float


def make_target(sample: Sample, frame: CropFrame, maps: np.ndarray, heads: HeadSource) -> Target:
    """The true occupancy in a frame, moved along z to where the lifted template has the face.

    How far a face lies before the middle of its head cannot be seen in a photo. Left in, this offset is most of the
    error in depth, and drowns the face's shape, which can be seen. maps: the guidance's.
    """
    vertices = heads.vertices(sample.source, sample.identity, sample.expression)
    vertices, triangles = heads.solid(sample.source, vertices)
    solid = sample.scene.vertices_in_volume(vertices.astype(np.float64), frame)
    index, _, front, _ = front_and_back(solid.astype(np.float32), triangles, CROP_SIZE)
    face = (np.abs(maps[:3]).sum(0) > 0) & (index >= 0) & (maps[6] > 0)
    template = maps[4] * DEPTH_UNIT + VOLUME_CENTRE_Z
    offset = float(np.median((template - front)[face])) if face.any() else 0.0
    solid[:, 2] += offset
    plane = true_neck_plane(sample.scene, frame)
    plane[3] -= plane[2] * offset
    return Target(columns(solid, triangles, plane), offset)


class SampleMaker:
    """Turns samples into network inputs and targets."""

    def __init__(self, heads: HeadSource, lifter: LandmarkLifter, drop: DropRates | None = None) -> None:
        self.heads, self.lifter, self.drop = heads, lifter, drop

    def landmarks(self, sample: Sample, rng: np.random.Generator) -> np.ndarray:
        """(478, 3) the detector's landmarks, now and then damaged as a failing detector would: shifted, shrunk, flat."""
        points = sample.landmarks.astype(np.float64)
        if self.drop is None or rng.random() > 0.06:
            return points
        size = np.ptp(points[:, :2], axis=0).max()
        centre = points.mean(0)
        scale = np.array([*np.exp(rng.normal(0, 0.05, 2)), np.exp(rng.normal(0, 0.2))])
        return centre + (points - centre) * scale + np.append(rng.normal(0, 0.04, 2) * size, 0)

    def make(self, sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """inputs (10, 192, 192) float32; template and target (192, 192, 200) uint8 columns [y, x, z]; rays (192, 192)
        float32, their weights in the loss."""
        points = self.landmarks(sample, rng)
        lifted = self.lifter.lift(FaceLandmarks(points.astype(np.float32)), sample.scene.assumed_camera)
        maps, template = fast_guidance(points, lifted, self.lifter)
        target = make_target(sample, lifted.frame, maps, self.heads)
        rays = np.where(np.abs(maps[:3]).sum(0) > 0, np.float32(FACE_WEIGHT), np.float32(1))
        picture = cut_crop(sample.picture, lifted.frame).astype(np.float32) / 127.5 - 1
        if self.drop is not None:
            if rng.random() < self.drop.picture:
                picture[:] = 0
            if rng.random() < self.drop.mesh:
                maps[:4] = 0
            elif rng.random() < self.drop.mesh_depth:
                maps[3] = 0
        inputs = np.concatenate([picture.transpose(2, 0, 1), maps])
        return {"inputs": inputs, "template": template, "target": target.columns, "rays": rays}


class ShardDataset(IterableDataset):
    """Endless stream of training samples in random order, each worker with shards of its own.

    New shards are picked up as they are written, so training can begin before the last picture is made.
    """

    def __init__(self, folder: Path, maker: SampleMaker, seed: int, split: str = "train") -> None:
        super().__init__()
        self.folder, self.maker, self.seed, self.split = Path(folder), maker, seed, split

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        torch.set_num_threads(1)
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rng = np.random.default_rng([self.seed, worker])
        seen: dict[Path, int] = {}
        while True:
            paths = shard_paths(self.folder, self.split)[worker::workers]
            fewest = min((seen.get(p, 0) for p in paths), default=0)
            fresh = [p for p in paths if seen.get(p, 0) == fewest]
            picked = [fresh[i] for i in rng.permutation(len(fresh))[:4]]
            if not picked:
                raise FileNotFoundError(f"no shards named {self.split}_*.npz for worker {worker} in {self.folder}")
            shards = [Shard(p) for p in picked]
            for path in picked:
                seen[path] = seen.get(path, 0) + 1
            order = [(s, i) for s in shards for i in range(len(s))]
            for k in rng.permutation(len(order)):
                shard, i = order[k]
                yield self.maker.make(shard.sample(i), rng)
