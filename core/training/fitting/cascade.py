"""Training of the lifter's stages that look at the picture: ridge regressions, each on what the picture shows
where the stage before it has put the head.

Closed forms on features that were learned from photos find in some ten thousand pictures what gradients do
not: see docs/training.md. A stage is trained on what the stages before it make of pictures that they have
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

from ...geometry.pose import WeakPerspectivePose, fit_pose
from ...lifting.face_features import POINT_CHANNELS, extract_features, load_feature_network
from ...lifting.lifter import FILE_NAME, POSE_OUTPUTS, LandmarkLifter, landmark_features, unflipped_weight
from ...template.symmetry import Mirror
from ...template.template import HeadTemplate
from ..data.dataset import detected_landmarks
from ..data.flip import mirrored_sample
from ..data.shards import Shard, shard_paths
from ..face_models.face_weights import face_weights
from ..face_models.heads import MAKEHUMAN, HeadSource
from ..paths import DataPaths
from ..synthesis.sample import Sample
from .lifter import MAKEHUMAN_WEIGHT, Pairs, ShapeBasis, pose_correction, report

#: How many of the template's vertices are looked at: iBUG's 68 landmarks, and others far from one another.
FEATURE_SITES = 140
#: Vertices further back or down than this, metres, head frame, are not looked at.
BEHIND, BELOW = 0.12, -0.15
#: Share of training pairs whose landmarks are damaged as a failing detector's would be.
DEGRADED_FRACTION = 0.1
#: Penalties of the ridge regressions on normalised features: the landmarks' and the outputs so far; the whole
#: face's; those of the probes.
PENALTIES = {"landmarks": 0.2, "whole": 1.0, "probes": 2.0}
SHARDS_A_JOB = 6
#: Pairs that are multiplied at a time.
CHUNK = 6144


def choose_feature_sites(template: HeadTemplate, count: int = FEATURE_SITES) -> np.ndarray:
    """(count,) int64 vertices of the skin: iBUG's landmarks, then always the one farthest from all so far."""
    triangles = template.solid_triangles
    skin = np.unique(triangles[(triangles < len(template.vertices)).all(1)])
    places = template.vertices[skin].astype(np.float64)
    able = (places[:, 1] < BEHIND) & (places[:, 2] > BELOW)
    skin, places = skin[able], places[able]
    # What lies further back is looked at more coarsely.
    density = np.where(places[:, 1] < 0.045, 1.0, 0.6)
    chosen = list(dict.fromkeys(int(v) for v in template.ibug68))[:count]
    away = np.min([np.linalg.norm(places - template.vertices[v], axis=1) for v in chosen], axis=0) * density
    while len(chosen) < count:
        farthest = int(away.argmax())
        chosen.append(int(skin[farthest]))
        away = np.minimum(away, np.linalg.norm(places - places[farthest], axis=1) * density)
    return np.array(chosen, np.int64)


