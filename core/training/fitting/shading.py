"""Fits `core.lifting.shading`: how the lifter errs, and what brightness differs from smooth shading by.

Both are seen in pictures of known heads that the lifter was not trained on. Its errors are those of pose and
shape; the brightness is read at the vertices of the true head, so that what smooth light leaves of it is
albedo, shadows, hair and things before the face.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from scipy.spatial import cKDTree

from ...detection.landmarks import FaceLandmarks
from ...detection.mediapipe_topology import BROWS, EYES, LID_OUTLINES
from ...errors import PhotobustError
from ...geometry.pose import WeakPerspectivePose
from ...lifting.lifter import LandmarkLifter
from ...lifting.shading import SEEN, Shading, ShadingModel, lifter_fingerprint
from ...template.template import HeadTemplate
from ..data.shards import read_samples, require_shards
from ..face_models.face_weights import face_weights
from ..face_models.heads import ICT, HeadSource
from ..files import write_arrays
from ..paths import DataPaths
from ..synthesis.sample import Sample
from .cascade import basis_of
from .lifter import pose_correction

#: Components of what brightness differs from smooth shading by.
COMPONENTS = 32
#: Rounds in which what is hidden in a picture is filled in by the components found so far.
ROUNDS = 12
#: Vertices nearer to brows and lids than this are left out, meters: there are lashes and eyeballs.
EYE_MARGIN_M = 0.006
#: Least and greatest logarithm of brightness over shading that counts.
LARGEST_RESIDUAL = 2.0
#: Pictures whose typical residual is smaller are of clay and teach nothing of albedo.
LEAST_ALBEDO = 0.2
#: Variance added to each of the lifter's outputs, normalized.
LEAST_VARIANCE = 1e-5
#: Added to the deviation, and to the number of pictures that it is averaged over: vertices are seldom seen.
LEAST_DEVIATION = 0.02
FEW_PICTURES = 5
#: Fewer pictures say nothing of a covariance.
FEWEST_PICTURES = 5


@dataclass(frozen=True)
class ShadingPairs:
    """What pictures of known heads show.

    errors: (P, 6 + C), from the lifted to the true head, normalized outputs; residuals: (P, N) float32,
    logarithm of brightness over shading; weights: (P, N) float32, how well each vertex is seen.
    """

    errors: np.ndarray
    residuals: np.ndarray
    weights: np.ndarray


def train_shading(paths: DataPaths, shards: Path, file: Path) -> Iterator[str]:
    """Fit the model of the lifter beside it, and write it.

    Args:
        paths: where the face model, the registration and the template are.
        shards: folder of pictures that the lifter was not trained on, of the split "train".
        file: to write, in the folder of the lifter.

    Yields:
        Lines of report.

    Raises:
        PhotobustError: there are too few pictures.
    """
    require_shards(shards, "train")
    heads = HeadSource.from_paths(paths)
    lifter = LandmarkLifter.from_pretrained(file.parent, heads.template, shaded=False, dense=False)
    pairs = shading_pairs(lifter, heads, read_samples(shards, "train"))
    yield f"{len(pairs.errors)} pictures"
    write_arrays(file, fit_shading(pairs, lifter))
    yield f"{file}: {file.stat().st_size / 1e6:.2f} MB"


def shaded_vertices(template: HeadTemplate) -> np.ndarray:
    """(N,) int64 vertices of the face's skin, but for brows and lids."""
    weight = face_weights(template.vertices)
    triangles = template.solid_triangles
    skin = np.unique(triangles[(triangles < len(template.vertices)).all(1)])
    skin = skin[weight[skin] > 0.5 * weight.max()]
    landmarks = template.landmarks(template.vertices.astype(np.float64))
    eyes = landmarks[[*EYES, *np.concatenate(LID_OUTLINES), *BROWS]]
    return np.asarray(skin[cKDTree(eyes).query(template.vertices[skin])[0] > EYE_MARGIN_M])


def unfitted_model(lifter: LandmarkLifter) -> ShadingModel:
    """A model that knows the vertices alone: enough to observe with."""
    vertices = shaded_vertices(lifter.template)
    arrays = {
        "vertices": vertices,
        "components": np.zeros((0, len(vertices))),
        "deviation": np.ones(len(vertices)),
        "covariance": np.eye(len(lifter.weights["output_scale"])),
    }
    return ShadingModel(arrays, lifter.weights, lifter.template)


