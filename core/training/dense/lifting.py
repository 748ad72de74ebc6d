"""The regression from dense landmarks to corrections of the lifted head.

It is fitted to pictures that the network was not trained on, or it would trust the network too much.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ...lifting.cascade import Stage
from ...lifting.dense_landmarks import (
    DENSE_LIFTER_NAME,
    DenseLandmarks,
    DenseModel,
    load_dense_backend,
)
from ...lifting.dense_network import COMPONENTS
from ...lifting.lifter import CROPS, FILE_NAME, POSE_OUTPUTS, LandmarkLifter
from ...lifting.shading import FITTED_TO, lifter_fingerprint
from ...template.symmetry import Mirror
from ..data.shards import Shard
from ..face_models.heads import HeadSource
from ..files import written_atomically
from ..fitting.cascade import StageData, observation_of, score, true_outputs, weighted_mean
from ..fitting.lifter import fit_ridge
from ..paths import DataPaths

#: Penalties of the ridge regression on normalized inputs, for the pose and for the shape.
POSE_PENALTY = 0.02
SHAPE_PENALTY = 0.5
#: Squared normalized errors of pose and shape together from which on a face was lifted wrongly, and teaches
#: nothing.
WRONGLY_LIFTED = 20.0


def dense_stage_data(paths: DataPaths, model: DenseModel, shard_path: Path) -> StageData:
    """What the regression is fitted to, of one shard.

    Args:
        paths: where the face model, the registration, the lifter and the network are.
        model: of points in the window.
        shard_path: the shard.

    Returns:
        As for the lifter's stages; the inputs are those of `DenseLandmarks.stage_input`.
    """
    torch.set_num_threads(1)
    heads, mirror = HeadSource.from_paths(paths), Mirror.load(paths.models)
    lifter = LandmarkLifter.from_pretrained(paths.models, heads.template, shaded=False, dense=False)
    nothing = Stage.of_nothing(COMPONENTS + len(lifter.weights["basis"]), len(lifter.weights["output_mean"]))
    dense = DenseLandmarks(load_dense_backend(paths.models), model, nothing)
    shard = Shard(shard_path)
    rows = [observation_of(shard.sample(i), heads, lifter, mirror, None) for i in range(len(shard))]
    inputs, lifted = [], []
    for row in rows:
        camera = row.sample.scene.assumed_camera
        crops = lifter.features(row.sample.picture, row.points, row.pose, None, CROPS)
        z = lifter.staged(row.x, row.z, row.pose, camera, crops)
        inputs.append(dense.stage_input(lifter.lifted_points(row.pose, z), camera, crops))
        lifted.append(z)
    return StageData(
        np.stack(inputs),
        np.stack(lifted).astype(np.float32),
        true_outputs(lifter, rows),
        np.array([row.sample.scene.pose.angles[0] for row in rows], np.float32),
        np.array([row.weight for row in rows], np.float32),
    )


def fit_dense_stage(train: StageData) -> dict[str, np.ndarray]:
    """Fit the regression.

    Args:
        train: the pairs.

    Returns:
        Its weights by name, float32.
    """
    kept = np.square(train.truth - train.z).sum(1) < WRONGLY_LIFTED
    inputs, weight = train.inputs[kept], train.weight[kept]
    residual = (train.truth - train.z)[kept]
    mean = weighted_mean(inputs, weight)
    scale = np.sqrt(weighted_mean(inputs, weight, mean)) + 1e-6
    x = (inputs - mean) / scale
    parts = [
        fit_ridge(x, residual[:, part], weight, penalty)
        for part, penalty in (
            (slice(POSE_OUTPUTS), POSE_PENALTY),
            (slice(POSE_OUTPUTS, None), SHAPE_PENALTY),
        )
    ]
    matrix, bias = (np.concatenate(column) for column in zip(*parts, strict=True))
    stage = {"mean": mean, "scale": scale, "weight": matrix, "bias": bias}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in stage.items()}


def train_dense_lifter(
    paths: DataPaths, model: DenseModel, train: Sequence[Path], held: Sequence[Path], processes: int = 2
) -> Iterator[str]:
    """Fit the regression, and write it with the model of points into the folder of models.

    Args:
        paths: where the face model and the registration are, and the models with lifter and network.
        model: of points in the window.
        train: shards of pictures that the network was not trained on.
        held: shards to test it on.
        processes: that lift the pictures.

    Yields:
        Lines of report.
    """
    from safetensors.numpy import load_file, save_file

    with ProcessPoolExecutor(processes) as pool:
        work = partial(dense_stage_data, paths, model)
        fitted, tested = (StageData.joined(list(pool.map(work, part))) for part in (train, held))
    lifter = LandmarkLifter.from_pretrained(paths.models, shaded=False, dense=False)
    yield f"{len(fitted.z)} pairs"
    yield score("stages", tested.z, tested, lifter)
    stage = fit_dense_stage(fitted)
    after = tested.z + ((tested.inputs - stage["mean"]) / stage["scale"]) @ stage["weight"].T + stage["bias"]
    yield score("dense landmarks", after, tested, lifter)
    arrays = {f"stage1.{name}": value for name, value in stage.items()}
    arrays["stage1.weight"] = arrays["stage1.weight"].astype(np.float16)
    arrays |= {"points_mean": model.mean, "points_basis": model.basis.astype(np.float16)}
    arrays[FITTED_TO] = lifter_fingerprint(load_file(paths.models / FILE_NAME))
    with written_atomically(paths.models / DENSE_LIFTER_NAME) as temporary:
        save_file(arrays, temporary, {"pairs": str(len(fitted.z))})