@dataclass(frozen=True)
class Views:
    """What a regression learns from: inputs (N, F) float16; z (N, O) float32 normalised outputs so far;
    truth: (N, O) float32, normalised; yaw, weight: as in `Pairs`.
    """

    inputs: np.ndarray
    z: np.ndarray
    truth: np.ndarray
    yaw: np.ndarray
    weight: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["Views"]) -> "Views":
        columns = zip(*((p.inputs, p.z, p.truth, p.yaw, p.weight) for p in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


#: Shards; the normalised outputs so far (n, O) for each, or None where only landmarks have been looked at;
#: whether this is for training.
Job = tuple[list[Path], list[np.ndarray] | None, bool]


def see(paths: DataPaths, lifter_weights: dict[str, np.ndarray], job: Job) -> list[Views]:
    """What a stage sees of shards."""
    torch.set_num_threads(1)
    shards, so_far, training = job
    heads, network = HeadSource.from_paths(paths), load_feature_network(paths.models)
    lifter = LandmarkLifter(lifter_weights, heads.template, network)
    mirror = Mirror.load(paths.models)
    basis = basis_of(lifter)
    seen: list[Views] = []
    for place, path in enumerate(shards):
        shard, rng = Shard(path), np.random.default_rng(int(path.stem[-5:]))
        rows = [
            see_sample(shard.sample(i), heads, lifter, mirror, rng if training else None)
            for i in range(len(shard))
        ]
        if so_far is not None:
            rows = [replace(row, z=z) for row, z in zip(rows, so_far[place], strict=True)]
        shapes = basis.coefficients(np.stack([row.head for row in rows]))
        seen.append(
            Views(
                np.stack([row.input(lifter) for row in rows]),
                np.stack([row.z for row in rows]).astype(np.float32),
                lifter.normalized_outputs(np.concatenate([np.stack([r.turn for r in rows]), shapes], 1)),
                np.array([row.sample.scene.pose.angles[0] for row in rows], np.float32),
                np.array([row.weight for row in rows], np.float32),
            )
        )
    return seen


@dataclass(frozen=True)
class Row:
    """One view on the way to being seen. x: normalised features of the landmarks; z: normalised outputs so
    far; turn: (6,) what corrects the pose; head: (V, 3).
    """

    sample: Sample
    points: np.ndarray
    seen: WeakPerspectivePose
    x: np.ndarray
    z: np.ndarray
    turn: np.ndarray
    head: np.ndarray
    weight: float

    def input(self, lifter: LandmarkLifter) -> np.ndarray:
        """(F,) float16."""
        assert lifter.network is not None
        looked = extract_features(lifter.network, self.sample.picture, self.points, self.seen)
        camera = self.sample.scene.assumed_camera
        return lifter.stage_input(self.x, self.z, self.seen, camera, looked).astype(np.float16)


def see_sample(
    sample: Sample,
    heads: HeadSource,
    lifter: LandmarkLifter,
    mirror: Mirror,
    rng: np.random.Generator | None,
) -> Row:
    """The row of one sample, as it is or mirrored, whichever the lifter would make more of. With rng, for
    training: a face that looks ahead is mirrored at random, and some landmarks are damaged.
    """
    head = heads.template_of(sample.source, sample.identity, sample.expression)
    doubtful = sample.source == MAKEHUMAN or sample.turned
    if rng is not None:
        points = detected_landmarks(sample, rng, DEGRADED_FRACTION)
        sample = replace(sample, landmarks=points.astype(np.float32))
    share = unflipped_weight(fit_pose(sample.landmarks.astype(np.float64), lifter.canonical))
    if share < (0.5 if rng is None else rng.random()):
        sample, head = mirrored_sample(sample, mirror), mirror.head(head)
    points, scene = sample.landmarks.astype(np.float64), sample.scene
    seen = fit_pose(points, lifter.canonical)
    x = lifter.normalized(landmark_features(points, seen, lifter.canonical, scene.assumed_camera))
    turn = pose_correction(seen, WeakPerspectivePose.of(scene.pose, scene.camera))
    weight = MAKEHUMAN_WEIGHT if doubtful else 1.0
    return Row(sample, points, seen, x, lifter.from_landmarks(x), turn, head, weight)


def basis_of(lifter: LandmarkLifter) -> ShapeBasis:
    """The basis in which a lifter gives shapes."""
    mean = lifter.weights["mean"]
    return ShapeBasis(mean, lifter.weights["basis"], face_weights(mean).astype(np.float32))


@dataclass(frozen=True)
class Normal:
    """The normal equations of a part of the pairs: gram (F, F), moment (F, O) float32, sums of weighted
    products of normalised inputs, and of those with what is to be learned; total: the weights' sum.
    """

    gram: torch.Tensor
    moment: torch.Tensor
    total: float

    def solved(self, penalty: torch.Tensor) -> torch.Tensor:
        """(F, O) the ridge regression."""
        system = self.gram / self.total
        system.diagonal().add_(penalty)
        factor = torch.linalg.cholesky(system)
        del system
        return torch.cholesky_solve(self.moment / self.total, factor)


def normal_equations(
    inputs: np.ndarray,
    rest: np.ndarray,
    weight: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    exact: int,
) -> Normal:
    """Normal equations of inputs (N, F) float16 and what is to be learned of them (N, O) float32; exact: how
    many of the inputs, the first ones, are multiplied in single precision.
    """
    size = inputs.shape[1]
    gram, moment = torch.zeros(size, size), torch.zeros(size, rest.shape[1])
    for start in range(0, len(inputs), CHUNK):
        part = slice(start, start + CHUNK)
        root = torch.from_numpy(np.sqrt(weight[part])[:, None])
        x = torch.from_numpy((inputs[part] - mean) / scale) * root
        moment.addmm_(x.T, torch.from_numpy(rest[part]) * root)
        # Half precision takes a fraction of the time; its errors are small beside the probes' penalty, but
        # not beside the landmarks'.
        gram[:exact].addmm_(x[:, :exact].T, x)
        half = x[:, exact:].bfloat16()
        gram[exact:, exact:] += half.T.contiguous() @ half
    gram[exact:, :exact] = gram[:exact, exact:].T
    return Normal(gram, moment, float(weight.sum()))


def fit_stage(
    train: Views, half: np.ndarray, penalty: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A stage's weights, and (N, O) the outputs after it for training pairs, each from a regression on the
    other half. half: (N,) bool.
    """
    mean = average(train.inputs, train.weight)
    scale = np.sqrt(average(train.inputs, train.weight, mean))
    scale = np.maximum(scale, 0.02 * np.median(scale) + 1e-6).astype(np.float32)
    rest = train.truth - train.z
    bias = np.average(rest, axis=0, weights=train.weight).astype(np.float32)
    rest = (rest - bias).astype(np.float32)
    lasting, exact = torch.from_numpy(penalty), int((penalty == PENALTIES["landmarks"]).sum())
    parts = [
        normal_equations(train.inputs[h], rest[h], train.weight[h], mean, scale, exact) for h in (half, ~half)
    ]
    after = train.z + bias
    for part, other in zip(parts, (~half, half), strict=True):
        after[other] += predicted(train.inputs[other], mean, scale, part.solved(lasting).numpy())
    both = Normal(
        parts[0].gram.add_(parts[1].gram), parts[0].moment + parts[1].moment, float(train.weight.sum())
    )
    del parts
    weight = both.solved(lasting).numpy().T
    return {"mean": mean, "scale": scale, "weight": np.ascontiguousarray(weight), "bias": bias}, after


def average(inputs: np.ndarray, weight: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
    """(F,) float32 weighted mean of (N, F), or of the squared distance from `around`."""
    total = np.zeros(inputs.shape[1], np.float64)
    for start in range(0, len(inputs), CHUNK):
        part = inputs[start : start + CHUNK].astype(np.float32)
        if around is not None:
            part = np.square(part - around)
        total += weight[start : start + CHUNK] @ part
    return (total / weight.sum()).astype(np.float32)


def predicted(inputs: np.ndarray, mean: np.ndarray, scale: np.ndarray, solution: np.ndarray) -> np.ndarray:
    """(N, O) of inputs (N, F) float16 and a solution (F, O)."""
    chunks = (inputs[i : i + CHUNK] for i in range(0, len(inputs), CHUNK))
    return np.concatenate([((chunk - mean) / scale) @ solution for chunk in chunks])


def penalty_of(lifter: LandmarkLifter, size: int) -> np.ndarray:
    """(F,) float32 penalties of a stage's inputs."""
    known = lifter.canonical.size + 12 + len(lifter.weights["output_mean"])
    probes = len(lifter.weights["probes"]) * sum(POINT_CHANNELS)
    counts = {"landmarks": known, "whole": size - known - probes, "probes": probes}
    return np.concatenate([np.full(counts[k], PENALTIES[k], np.float32) for k in counts])


def train_cascade(
    paths: DataPaths, shards: Path, models: Path, stages: int = 3, processes: int = 2
) -> Iterator[str]:
    """Train the stages on top of the lifter in the models folder, and write them into its file; yield lines
    of report.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    file = models / FILE_NAME
    weights = {k: v for k, v in load_file(file).items() if not k.startswith(("stage", "probes"))}
    with safe_open(file, "np") as opened:
        metadata = opened.metadata() or {}
    template = HeadTemplate.load(models)
    weights["probes"] = choose_feature_sites(template).astype(np.int32)
    train_paths, held_paths = shard_paths(shards, "train"), shard_paths(shards, "eval")
    so_far: list[np.ndarray] | None = None
    held_so_far: list[np.ndarray] | None = None
    sizes = [0]
    for number in range(1, stages + 1):
        with ProcessPoolExecutor(processes) as pool:
            work = partial(see, paths, weights)
            held = list(chain(*pool.map(work, jobs(held_paths, held_so_far, False))))
            seen = list(chain(*pool.map(work, jobs(train_paths, so_far, True))))
        train, held_all = Views.joined(seen), Views.joined(held)
        sizes = [len(v.z) for v in seen]
        del seen
        lifter = LandmarkLifter(weights, template)
        if number == 1:
            yield f"{len(train.z)} pairs, {len(held_all.z)} held out"
            yield score("landmarks alone", held_all.z, held_all, lifter)
        half = np.repeat(np.arange(len(sizes)) % 2 == 0, sizes)
        stage, after = fit_stage(train, half, penalty_of(lifter, train.inputs.shape[1]))
        so_far = np.split(after, np.cumsum(sizes)[:-1])
        del train
        guess = (
            held_all.z
            + stage["bias"]
            + predicted(held_all.inputs, stage["mean"], stage["scale"], stage["weight"].T)
        )
        held_so_far = np.split(guess, np.cumsum([len(v.z) for v in held])[:-1])
        yield score(f"stage {number}", guess, held_all, lifter)
        stage["weight"] = stage["weight"].astype(np.float16)
        weights |= {f"stage{number}.{name}": value for name, value in stage.items()}
        temporary = file.with_name(FILE_NAME + ".tmp")
        save_file(weights, temporary, {**metadata, "cascade_pairs": str(sum(sizes))})
        temporary.replace(file)


def jobs(paths: list[Path], so_far: list[np.ndarray] | None, training: bool) -> list[Job]:
    """Work for `see`, some shards at a time."""
    parts = [slice(i, i + SHARDS_A_JOB) for i in range(0, len(paths), SHARDS_A_JOB)]
    return [(paths[part], so_far[part] if so_far else None, training) for part in parts]


def score(name: str, z: np.ndarray, held: Views, lifter: LandmarkLifter) -> str:
    """A line of report on held-out pairs: millimetres and degrees, then squared errors in units of the
    shape's variance.
    """
    error = np.square(z - held.truth)
    pose, shape = (
        np.average(part.sum(1), weights=held.weight)
        for part in (error[:, :POSE_OUTPUTS], error[:, POSE_OUTPUTS:])
    )
    pairs = Pairs(np.zeros(0), lifter.outputs(held.truth), held.yaw, held.weight)
    return f"{report(name, lifter.outputs(z), pairs, basis_of(lifter))}   pose {pose:.2f}, shape {shape:.3f}"
