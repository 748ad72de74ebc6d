"""Training of the lifter's stages that use the picture: ridge regressions on features of the picture, sampled
where the stage before has put the head (the supervised descent method, Xiong and De la Torre, CVPR 2013).

Closed forms on features that were learned from photos find in some ten thousand pictures what gradients do
not: see docs/diary.md. A stage is trained on what the stages before it make of pictures that they have
not been fitted to (two halves of the pictures, each by the other's regression), or it would correct errors
smaller than it will meet.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from ...errors import PhotobustError
from ...geometry.pose import WeakPerspectivePose, fit_pose
from ...lifting.face_features import POINT_CHANNELS, extract_features, load_feature_network
from ...lifting.lifter import FILE_NAME, POSE_OUTPUTS, LandmarkLifter, landmark_features, unflipped_weight
from ...template.symmetry import Mirror
from ...template.template import HeadTemplate
from ..data.dataset import detected_landmarks
from ..data.flip import mirrored_sample
from ..data.shards import Shard, require_shards
from ..face_models.face_weights import face_weights
from ..face_models.heads import MAKEHUMAN, HeadSource
from ..paths import DataPaths
from ..synthesis.sample import Sample
from .lifter import MAKEHUMAN_WEIGHT, Pairs, ShapeBasis, pose_correction, report, write_lifter

#: Vertices of the template at which features are sampled: iBUG's 68 landmarks, and others far from one
#: another.
FEATURE_SITES = 140
#: Features are sampled at vertices no further back (y) than this, head frame, meters.
BEHIND = 0.12
#: And no lower (z) than this, head frame, meters.
BELOW = -0.15
#: Fraction of training pairs whose landmarks are degraded as a failing detector's would be.
DEGRADED_FRACTION = 0.1
#: Penalties of the ridge regressions on normalized features: the landmarks' and the outputs so far; the
#: global features; those sampled at the sites.
PENALTIES = {"landmarks": 0.2, "global": 1.0, "sampled": 2.0}
SHARDS_A_JOB = 6
#: Pairs that are multiplied at a time.
CHUNK = 6144


def choose_feature_sites(template: HeadTemplate, count: int = FEATURE_SITES) -> np.ndarray:
    """(count,) int64 vertices of the skin: iBUG's landmarks, then repeatedly the one farthest from those so
    far (farthest point sampling).
    """
    triangles = template.solid_triangles
    skin = np.unique(triangles[(triangles < len(template.vertices)).all(1)])
    points = template.vertices[skin].astype(np.float64)
    allowed = (points[:, 1] < BEHIND) & (points[:, 2] > BELOW)
    skin, points = skin[allowed], points[allowed]
    # Further back the sites are sparser.
    density = np.where(points[:, 1] < 0.045, 1.0, 0.6)
    chosen = list(dict.fromkeys(int(v) for v in template.ibug68))[:count]
    distance = (
        np.min([np.linalg.norm(points - template.vertices[v], axis=1) for v in chosen], axis=0) * density
    )
    while len(chosen) < count:
        farthest = int(distance.argmax())
        chosen.append(int(skin[farthest]))
        distance = np.minimum(distance, np.linalg.norm(points - points[farthest], axis=1) * density)
    return np.array(chosen, np.int64)


@dataclass(frozen=True)
class StageData:
    """What a regression is fitted to.

    inputs: (N, F) float16. z: (N, O) float32, the normalized outputs so far. truth: (N, O) float32,
    normalized. yaw, weight: as in `Pairs`.
    """

    inputs: np.ndarray
    z: np.ndarray
    truth: np.ndarray
    yaw: np.ndarray
    weight: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["StageData"]) -> "StageData":
        """The pairs of all parts, in order."""
        columns = zip(*((p.inputs, p.z, p.truth, p.yaw, p.weight) for p in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True)
class StageJob:
    """Shards that one process turns into stage data.

    outputs: (n, O) normalized outputs so far of each shard, or None before the first stage; training: whether
    faces are mirrored and landmarks degraded at random.
    """

    shards: list[Path]
    outputs: list[np.ndarray] | None
    training: bool


def stage_data(paths: DataPaths, lifter_weights: dict[str, np.ndarray], job: StageJob) -> list[StageData]:
    """Inputs and targets of a stage for each shard of a job.

    Args:
        paths: where the face model, the registration, the template and the feature network are.
        lifter_weights: arrays of the lifter's file, with the stages so far.
        job: the shards.

    Returns:
        The data of each shard.
    """
    torch.set_num_threads(1)
    heads, network = HeadSource.from_paths(paths), load_feature_network(paths.models)
    lifter = LandmarkLifter(lifter_weights, heads.template, network)
    mirror = Mirror.load(paths.models)
    parts: list[StageData] = []
    for number, path in enumerate(job.shards):
        shard, rng = Shard(path), np.random.default_rng(int(path.stem[-5:]))
        rows = [
            observation_of(shard.sample(i), heads, lifter, mirror, rng if job.training else None)
            for i in range(len(shard))
        ]
        if job.outputs is not None:
            rows = [replace(row, z=z) for row, z in zip(rows, job.outputs[number], strict=True)]
        parts.append(
            StageData(
                np.stack([row.input(lifter) for row in rows]),
                np.stack([row.z for row in rows]).astype(np.float32),
                true_outputs(lifter, rows),
                np.array([row.sample.scene.pose.angles[0] for row in rows], np.float32),
                np.array([row.weight for row in rows], np.float32),
            )
        )
    return parts


@dataclass(frozen=True)
class Observation:
    """One sample as a stage gets it.

    points: (478, 3) landmarks, photo frame. pose: fitted to them. x: normalized features of the landmarks. z:
    normalized outputs so far. correction: (6,) from this pose to the true one. head: (V, 3) the true
    template, head frame, meters. weight: as in `Pairs`.
    """

    sample: Sample
    points: np.ndarray
    pose: WeakPerspectivePose
    x: np.ndarray
    z: np.ndarray
    correction: np.ndarray
    head: np.ndarray
    weight: float

    def input(self, lifter: LandmarkLifter) -> np.ndarray:
        """(F,) float16."""
        assert lifter.network is not None
        features = extract_features(lifter.network, self.sample.picture, self.points, self.pose)
        camera = self.sample.scene.assumed_camera
        return lifter.stage_input(self.x, self.z, self.pose, camera, [features]).astype(np.float16)


def observation_of(
    sample: Sample,
    heads: HeadSource,
    lifter: LandmarkLifter,
    mirror: Mirror,
    rng: np.random.Generator | None,
) -> Observation:
    """One sample, as it is or mirrored, whichever way the lifter would weigh more.

    Args:
        sample: with the detector's landmarks.
        heads: both families of heads.
        lifter: with the stages so far.
        mirror: symmetry of template and landmarks.
        rng: for training: frontal faces are mirrored at random, and some landmarks are degraded.
    """
    head = heads.template_of(sample.source, sample.identity, sample.expression)
    only_fitted = sample.source == MAKEHUMAN or sample.turned
    if rng is not None:
        points = detected_landmarks(sample, rng, DEGRADED_FRACTION)
        sample = replace(sample, landmarks=points.astype(np.float32))
    unflipped = unflipped_weight(fit_pose(sample.landmarks.astype(np.float64), lifter.canonical))
    if unflipped < (0.5 if rng is None else rng.random()):
        sample, head = mirrored_sample(sample, mirror), mirror.head(head)
    points, scene = sample.landmarks.astype(np.float64), sample.scene
    pose = fit_pose(points, lifter.canonical)
    x = lifter.normalized(landmark_features(points, pose, lifter.canonical, scene.assumed_camera))
    correction = pose_correction(pose, WeakPerspectivePose.of(scene.pose, scene.camera))
    weight = MAKEHUMAN_WEIGHT if only_fitted else 1.0
    return Observation(sample, points, pose, x, lifter.from_landmarks(x), correction, head, weight)


def true_outputs(lifter: LandmarkLifter, rows: Sequence[Observation]) -> np.ndarray:
    """(N, 6 + K) float32, the normalized outputs that lifting should give."""
    shapes = basis_of(lifter).coefficients(np.stack([row.head for row in rows]))
    corrections = np.stack([row.correction for row in rows])
    return lifter.normalized_outputs(np.concatenate([corrections, shapes], 1))


def basis_of(lifter: LandmarkLifter) -> ShapeBasis:
    """The basis in which a lifter gives shapes."""
    mean = lifter.weights["mean"]
    return ShapeBasis(mean, lifter.weights["basis"], face_weights(mean).astype(np.float32))


@dataclass(frozen=True)
class NormalEquations:
    """The normal equations of a part of the pairs: gram (F, F), moment (F, O) float32, sums of weighted
    products of normalized inputs, and of those with what is to be learned; total: the weights' sum.
    """

    gram: torch.Tensor
    moment: torch.Tensor
    total: float

    def solved(self, penalty: torch.Tensor) -> torch.Tensor:
        """The ridge regression.

        Args:
            penalty: (F,) of each input's squared weights.

        Returns:
            (F, O) float32 weights.
        """
        system = self.gram / self.total
        system.diagonal().add_(penalty)
        factor = torch.linalg.cholesky(system)
        del system
        return torch.cholesky_solve(self.moment / self.total, factor)


def normal_equations(
    inputs: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    exact_columns: int,
) -> NormalEquations:
    """Sum up the normal equations of weighted pairs.

    Args:
        inputs: (N, F) float16.
        residual: (N, O) float32, what is to be learned.
        weight: (N,) float32, how much each pair counts.
        mean: (F,) float32 of the inputs.
        scale: (F,) float32 of the inputs.
        exact_columns: how many of the inputs, the first ones, are multiplied in single precision.

    Returns:
        The equations.
    """
    size = inputs.shape[1]
    gram, moment = torch.zeros(size, size), torch.zeros(size, residual.shape[1])
    for start in range(0, len(inputs), CHUNK):
        part = slice(start, start + CHUNK)
        root = torch.from_numpy(np.sqrt(weight[part])[:, None])
        x = torch.from_numpy((inputs[part] - mean) / scale) * root
        moment.addmm_(x.T, torch.from_numpy(residual[part]) * root)
        # Half precision takes a fraction of the time; its errors are small beside the penalty of sampled
        # features, but not beside the landmarks'.
        gram[:exact_columns].addmm_(x[:, :exact_columns].T, x)
        half = x[:, exact_columns:].bfloat16()
        gram[exact_columns:, exact_columns:] += half.T.contiguous() @ half
    gram[exact_columns:, :exact_columns] = gram[:exact_columns, exact_columns:].T
    return NormalEquations(gram, moment, float(weight.sum()))


def fit_stage(
    train: StageData, half: np.ndarray, penalty: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fit a stage.

    Args:
        train: the pairs.
        half: (N,) bool, the pairs of one half.
        penalty: (F,) float32 of each input's squared weights.

    Returns:
        The stage's weights by name, and (N, O) float32 the outputs after it for the training pairs, each from
        a regression on the other half.
    """
    mean = weighted_mean(train.inputs, train.weight)
    scale = np.sqrt(weighted_mean(train.inputs, train.weight, mean))
    scale = np.maximum(scale, 0.02 * np.median(scale) + 1e-6).astype(np.float32)
    residual = train.truth - train.z
    bias = np.average(residual, axis=0, weights=train.weight).astype(np.float32)
    residual = (residual - bias).astype(np.float32)
    penalties, exact_columns = torch.from_numpy(penalty), int((penalty == PENALTIES["landmarks"]).sum())
    parts = [
        normal_equations(train.inputs[h], residual[h], train.weight[h], mean, scale, exact_columns)
        for h in (half, ~half)
    ]
    after = train.z + bias
    for part, other in zip(parts, (~half, half), strict=True):
        after[other] += predicted(train.inputs[other], mean, scale, part.solved(penalties).numpy())
    both = NormalEquations(
        parts[0].gram.add_(parts[1].gram), parts[0].moment + parts[1].moment, float(train.weight.sum())
    )
    del parts
    weight = both.solved(penalties).numpy().T
    return {"mean": mean, "scale": scale, "weight": np.ascontiguousarray(weight), "bias": bias}, after


