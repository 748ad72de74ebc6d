"""Training of the landmark lifter: ridge regression and, on top of it, a small MLP.

Shapes are expressed in principal components of the template carried over to random training heads. The loss
is in meters: the error of the template's vertices, plus that of the pose at the distance of the face from the
head's center.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from ...geometry.pose import WeakPerspectivePose, fit_pose, umeyama
from ...lifting.lifter import (
    FILE_NAME,
    POSE_OUTPUTS,
    LandmarkLifter,
    landmark_features,
)
from ...template.symmetry import Mirror
from ..data.flip import mirrored_sample
from ..data.shards import read_samples, require_shards
from ..face_models.face_weights import face_weights
from ..face_models.heads import ICT, MAKEHUMAN, HeadSource
from ..face_models.mesh_landmarks import face_mesh_triangles
from ..files import written_atomically
from ..paths import DataPaths
from ..synthesis.sample import Sample
from .candidate import REGRESSIONS

#: How much a MakeHuman head counts beside one of ICT-FaceKit's, whose statistics come from scans of people.
MAKEHUMAN_WEIGHT = 0.15
#: Meters of surface error that one radian, one meter of offset and one unit of log scale stand for.
POSE_LEVERS_M = np.array([0.08, 0.08, 0.08, 1.0, 1.0, 0.1])


#: The last features, which come from the focal length: the perspective and the direction of the head.
FOCAL_FEATURES = 3
#: Standard deviation, cm, of the noise on landmarks by which overfitting to the detector's output is found.
LANDMARK_NOISE_CM = 0.05
#: Penalties of the ridge regression that are tried.
PENALTIES = (0.0003, 0.001, 0.003, 0.01, 0.03)
#: Standard deviation of the noise on the MLP's normalized inputs.
MLP_INPUT_NOISE = 0.15
#: Pairs in a batch of the MLP's training, at most.
MLP_BATCH = 256


@dataclass(frozen=True)
class ShapeBasis:
    """mean: (V, 3); components: (K, V, 3) orthonormal under `weight` (V,): sum of weight * offset² = squared
    norm.
    """

    mean: np.ndarray
    components: np.ndarray
    weight: np.ndarray

    def coefficients(self, vertices: np.ndarray) -> np.ndarray:
        """Project heads onto the basis.

        Args:
            vertices: (N, V, 3) of the template, head frame, meters.

        Returns:
            (N, K) coefficients.
        """
        offset = (vertices - self.mean) * self.weight[:, None]
        return offset.reshape(len(offset), -1) @ self.components.reshape(len(self.components), -1).T


def build_basis(vertices: np.ndarray, count: int) -> ShapeBasis:
    """Principal components of heads.

    Args:
        vertices: (N, V, 3) float32 of the template, head frame, meters.
        count: components that are kept.

    Returns:
        The basis.
    """
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


def pose_correction(estimate: WeakPerspectivePose, truth: WeakPerspectivePose) -> np.ndarray:
    """(6,) what `WeakPerspectivePose.corrected` needs to turn `estimate` into `truth`."""
    rotation = Rotation.from_matrix(truth.rotation @ estimate.rotation.T).as_rotvec()
    offset = (truth.center - estimate.center) / estimate.scale
    return np.concatenate([rotation, offset, [np.log(truth.scale / estimate.scale)]])


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
    """Features and targets of all samples of a split.

    Args:
        folder: of shards.
        split: "train" or "eval".
        heads: both families of heads.
        basis: in which shapes are expressed.
        canonical: (478, 3) landmarks of the average head, head frame, meters.
        mirror: symmetry of template and landmarks: each sample is then also taken as a mirror shows it.

    Returns:
        The pairs.
    """
    xs, poses, yaws, weights, shapes = [], [], [], [], []
    batch: list[np.ndarray] = []

    def flush() -> None:
        if batch:
            shapes.append(basis.coefficients(np.stack(batch)))
            batch.clear()

    for sample in read_samples(folder, split, picture=False):
        vertices = heads.template_of(sample.source, sample.identity, sample.expression)
        # A turned portrait's shape was only fitted to landmarks: what it teaches of shapes is the prior.
        only_fitted = sample.source == MAKEHUMAN or sample.turned
        views = [(sample, vertices)]
        if mirror is not None:
            views.append((mirrored_sample(sample, mirror), mirror.head(vertices)))
        for view, head in views:
            x, pose = features_of(view, canonical)
            xs.append(x)
            poses.append(pose)
            yaws.append(view.scene.pose.angles[0])
            weights.append(MAKEHUMAN_WEIGHT if only_fitted else 1.0)
            batch.append(head)
        if len(batch) >= 500:
            flush()
    flush()
    y = np.concatenate([np.stack(poses), np.concatenate(shapes)], 1).astype(np.float32)
    return Pairs(np.stack(xs), y, np.array(yaws), np.array(weights, np.float32))


def features_of(sample: Sample, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One sample's features, as the reconstruction would have them, and its pose correction.

    Args:
        sample: with the detector's landmarks.
        canonical: (478, 3) landmarks of the average head, head frame, meters.

    Returns:
        Features (F,), and the correction (6,) of the pose that is fitted to the landmarks.
    """
    scene = sample.scene
    points = sample.landmarks.astype(np.float64)
    pose = fit_pose(points, canonical)
    return landmark_features(points, pose, canonical, scene.assumed_camera), pose_correction(
        pose, WeakPerspectivePose.of(scene.pose, scene.camera)
    )