def shading_pairs(lifter: LandmarkLifter, heads: HeadSource, samples: Iterable[Sample]) -> ShadingPairs:
    """Lift pictures, and read their brightness where the true heads are.

    Args:
        lifter: Without a shading model.
        heads: Of the samples.
        samples: That the lifter was not trained on; heads of other sources than ICT-FaceKit, and turned
            portraits, are left out.

    Returns:
        The pairs.

    Raises:
        PhotobustError: There are too few pictures.
    """
    assert lifter.mirror is not None and lifter.shading is None
    model, basis = unfitted_model(lifter), basis_of(lifter)
    scale = lifter.weights["output_scale"]
    errors, residuals, weights = [], [], []
    for sample in samples:
        if sample.source != ICT or sample.turned:
            continue
        landmarks, camera = FaceLandmarks(sample.landmarks), sample.scene.assumed_camera
        view, points = lifter.upright(landmarks, camera)
        side = lifter.side_view(points, camera, view, lifter.mirror)
        prior = lifter.lift(landmarks, camera, sample.picture)
        true_head = heads.template_of(sample.source, sample.identity, sample.expression)
        true_pose = WeakPerspectivePose.of(sample.scene.pose, sample.scene.camera).mapped(view)
        pose, head = side.seen(WeakPerspectivePose.of(prior.pose, camera).mapped(view), prior.vertices)
        true_pose, true_head = side.seen(true_pose, true_head)
        shape = basis.coefficients(np.stack([true_head, head]))
        error = np.concatenate([pose_correction(pose, true_pose), shape[0] - shape[1]]) / scale
        observation = model.observe(side.picture(sample.picture), true_pose.in_camera(camera), true_head)
        shading = Shading.fit(observation)
        if shading is None:
            continue
        errors.append(error)
        residuals.append(shading.residual.astype(np.float32))
        weights.append(observation.weight.astype(np.float32))
    if len(errors) < FEWEST_PICTURES:
        raise PhotobustError(
            f"The shading's model needs {FEWEST_PICTURES} pictures of heads, not {len(errors)}."
        )
    return ShadingPairs(np.stack(errors), np.stack(residuals), np.stack(weights))


def fit_shading(pairs: ShadingPairs, lifter: LandmarkLifter) -> dict[str, np.ndarray]:
    """The arrays of models/face_shading.npz.

    Args:
        pairs: Of `shading_pairs`.
        lifter: That made them.

    Returns:
        vertices (N,) int32; components (K, N) and deviation (N,) float16, in typical residuals; covariance
        (6 + C, 6 + C) float32, of the lifter's errors; lifter (32,) uint8, its `lifter_fingerprint`.
    """
    components, deviation = albedo_components(pairs.residuals, pairs.weights)
    covariance = np.cov(pairs.errors.T) + LEAST_VARIANCE * np.eye(pairs.errors.shape[1])
    return {
        "vertices": shaded_vertices(lifter.template).astype(np.int32),
        "components": components.astype(np.float16),
        "deviation": deviation.astype(np.float16),
        "covariance": covariance.astype(np.float32),
        "lifter": lifter_fingerprint(lifter.weights),
    }


def albedo_components(
    residuals: np.ndarray, weights: np.ndarray, count: int = COMPONENTS
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of residuals of which many are hidden (soft-impute).

    R. Mazumder, T. Hastie and R. Tibshirani, "Spectral regularization algorithms for learning large
    incomplete matrices", JMLR 2010.

    Args:
        residuals: (P, N) logarithms.
        weights: (P, N) 0..1, how well each was seen.
        count: Components, at most.

    Returns:
        (K, N) components as long as their standard deviations, and (N,) the deviation of what they leave,
        both divided by that deviation's root mean square.
    """
    visible = weights > SEEN
    sizes = np.array([1.48 * np.median(np.abs(r[s])) for r, s in zip(residuals, visible, strict=True)])
    textured = sizes > LEAST_ALBEDO
    if np.count_nonzero(textured) > count:
        residuals, visible = residuals[textured], visible[textured]
    count = min(count, len(residuals) - 1)
    clipped = np.clip(residuals, -LARGEST_RESIDUAL, LARGEST_RESIDUAL).astype(np.float64)
    mean = (clipped * visible).sum(0) / np.maximum(visible.sum(0), 1)
    clipped = np.where(visible, clipped - mean, 0)
    filled = np.zeros_like(clipped)
    for _ in range(ROUNDS):
        values, directions = leading_directions(np.where(visible, clipped, filled), count)
        kept = values[:count] - values[count]
        shrunk = directions * (kept / np.maximum(values[:count], 1e-12))
        filled = (np.where(visible, clipped, filled) @ shrunk) @ directions.T
    left = np.where(visible, clipped - filled, 0)
    deviation = np.sqrt(np.square(left).sum(0) / (visible.sum(0) + FEW_PICTURES) + LEAST_DEVIATION**2)
    typical = np.sqrt(np.square(deviation).mean())
    components = directions.T * (kept / np.sqrt(len(clipped)))[:, None]
    return components / typical, deviation / typical


def leading_directions(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest singular values of a matrix, and its right singular vectors.

    Args:
        rows: (P, N) float64.
        count: Of vectors, less than P and N.

    Returns:
        (count + 1,) values, falling, and (N, count) vectors.
    """
    if len(rows) < rows.shape[1]:
        _, values, vectors = np.linalg.svd(rows, full_matrices=False)
        return values[: count + 1], vectors[:count].T
    # Of more pictures than vertices the Gram matrix is the smaller one.
    last = rows.shape[1] - 1
    squared, eigenvectors = eigh(rows.T @ rows, subset_by_index=(last - count, last))
    return np.sqrt(np.maximum(squared[::-1], 0)), eigenvectors[:, :0:-1]
