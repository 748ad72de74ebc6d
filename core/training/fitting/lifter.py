"""Training of the landmark lifter: ridge regression and, on top of it, a small MLP.

Shapes are expressed in principal components of the template carried over to random training heads. The loss
is in metres: the error of the template's vertices, plus that of the pose at the distance of the face from the
head's center.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from ...geometry.pose import WeakPerspectivePose, fit_pose, similarity
from ...lifting.lifter import FILE_NAME, POSE_OUTPUTS, LandmarkLifter, landmark_features
from ...template.symmetry import Mirror
from ..data.flip import mirrored_sample
from ..data.shards import read_samples
from ..face_models.face_weights import face_weights
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..face_models.mesh_landmarks import face_mesh_triangles
from ..paths import DataPaths
from ..synthesis.sample import Sample

#: How much a MakeHuman head counts beside one of ICT-FaceKit's, whose statistics come from scans of people.
MAKEHUMAN_WEIGHT = 0.15
#: Metres of surface error that one radian, one metre of offset and one unit of log scale stand for.
POSE_LEVERS_M = np.array([0.08, 0.08, 0.08, 1.0, 1.0, 0.1])


#: The last features, which come from the focal length: the perspective and the direction of the head.
FOCAL_FEATURES = 3
#: Standard deviation, cm, of the independent noise by which a regression's trust in fine ripples is judged.
DOUBT = 0.05


@dataclass(frozen=True)
class ShapeBasis:
    """mean: (V, 3); components: (K, V, 3) orthonormal under `weight` (V,): sum of weight * offset² = squared
    norm.
    """

    mean: np.ndarray
    components: np.ndarray
    weight: np.ndarray

    def coefficients(self, vertices: np.ndarray) -> np.ndarray:
        """(N, V, 3) -> (N, K)."""
        offset = (vertices - self.mean) * self.weight[:, None]
        return offset.reshape(len(offset), -1) @ self.components.reshape(len(self.components), -1).T


def build_basis(vertices: np.ndarray, count: int) -> ShapeBasis:
    """Principal components of heads (N, V, 3) float32, head frame, metres."""
    mean = vertices.mean(0)
    weight = face_weights(mean)
    root = np.sqrt(weight)[:, None]
    centered = ((vertices - mean) * root).reshape(len(vertices), -1)
    # The Gram matrix is small: heads are fewer than coordinates.
    values, vectors = np.linalg.eigh(centered @ centered.T)
    top = np.argsort(values)[::-1][:count]
    components = (vectors[:, top].T @ centered) / np.sqrt(values[top])[:, None]
    components = components.reshape(count, -1, 3) / root
    return ShapeBasis(mean, components.astype(np.float32), weight.astype(np.float32))


def pose_correction(seen: WeakPerspectivePose, truth: WeakPerspectivePose) -> np.ndarray:
    """(6,) what `WeakPerspectivePose.corrected` needs to turn `seen` into `truth`."""
    rotation = Rotation.from_matrix(truth.rotation @ seen.rotation.T).as_rotvec()
    offset = (truth.centre - seen.centre) / seen.scale
    return np.concatenate([rotation, offset, [np.log(truth.scale / seen.scale)]])


@dataclass(frozen=True)
class Pairs:
    """x: (N, F) features; y: (N, 6 + K) pose corrections and shape coefficients; yaw: (N,) degrees; weight:
    (N,) how much a pair counts.
    """

    x: np.ndarray
    y: np.ndarray
    yaw: np.ndarray
    weight: np.ndarray


def collect(
    folder: Path,
    split: str,
    heads: HeadSource,
    basis: ShapeBasis,
    canonical: np.ndarray,
    mirror: Mirror | None = None,
) -> Pairs:
    """Features and targets of all samples of a split; with `mirror`, also of each as a mirror shows it."""
    xs, poses, yaws, weights, shapes = [], [], [], [], []
    batch: list[np.ndarray] = []

    def flush() -> None:
        if batch:
            shapes.append(basis.coefficients(np.stack(batch)))
            batch.clear()

    for sample in read_samples(folder, split, picture=False):
        vertices = heads.template_of(sample.source, sample.identity, sample.expression)
        # A turned portrait's shape was only fitted to landmarks: what it teaches of shapes is the prior.
        doubtful = sample.source == MAKEHUMAN or sample.turned
        views = [(sample, vertices)]
        if mirror is not None:
            views.append((mirrored_sample(sample, mirror), mirror.head(vertices)))
        for view, head in views:
            x, pose = features_of(view, canonical)
            xs.append(x)
            poses.append(pose)
            yaws.append(view.scene.pose.angles[0])
            weights.append(MAKEHUMAN_WEIGHT if doubtful else 1.0)
            batch.append(head)
        if len(batch) >= 500:
            flush()
    flush()
    y = np.concatenate([np.stack(poses), np.concatenate(shapes)], 1).astype(np.float32)
    return Pairs(np.stack(xs), y, np.array(yaws), np.array(weights, np.float32))


def features_of(sample: Sample, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (F,) as the reconstruction would have them, and the pose correction (6,), of one sample."""
    scene = sample.scene
    points = sample.landmarks.astype(np.float64)
    seen = fit_pose(points, canonical)
    return landmark_features(points, seen, canonical, scene.assumed_camera), pose_correction(
        seen, WeakPerspectivePose.of(scene.pose, scene.camera)
    )


