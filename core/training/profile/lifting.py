"""The lifter's regressions for faces seen from the side, whose landmarks are those of the profile network.

The lifter undoes the errors of MediaPipe's landmarks, which show too little of the yaw; the profile
network's have other errors. The basis of shapes, the average landmarks and the places where features are
sampled stay the lifter's; the regression on landmarks and one stage on features of the picture are fitted
anew.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...detection.landmarks import FaceLandmarks
from ...detection.profile_finder import ProfileFinder
from ...lifting.lifter import FILE_NAME, PROFILE_FILE_NAME, PROFILE_PARTS, LandmarkLifter
from ...lifting.shading import FITTED_TO, lifter_fingerprint
from ...runtime.weights import safetensors_arrays
from ...template.symmetry import Mirror
from ...template.template import HeadTemplate
from ..data.shards import require_shards, write_shard
from ..face_models.heads import HeadSource
from ..files import written_atomically
from ..fitting.cascade import StageData, StageJob, basis_of, penalties_of, predicted, score, stage_data
from ..fitting.cascade import weighted_mean as column_mean
from ..fitting.lifter import collect, fit_ridge
from ..paths import DataPaths
from ..synthesis.sample import Sample
from .pictures import MAX_LANDMARK_ERROR, ProfilePictures

#: Penalty of the ridge regression on landmarks.
LANDMARK_PENALTY = 0.03
#: The weights of the stage's penalties relative to those of the lifter's stages, which had seven times as
#: many pairs.
STAGE_PENALTY = 2.0
#: Deviation of where it begins to look, fraction of the face's size.
START_ERROR = 0.05


def found_from_the_side(sample: Sample, finder: ProfileFinder, rng: np.random.Generator) -> Sample | None:
    """A sample with the profile network's landmarks, or None if it does not find the face.

    It looks from beside the true place on: where it ends does not depend on that, and a search takes ten
    times as long.
    """
    size = np.ptp(sample.landmarks[:, :2], axis=0).max()
    start = sample.landmarks.copy()
    start[:, :2] += rng.normal(0, START_ERROR * size, 2)
    face = finder.at(sample.picture, FaceLandmarks(start))
    if face is None:
        return None
    error = np.linalg.norm(face.points[:, :2] - sample.landmarks[:, :2], axis=1).mean() / size
    return replace(sample, landmarks=face.points) if error < MAX_LANDMARK_ERROR else None


def make_lifting_shard(
    pictures: ProfilePictures, finder: ProfileFinder, path: Path, seed: list[int], size: int
) -> int:
    """Write a shard of rendered heads from the side that the network was not trained on.

    Args:
        pictures: what draws them.
        finder: what finds them.
        path: of the file.
        seed: of the random numbers.
        size: samples in it.

    Returns:
        How many pictures that took.
    """
    rng, made = np.random.default_rng(seed), 0
    kept: list[Sample] = []
    while len(kept) < size:
        made += 1
        found = found_from_the_side(pictures.side_view(rng), finder, rng)
        if found is not None:
            kept.append(found)
    write_shard(path, kept)
    return made


def fit_stage_dual(train: StageData, penalty: np.ndarray) -> dict[str, np.ndarray]:
    """Fit a stage to fewer pairs than inputs: the ridge regression by its dual problem.

    Args:
        train: the pairs.
        penalty: (F,) float32 of each input's squared weights.

    Returns:
        The stage's weights by name.
    """
    mean = column_mean(train.inputs, train.weight)
    scale = np.sqrt(column_mean(train.inputs, train.weight, mean))
    scale = np.maximum(scale, 0.02 * np.median(scale) + 1e-6).astype(np.float32)
    residual = train.truth - train.z
    bias = np.average(residual, axis=0, weights=train.weight).astype(np.float32)
    shrunk = ((train.inputs - mean) / (scale * np.sqrt(penalty))).astype(np.float32)
    gram = shrunk @ shrunk.T
    gram[np.diag_indices(len(gram))] += train.weight.sum() / train.weight
    dual = np.linalg.solve(gram, (residual - bias).astype(np.float32))
    weight = (shrunk.T @ dual) / np.sqrt(penalty)[:, None]
    return {"mean": mean, "scale": scale, "weight": np.ascontiguousarray(weight.T), "bias": bias}


def train_profile_lifter(paths: DataPaths, shards: Path, models: Path) -> Iterator[str]:
    """Fit the regressions, and write them beside the lifter of a folder of models.

    Args:
        paths: where the face model, the registration, the template and the feature network are.
        shards: folder of shards of both splits with the profile network's landmarks.
        models: folder with the lifter.

    Yields:
        Lines of report.
    """
    from safetensors.numpy import save_file

    base = safetensors_arrays(models / FILE_NAME)
    heads, mirror = HeadSource.from_paths(paths), Mirror.load(paths.models)
    template = HeadTemplate.load(models)
    lifter = LandmarkLifter(base, template)
    pairs = collect(shards, "train", heads, basis_of(lifter), lifter.canonical, mirror)
    side = pairs.yaw > 0
    x, y, weight = pairs.x[side], pairs.y[side], pairs.weight[side]
    yield f"{len(x)} pairs"
    own = {
        "input_mean": x.mean(0),
        "input_scale": np.maximum(x.std(0), 0.05),
        "output_mean": np.average(y, axis=0, weights=weight).astype(np.float32),
    }
    weights = {k: v for k, v in base.items() if not k.startswith(("stage", "layer"))} | own
    profile = LandmarkLifter(weights, template)
    linear, bias = fit_ridge(profile.normalized(x), profile.normalized_outputs(y), weight, LANDMARK_PENALTY)
    weights |= {"linear.weight": linear, "linear.bias": bias}
    profile = LandmarkLifter(weights, template)
    train, held = (_stage_data(paths, weights, shards, split) for split in ("train", "eval"))
    yield score("landmarks alone", held.z, held, profile)
    stage = fit_stage_dual(train, STAGE_PENALTY * penalties_of(profile, train.inputs.shape[1]))
    after = held.z + stage["bias"]
    after += predicted(held.inputs, stage["mean"], stage["scale"], stage["weight"].T)
    yield score("stage 1", after, held, profile)
    weights |= {f"stage1.{name}": value for name, value in stage.items()}
    halved = {
        name: np.ascontiguousarray(value, np.float16 if name.endswith("weight") else np.float32)
        for name, value in weights.items()
        if name.startswith(PROFILE_PARTS)
    }
    halved[FITTED_TO] = lifter_fingerprint(base)
    facts = {"pairs": str(len(train.z))}
    with written_atomically(models / PROFILE_FILE_NAME) as temporary:
        save_file(halved, temporary, facts)


def _stage_data(paths: DataPaths, weights: dict[str, np.ndarray], shards: Path, split: str) -> StageData:
    job = StageJob(require_shards(shards, split), None, training=False)
    return StageData.joined(stage_data(paths, weights, job))