def normalization(pairs: Pairs) -> dict[str, np.ndarray]:
    """Means and scales of inputs and outputs; all shape coefficients share one scale: errors stay in
    meters.
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
    """Ridge regression of normalized pairs.

    Args:
        x: (N, F) float32 inputs.
        y: (N, Out) float32 outputs.
        sample_weight: (N,) how much each pair counts.
        penalty: of the squared weights; the bias has none.

    Returns:
        Weight (Out, F) and bias (Out,), float32.
    """
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
    """Train an MLP on normalized pairs.

    Args:
        x: (N, F) float32 inputs.
        y: (N, Out) float32 outputs.
        sample_weight: (N,) float32, how much each pair counts.
        held: x, y and weights of held-out pairs, by which the best epoch is chosen.
        hidden: widths of the hidden layers.
        epochs: passes over the pairs.
        weight_decay: AdamW's.
        noise: standard deviation of the noise on the inputs.
        seed: of weights, order and noise.

    Returns:
        The layers [(weight (Out, In), bias (Out,))], and the best weighted mean squared error on `held`.
    """
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
    size = min(MLP_BATCH, len(x))
    batches = len(x) // size
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, epochs * batches)
    tx, ty, tw = (torch.from_numpy(v) for v in (x, y, sample_weight))
    hx, hy, hw = (torch.from_numpy(v) for v in held)
    best = float("inf")
    kept: list[tuple[torch.Tensor, torch.Tensor]] = [(layer.weight, layer.bias) for layer in layers]
    for _ in range(epochs):
        net.train()
        order = torch.randperm(len(x))
        for i in range(batches):
            index = order[i * size : (i + 1) * size]
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
    """Errors on the heads of full weight, by yaw bin.

    Args:
        name: of the method.
        predicted: (N, 6 + K) pose corrections and shape coefficients.
        pairs: with the true ones.
        basis: of the shapes.

    Returns:
        The errors.
    """
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
            scale, rotation_, offset = umeyama(a.astype(np.float64), b.astype(np.float64))
            distances.append(np.linalg.norm(scale * a @ rotation_.T + offset - b, axis=1).mean())
        shape[label] = float(np.mean(distances) * 1000) if chosen.any() else float("nan")
        rotation[label] = float(np.degrees(turn[chosen].magnitude()).mean()) if chosen.any() else float("nan")
    return LifterReport(name, shape, rotation)


def lifter_weights(
    basis: ShapeBasis,
    canonical: np.ndarray,
    mesh: np.ndarray,
    norms: dict[str, np.ndarray],
    ridge: tuple[np.ndarray, np.ndarray],
    layers: list[tuple[np.ndarray, np.ndarray]],
) -> dict[str, np.ndarray]:
    """The arrays of `core.lifting.lifter.LandmarkLifter`'s file, large float ones in half precision.

    Args:
        basis: of the shapes.
        canonical: (478, 3) landmarks of the average head, head frame, meters.
        mesh: (T, 3) int, triangles of the landmarks.
        norms: of `normalization`.
        ridge: weight (Out, F) and bias (Out,) of the linear part.
        layers: [(weight (Out, In), bias (Out,))] of the MLP.

    Returns:
        The arrays by name.
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


def write_lifter(models: Path, weights: dict[str, np.ndarray], facts: dict[str, str]) -> None:
    """Write a lifter, and remove the regressions that were fitted to the one before.

    Args:
        models: folder that it is written to.
        weights: the arrays by name.
        facts: of its training, kept in the file.
    """
    from safetensors.numpy import save_file

    for name in REGRESSIONS:
        (models / name).unlink(missing_ok=True)
    with written_atomically(models / FILE_NAME) as temporary:
        save_file(weights, temporary, facts)


@dataclass(frozen=True)
class LifterConfig:
    """Size of the lifter's training.

    basis_heads: random heads whose principal components make the basis of shapes; components: how many of
    these are kept; epochs: of the MLP over the pairs.
    """

    basis_heads: int = 2500
    components: int = 100
    epochs: int = 40