def weighted_mean(inputs: np.ndarray, weight: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
    """Weighted mean of inputs, or of their squared distances from a point.

    Args:
        inputs: (N, F) float16.
        weight: (N,) how much each row counts.
        around: (F,) the point, if distances are meant.

    Returns:
        (F,) float32.
    """
    total = np.zeros(inputs.shape[1], np.float64)
    for start in range(0, len(inputs), CHUNK):
        part = inputs[start : start + CHUNK].astype(np.float32)
        if around is not None:
            part = np.square(part - around)
        total += weight[start : start + CHUNK] @ part
    return (total / weight.sum()).astype(np.float32)


def predicted(inputs: np.ndarray, mean: np.ndarray, scale: np.ndarray, solution: np.ndarray) -> np.ndarray:
    """What a regression gives.

    Args:
        inputs: (N, F) float16.
        mean: (F,) float32 of the inputs.
        scale: (F,) float32 of the inputs.
        solution: (F, O) float32 weights.

    Returns:
        (N, O) float32.
    """
    chunks = (inputs[i : i + CHUNK] for i in range(0, len(inputs), CHUNK))
    return np.concatenate([((chunk - mean) / scale) @ solution for chunk in chunks])


def penalties_of(lifter: LandmarkLifter, size: int) -> np.ndarray:
    """(F,) float32 penalties of a stage's inputs: of landmarks and outputs, global features, sampled
    features.
    """
    known = lifter.canonical.size + 12 + len(lifter.weights["output_mean"])
    sampled = len(lifter.weights["probes"]) * sum(POINT_CHANNELS)
    counts = {"landmarks": known, "global": size - known - sampled, "sampled": sampled}
    return np.concatenate([np.full(counts[k], PENALTIES[k], np.float32) for k in counts])


@dataclass(frozen=True)
class CascadeConfig:
    """stages: number of regressions; sites: vertices at which the picture's features are sampled; processes:
    that compute features.
    """

    stages: int = 3
    sites: int = FEATURE_SITES
    processes: int = 2


def train_cascade(
    paths: DataPaths, shards: Path, models: Path, config: CascadeConfig | None = None
) -> Iterator[str]:
    """Train the stages on top of the lifter in the models folder, and write them into its file.

    Args:
        paths: where the face model, the registration and the template are.
        shards: folder of shards of both splits.
        models: folder with the lifter, which is rewritten after each stage.
        config: size of the training.

    Yields:
        Lines of report.

    Raises:
        PhotobustError: there are too few shards.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file

    config = config or CascadeConfig()
    train_paths, held_paths = (require_shards(shards, split) for split in ("train", "eval"))
    if len(train_paths) < 2:
        raise PhotobustError(
            "The cascade needs two shards of training pictures: each half tests the other's fit."
        )
    file = models / FILE_NAME
    weights = {k: v for k, v in load_file(file).items() if not k.startswith(("stage", "probes"))}
    with safe_open(file, "np") as opened:
        metadata = opened.metadata() or {}
    template = HeadTemplate.load(models)
    weights["probes"] = choose_feature_sites(template, config.sites).astype(np.int32)
    outputs: list[np.ndarray] | None = None
    held_outputs: list[np.ndarray] | None = None
    for number in range(1, config.stages + 1):
        with ProcessPoolExecutor(config.processes) as pool:
            work = partial(stage_data, paths, weights)
            held_parts = list(chain(*pool.map(work, stage_jobs(held_paths, held_outputs, False))))
            parts = list(chain(*pool.map(work, stage_jobs(train_paths, outputs, True))))
        train, held = StageData.joined(parts), StageData.joined(held_parts)
        sizes, held_sizes = ([len(part.z) for part in some] for some in (parts, held_parts))
        del parts
        lifter = LandmarkLifter(weights, template)
        if number == 1:
            yield f"{len(train.z)} pairs, {len(held.z)} held out"
            yield score("landmarks alone", held.z, held, lifter)
        half = np.repeat(np.arange(len(sizes)) % 2 == 0, sizes)
        stage, after = fit_stage(train, half, penalties_of(lifter, train.inputs.shape[1]))
        outputs = np.split(after, np.cumsum(sizes)[:-1])
        del train
        held_after = held.z + stage["bias"]
        held_after += predicted(held.inputs, stage["mean"], stage["scale"], stage["weight"].T)
        held_outputs = np.split(held_after, np.cumsum(held_sizes)[:-1])
        yield score(f"stage {number}", held_after, held, lifter)
        stage["weight"] = stage["weight"].astype(np.float16)
        weights |= {f"stage{number}.{name}": value for name, value in stage.items()}
        write_lifter(models, weights, {**metadata, "cascade_pairs": str(sum(sizes))})


def stage_jobs(paths: list[Path], outputs: list[np.ndarray] | None, training: bool) -> list[StageJob]:
    """Work for `stage_data`, some shards at a time.

    Args:
        paths: shards.
        outputs: (n, O) normalized outputs so far of each shard, or None before the first stage.
        training: whether faces are mirrored and landmarks degraded at random.

    Returns:
        The jobs.
    """
    parts = [slice(i, i + SHARDS_A_JOB) for i in range(0, len(paths), SHARDS_A_JOB)]
    return [StageJob(paths[part], outputs[part] if outputs else None, training) for part in parts]


def score(name: str, z: np.ndarray, held: StageData, lifter: LandmarkLifter) -> str:
    """A line of report on held-out pairs.

    Args:
        name: of the stage.
        z: (N, O) its normalized outputs.
        held: the pairs.
        lifter: whose outputs these are.

    Returns:
        mm and degrees, then squared errors in units of the shape's variance.
    """
    error = np.square(z - held.truth)
    pose, shape = (
        np.average(part.sum(1), weights=held.weight)
        for part in (error[:, :POSE_OUTPUTS], error[:, POSE_OUTPUTS:])
    )
    pairs = Pairs(np.zeros(0), lifter.outputs(held.truth), held.yaw, held.weight)
    return f"{report(name, lifter.outputs(z), pairs, basis_of(lifter))}   pose {pose:.2f}, shape {shape:.3f}"