def normalization(pairs: Pairs) -> dict[str, np.ndarray]:
    """Means and scales of inputs and outputs; all shape coefficients share one scale: errors stay in
    metres.
    """
    scale = np.maximum(pairs.x.std(0), 0.05)
    shape = np.sqrt((pairs.y[:, POSE_OUTPUTS:].var(0)).sum())
    out_scale = np.concatenate([shape / POSE_LEVERS_M, np.full(pairs.y.shape[1] - POSE_OUTPUTS, shape)])
    return {
        "input_mean": pairs.x.mean(0),
        "input_scale": scale,
        "output_mean": np.average(pairs.y, axis=0, weights=pairs.weight),
        "output_scale": out_scale.astype(np.float32),
    }


def fit_ridge(
    x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weight (Out, F), bias (Out,) of the ridge regression of normalised pairs."""
    x1 = np.concatenate([x, np.ones((len(x), 1), np.float32)], 1).astype(np.float64)
    weighted = x1 * (sample_weight / sample_weight.sum())[:, None]
    gram = weighted.T @ x1
    gram[np.arange(len(gram) - 1), np.arange(len(gram) - 1)] += penalty
    solution = np.linalg.solve(gram, weighted.T @ y.astype(np.float64)).astype(np.float32)
    return solution[:-1].T, solution[-1]


def fit_mlp(  # noqa: PLR0913 (hyperparameters with defaults)
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray,
    held: tuple[np.ndarray, np.ndarray, np.ndarray],
    hidden: tuple[int, ...] = (512, 256),
    epochs: int = 40,
    weight_decay: float = 0.02,
    noise: float = 0.05,
    seed: int = 0,
) -> tuple[list[tuple[np.ndarray, np.ndarray]], float]:
    """Layers [(weight, bias)] of an MLP on normalised pairs, and its best mean squared error on `held`."""
    torch.manual_seed(seed)
    sizes = (x.shape[1], *hidden, y.shape[1])
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    nn.init.zeros_(layers[-1].weight)
    nn.init.zeros_(layers[-1].bias)
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [layer, nn.ReLU()]
    net = nn.Sequential(*modules[:-1])
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=weight_decay)
    batches = len(x) // 256
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, epochs * batches)
    tx, ty, tw = (torch.from_numpy(v) for v in (x, y, sample_weight))
    hx, hy, hw = (torch.from_numpy(v) for v in held)
    best = float("inf")
    kept: list[tuple[torch.Tensor, torch.Tensor]] = [(layer.weight, layer.bias) for layer in layers]
    for _ in range(epochs):
        net.train()
        order = torch.randperm(len(x))
        for i in range(batches):
            index = order[i * 256 : (i + 1) * 256]
            inputs = tx[index]
            error = (net(inputs + noise * torch.randn_like(inputs)) - ty[index]).square().sum(1)
            loss = (error * tw[index]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        net.eval()
        with torch.no_grad():
            score = float(((net(hx) - hy).square().sum(1) * hw).sum() / hw.sum())
        if score < best:
            best, kept = (
                score,
                [(layer.weight.detach().clone(), layer.bias.detach().clone()) for layer in layers],
            )
    return [(w.detach().numpy(), b.detach().numpy()) for w, b in kept], best


@dataclass(frozen=True)
class LifterReport:
    """Errors on held-out pairs: mean distance of the template's face vertices, mm, after the best similarity
    (what a scan would be compared by), and of the rotation, degrees.
    """

    name: str
    shape_mm: dict[str, float]
    rotation_deg: dict[str, float]

    def __str__(self) -> str:
        shape = " ".join(f"{k}: {v:.2f}" for k, v in self.shape_mm.items())
        turn = " ".join(f"{k}: {v:.2f}" for k, v in self.rotation_deg.items())
        return f"{self.name:24s} face vertices, aligned, mm {shape}   rotation, degrees {turn}"


def report(name: str, predicted: np.ndarray, pairs: Pairs, basis: ShapeBasis) -> LifterReport:
    """Errors of predicted (N, 6 + K) outputs on the heads of full weight, by yaw bin."""
    face = basis.weight > 0.5 * basis.weight.max()
    components = basis.components[:, face].reshape(len(basis.components), -1)
    turn = Rotation.from_rotvec(predicted[:, :3]) * Rotation.from_rotvec(pairs.y[:, :3]).inv()
    shape, rotation = {}, {}
    for low, label in ((0, "0-30"), (30, "30-60"), (60, "60-90")):
        chosen = (np.abs(pairs.yaw) >= low) & (np.abs(pairs.yaw) < low + 30) & (pairs.weight == 1)
        distances = []
        for guess, truth in zip(
            predicted[chosen, POSE_OUTPUTS:], pairs.y[chosen, POSE_OUTPUTS:], strict=True
        ):
            a, b = (basis.mean[face] + (c @ components).reshape(-1, 3) for c in (guess, truth))
            scale, rotation_, offset = similarity(a.astype(np.float64), b.astype(np.float64))
            distances.append(np.linalg.norm(scale * a @ rotation_.T + offset - b, axis=1).mean())
        shape[label] = float(np.mean(distances) * 1000)
        rotation[label] = float(np.degrees(turn[chosen].magnitude()).mean())
    return LifterReport(name, shape, rotation)


def lifter_weights(
    basis: ShapeBasis,
    canonical: np.ndarray,
    mesh: np.ndarray,
    norms: dict[str, np.ndarray],
    ridge: tuple[np.ndarray, np.ndarray],
    layers: list[tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    """The arrays of `core.lifting.lifter.LandmarkLifter`'s file; all in half precision but the small and
    the integer
    ones.
    """
    half = {"basis": basis.components, "linear.weight": ridge[0]}
    half |= {f"layer{i}.weight": weight for i, (weight, _) in enumerate(layers)}
    weights = {name: value.astype(np.float16) for name, value in half.items()}
    weights |= {name: value.astype(np.float32) for name, value in norms.items()}
    weights |= {f"layer{i}.bias": bias.astype(np.float32) for i, (_, bias) in enumerate(layers)}
    weights |= {
        "linear.bias": ridge[1].astype(np.float32),
        "mean": basis.mean.astype(np.float32),
        "canonical": canonical.astype(np.float32),
        "mesh": mesh.astype(np.int32),
    }
    return {name: np.ascontiguousarray(value) for name, value in weights.items()}


def train_lifter(paths: DataPaths, shards: Path, models: Path, components: int = 100) -> Iterator[str]:
    """Fit the basis, the ridge and the MLP; write the better to the models folder; yield lines of report."""
    from safetensors.numpy import save_file

    heads = HeadSource.from_paths(paths)
    rng = np.random.default_rng(0)
    drawn = []
    for i in range(2500):
        source = MAKEHUMAN if i % 10 < 2 else ICT
        drawn.append(heads.template_of(source, *heads.sample(rng, source)))
    basis = build_basis(np.stack(drawn), components)
    del drawn
    average = heads.template_of(
        ICT, np.zeros(len(heads.model.identity)), np.zeros(len(heads.model.expression))
    )
    canonical = heads.template.landmarks(average).astype(np.float64)
    train = collect(shards, "train", heads, basis, canonical, Mirror.load(models))
    held = collect(shards, "eval", heads, basis, canonical)
    yield f"{len(train.x)} pairs (each picture twice, once mirrored), {len(held.x)} held out"
    norms = normalization(train)
    x, hx = ((p.x - norms["input_mean"]) / norms["input_scale"] for p in (train, held))
    y, hy = ((p.y - norms["output_mean"]) / norms["output_scale"] for p in (train, held))

    def back(values: np.ndarray) -> np.ndarray:
        return values * norms["output_scale"] + norms["output_mean"]

    yield str(report("average head", back(np.zeros_like(hy)), held, basis))
    # Real pictures are unlike the made ones in ways that the held-out ones are not: half of the score is on
    # landmarks shaken by DOUBT, or the choice falls on weights that live on the finest ripples of the
    # detector's output.
    shaken = hx.copy()
    shaken[:, : canonical.size] += (
        rng.normal(size=(len(hx), canonical.size)) * DOUBT / norms["input_scale"][: canonical.size]
    )
    shaken = shaken.astype(np.float32)
    ridges = {
        penalty: fit_ridge(x, y, train.weight, penalty) for penalty in (0.0003, 0.001, 0.003, 0.01, 0.03)
    }
    errors = {
        p: float(
            np.mean(
                [np.average(np.square(v @ w.T + b - hy).sum(1), weights=held.weight) for v in (hx, shaken)]
            )
        )
        for p, (w, b) in ridges.items()
    }
    penalty = min(errors, key=errors.__getitem__)
    weight, bias = ridges[penalty]
    yield str(report(f"ridge, penalty {penalty}", back(hx @ weight.T + bias), held, basis))
    blind = np.append(np.ones(x.shape[1] - FOCAL_FEATURES), np.zeros(FOCAL_FEATURES)).astype(np.float32)
    blind_weight, blind_bias = fit_ridge(x * blind, y, train.weight, penalty)
    yield str(
        report("ridge without focal length", back(hx * blind @ blind_weight.T + blind_bias), held, basis)
    )
    rest, held_rest = (y - (x @ weight.T + bias)), (hy - (hx @ weight.T + bias))
    held_out = (hx, held_rest.astype(np.float32), held.weight)
    layers, error = fit_mlp(x, rest.astype(np.float32), train.weight, held_out, noise=0.15)
    yield f"mean squared error, normalised: ridge {errors[penalty]:.4f}, with MLP {error:.4f}"
    weights = lifter_weights(basis, canonical, face_mesh_triangles(), norms, (weight, bias), layers)
    temporary = models / (FILE_NAME + ".tmp")
    save_file(weights, temporary, {"pairs": str(len(train.x)), "ridge_penalty": str(penalty)})
    temporary.replace(models / FILE_NAME)
    lifter = LandmarkLifter.from_pretrained(models, heads.template)
    yield str(report("ridge and MLP", lifter.regress(held.x), held, basis))
