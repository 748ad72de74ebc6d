"""The regressions from dense landmarks to corrections of the lifted head, one for each look.

They are fitted to pictures that the network was not trained on, or they would trust it too much. What the
first look leaves of the shape, further ones do not find: they correct the pose alone.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
from ...lifting.lifter import CROPS, FILE_NAME, POSE_OUTPUTS, LandmarkLifter
from ...lifting.shading import FITTED_TO, lifter_fingerprint
from ..files import written_atomically
from ..fitting.cascade import StageData, score, weighted_mean
from ..fitting.lifter import fit_ridge
from ..paths import DataPaths
from .observations import LiftedFaces

#: Penalties of the ridge regression on normalized inputs, for the pose and for the shape.
POSE_PENALTY = 0.02
SHAPE_PENALTY = 0.5
#: Squared normalized errors of pose and shape together from which on a face was lifted wrongly, and teaches
#: nothing.
WRONGLY_LIFTED = 20.0


@dataclass(frozen=True)
class LookJob:
    """One look of the network at the faces of a shard.

    Attributes:
        paths: where the lifter and the network are.
        model: of points in the window.
        faces: a file of lifted faces.
        number: of the look, from 0 on; it is at the crop of that number.
        z: (N, 6 + K) float32, normalized outputs after the look before, or None for those of the lifter.
    """

    paths: DataPaths
    model: DenseModel
    faces: Path
    number: int
    z: np.ndarray | None


def look_data(job: LookJob) -> StageData:
    """What the regression of one look is fitted to.

    Args:
        job: the look.

    Returns:
        As for the lifter's stages; the inputs are those of `DenseLandmarks.stage_input`, float32.
    """
    torch.set_num_threads(1)
    faces, number = LiftedFaces.read(job.faces), job.number
    outputs = faces.lifted if job.z is None else job.z
    lifter = LandmarkLifter.from_pretrained(job.paths.models, shaded=False, dense=False)
    dense = DenseLandmarks(load_dense_backend(job.paths.models), job.model, ())
    inputs = []
    for k, z in enumerate(outputs):
        head = lifter.lifted_points(faces.pose(k), z)
        crop = faces.crops[k, number], faces.crop_frame(k, number)
        inputs.append(dense.stage_input(head, faces.assumed_camera(k), *crop))
    return StageData(np.stack(inputs), outputs, faces.truth, faces.yaw, faces.weight)


def fit_dense_stage(train: StageData, with_shape: bool) -> dict[str, np.ndarray]:
    """Fit the regression of one look.

    Args:
        train: the pairs.
        with_shape: whether it corrects the shape, too, and not the pose alone.

    Returns:
        Its weights by name, float32.
    """
    kept = np.square(train.truth - train.z).sum(1) < WRONGLY_LIFTED
    inputs, weight = train.inputs[kept], train.weight[kept]
    residual = (train.truth - train.z)[kept]
    mean = weighted_mean(inputs, weight)
    scale = np.sqrt(weighted_mean(inputs, weight, mean)) + 1e-6
    x = (inputs - mean) / scale
    matrix, bias = np.zeros((residual.shape[1], x.shape[1])), np.zeros(residual.shape[1])
    parts = [(slice(POSE_OUTPUTS), POSE_PENALTY), (slice(POSE_OUTPUTS, None), SHAPE_PENALTY)]
    for part, penalty in parts if with_shape else parts[:1]:
        matrix[part], bias[part] = fit_ridge(x, residual[:, part], weight, penalty)
    stage = {"mean": mean, "scale": scale, "weight": matrix, "bias": bias}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in stage.items()}


def train_dense_lifter(
    paths: DataPaths, model: DenseModel, train: Sequence[Path], held: Sequence[Path], processes: int = 2
) -> Iterator[str]:
    """Fit the regressions, and write them with the model of points into the folder of models.

    Args:
        paths: where the models are, with lifter and network.
        model: of points in the window.
        train: files of lifted faces, three crops each, of pictures that the network was not trained on.
        held: files of faces to test it on.
        processes: that run the network.

    Yields:
        Lines of report.
    """
    from safetensors.numpy import load_file, save_file

    lifter = LandmarkLifter.from_pretrained(paths.models, shaded=False, dense=False)
    files = [*train, *held]
    outputs: Sequence[np.ndarray | None] = [None] * len(files)
    arrays: dict[str, np.ndarray] = {}
    with ProcessPoolExecutor(processes) as pool:
        for number in range(len(CROPS)):
            jobs = [LookJob(paths, model, path, number, z) for path, z in zip(files, outputs, strict=True)]
            seen = list(pool.map(look_data, jobs))
            fitted, tested = StageData.joined(seen[: len(train)]), StageData.joined(seen[len(train) :])
            if number == 0:
                yield f"{len(fitted.z)} pairs"
                yield score("stages", tested.z, tested, lifter)
            weights = fit_dense_stage(fitted, with_shape=number == 0)
            weights["weight"] = weights["weight"].astype(np.float16)
            arrays |= {f"stage{number + 1}.{name}": value for name, value in weights.items()}
            stage = Stage.read(arrays, number + 1)
            after = [data.z + np.stack([stage(row) for row in data.inputs]) for data in seen]
            yield score(f"look {number + 1}", np.concatenate(after[len(train) :]), tested, lifter)
            outputs = after
    arrays |= {"points_mean": model.mean, "points_basis": model.basis.astype(np.float16)}
    arrays[FITTED_TO] = lifter_fingerprint(load_file(paths.models / FILE_NAME))
    with written_atomically(paths.models / DENSE_LIFTER_NAME) as temporary:
        save_file(arrays, temporary, {"pairs": str(len(fitted.z))})