@dataclass(frozen=True)
class NormalizedPairs:
    """Training and held-out pairs, normalized: x (N, F), y (N, 6 + K), weight (N,), all float32."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, pairs: Pairs, norms: dict[str, np.ndarray]) -> "NormalizedPairs":
        """Apply the means and scales of `normalization`.

        Args:
            pairs: as collected.
            norms: of `normalization`.

        Returns:
            The normalized pairs.
        """
        x = (pairs.x - norms["input_mean"]) / norms["input_scale"]
        y = (pairs.y - norms["output_mean"]) / norms["output_scale"]
        return cls(x, y, pairs.weight)

    def error(self, weight: np.ndarray, bias: np.ndarray) -> float:
        """Weighted mean squared error of a linear map.

        Args:
            weight: (Out, F).
            bias: (Out,).

        Returns:
            The error, summed over the outputs.
        """
        residual = self.x @ weight.T + bias - self.y
        return float(np.average(np.square(residual).sum(1), weights=self.weight))


def sample_basis(heads: HeadSource, config: LifterConfig, rng: np.random.Generator) -> ShapeBasis:
    """The basis of shapes from random heads, a fifth of them MakeHuman's."""
    vertices = []
    for i in range(config.basis_heads):
        source = MAKEHUMAN if i % 10 < 2 else ICT
        vertices.append(heads.template_of(source, *heads.sample(rng, source)))
    return build_basis(np.stack(vertices), config.components)


def choose_ridge(
    train: NormalizedPairs, held: NormalizedPairs, noise: np.ndarray
) -> tuple[float, tuple[np.ndarray, np.ndarray], float]:
    """The penalty of `PENALTIES` with the least error on held-out pairs.

    Real pictures differ from synthetic ones in ways that held-out synthetic ones do not. So half of the score
    is on landmarks with noise; otherwise the choice falls on weights that fit the finest ripples of the
    detector's output.

    Args:
        train: pairs to fit.
        held: pairs to choose by.
        noise: (N, F) that is added to the held-out inputs, normalized.

    Returns:
        The penalty, weight (Out, F) and bias (Out,), and the error.
    """
    noisy = replace(held, x=(held.x + noise).astype(np.float32))
    ridges = {penalty: fit_ridge(train.x, train.y, train.weight, penalty) for penalty in PENALTIES}
    errors = {
        p: float(np.mean([pairs.error(*ridge) for pairs in (held, noisy)])) for p, ridge in ridges.items()
    }
    penalty = min(errors, key=errors.__getitem__)
    return penalty, ridges[penalty], errors[penalty]


def train_lifter(
    paths: DataPaths, shards: Path, models: Path, config: LifterConfig | None = None
) -> Iterator[str]:
    """Fit the basis, the ridge and the MLP, and write `landmark_lifter.safetensors`.

    Args:
        paths: where the face model, the registration and the template are.
        shards: folder of shards of both splits.
        models: folder that the lifter is written to; it has to hold the template and the landmarks' symmetry.
        config: size of the training.

    Yields:
        Lines of report.

    Raises:
        PhotobustError: there are no shards of one of the splits.
    """
    config = config or LifterConfig()
    for split in ("train", "eval"):
        require_shards(shards, split)
    heads = HeadSource.from_paths(paths)
    rng = np.random.default_rng(0)
    basis = sample_basis(heads, config, rng)
    average = heads.template_of(
        ICT, np.zeros(len(heads.model.identity)), np.zeros(len(heads.model.expression))
    )
    canonical = heads.template.landmarks(average).astype(np.float64)
    train_pairs = collect(shards, "train", heads, basis, canonical, Mirror.load(models))
    held_pairs = collect(shards, "eval", heads, basis, canonical)
    yield f"{len(train_pairs.x)} pairs (each picture and its mirror image), {len(held_pairs.x)} held out"
    norms = normalization(train_pairs)
    train, held = (NormalizedPairs.of(pairs, norms) for pairs in (train_pairs, held_pairs))

    def line(name: str, outputs: np.ndarray) -> str:
        return str(report(name, outputs * norms["output_scale"] + norms["output_mean"], held_pairs, basis))

    yield line("average head", np.zeros_like(held.y))
    noise = np.zeros_like(held.x)
    noise[:, : canonical.size] = rng.normal(size=(len(held.x), canonical.size)) * LANDMARK_NOISE_CM
    penalty, (weight, bias), error = choose_ridge(train, held, noise / norms["input_scale"])
    yield line(f"ridge, penalty {penalty}", held.x @ weight.T + bias)
    known = np.append(np.ones(train.x.shape[1] - FOCAL_FEATURES), np.zeros(FOCAL_FEATURES)).astype(np.float32)
    without_focal = fit_ridge(train.x * known, train.y, train.weight, penalty)
    yield line("ridge without focal length", held.x * known @ without_focal[0].T + without_focal[1])
    residual, held_residual = (
        (pairs.y - (pairs.x @ weight.T + bias)).astype(np.float32) for pairs in (train, held)
    )
    held_out = (held.x, held_residual, held.weight)
    layers, mlp_error = fit_mlp(
        train.x, residual, train.weight, held_out, epochs=config.epochs, noise=MLP_INPUT_NOISE
    )
    yield f"mean squared error, normalized: ridge {error:.4f}, with MLP {mlp_error:.4f}"
    weights = lifter_weights(basis, canonical, face_mesh_triangles(), norms, (weight, bias), layers)
    write_lifter(models, weights, {"pairs": str(len(train.x)), "ridge_penalty": str(penalty)})
    lifter = LandmarkLifter.from_pretrained(models, heads.template, shaded=False)
    yield str(report("ridge and MLP", lifter.regress(held_pairs.x), held_pairs, basis))
