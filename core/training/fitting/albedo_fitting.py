"""Fits the statistical model of skin's albedo to what portraits show of it.

Portraits show hair, glasses and backgrounds, too: only what is segmented as skin, away from its edges,
counts, and what then still differs from skin counts ever less. Skins are made symmetrical, so that light from
one side does not get into the model, and completed by the model itself in turn (soft-impute: Mazumder, Hastie
and Tibshirani, Spectral Regularization Algorithms for Learning Large Incomplete Matrices, JMLR 11, 2010).
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ...geometry.mesh import shading_normals
from ...geometry.visibility import ramp
from ...image.color import LUMINANCE
from ...image.photo import Photo
from ...reconstructor import Reconstruction
from ...template.regions import Regions
from ...template.topology import SKIN, HeadTopology
from ...texture.albedo_model import DARK
from ...texture.delighting import relative_shading
from ...texture.face_colors import CONTRASTS, SKIN_HUE
from ...texture.inpainting import SmoothCompletion
from ...texture.settings import TextureSettings
from ...texture.skin_locus import luminance_of
from ...texture.skin_sampler import SkinSampler
from ...texture.skin_tone import contrast_terms
from ..files import write_arrays

#: Side of the texture that portraits are looked at in, texels.
SAMPLED_SIZE = 1024
#: Pixels of the segment frame, 2.2 mm each, that what is no skin is widened by: more than for a head.
TRAINING_MARGIN_PX = 3
#: Meters from the head's outline at which skin begins to count, and counts fully.
OUTLINE = (0.006, 0.016)
#: Components that are fitted, and kept.
FITTED = 20
KEPT = 16
#: How often light and mean are found in turn, and how often skins are completed for each.
ROUNDS = 3
IMPUTATIONS = 12
#: Difference from the mean skin, natural logarithms, of hue and of lightness, from which on a color counts
#: less; at twice that it does not count. For plain skin, and for lips, brows and lids.
HUE_LIMITS = (0.22, 0.5)
LIGHTNESS_LIMITS = (0.45, 1.2)
#: Residual, natural logarithm, from which on a color counts ever less.
OUTLIER = 0.3
#: People who show a vertex, for its mean to be taken as it is.
ENOUGH_PEOPLE = 8
#: Settings of the light that is taken out: more of it than from a head's texture.
LIGHT = TextureSettings(delight_strength=0.9, min_shading=0.35, max_shading=2.0)
#: Where the back of the head and the neck begin, which few portraits show in good light: y in the head frame,
#: meters, and the width of the transition. There the model is smooth and keeps only part of the differences.
BACK_Y = 0.01
BACK_WIDTH = 0.03
MEAN_FRACTION = 0.5
COMPONENT_FRACTION = 0.7
#: Bounds, L*, of the groups of skin that count alike in the regression of lightness, however many people they
#: have; about those of the individual typology angle: deep, brown, tan, intermediate, light.
LIGHTNESS_GROUPS = (38.0, 48.0, 58.0, 63.0)
#: Resistance of that regression.
LIGHTNESS_RIDGE = 10.0
#: How much further from the middle than that regression says skin is: it draws very deep and very fair skin
#: to the middle (slope 0.82 on people left out; so 0.93).
LIGHTNESS_EXPANSION = 1.15
#: Copies in tinted light of each portrait, and the standard deviations of red and blue, natural logarithms.
TINTED_COPIES = 4
TINT_DEVIATION = (0.13, 0.16)
#: Least and greatest deviation of a vertex from what the model says, natural logarithm.
DEVIATION_LIMITS = (0.06, 0.4)


@dataclass(frozen=True)
class ObservedSkin:
    """What a portrait shows of a person's skin.

    Attributes:
        colors: (V, 3) float32, linear, as photographed.
        weight: (V,) float32, 0..1.
        vertices: (V, 3) float32, the head as photographed, head frame, meters.
    """

    colors: np.ndarray
    weight: np.ndarray
    vertices: np.ndarray

    @classmethod
    def load(cls, path: Path) -> "ObservedSkin":
        """Read what `save` has written."""
        with np.load(path) as data:
            return cls(*(data[field.name] for field in fields(cls)))

    def save(self, path: Path) -> None:
        """Write an .npz file."""
        write_arrays(
            path, {field.name: getattr(self, field.name) for field in fields(self)}, compressed=False
        )


def observe(sampler: SkinSampler, photo: Photo, reconstruction: Reconstruction) -> ObservedSkin:
    """What a photo shows of the skin at the template's vertices, without beards.

    Args:
        sampler: Of the topology, at SAMPLED_SIZE.
        photo: The photo.
        reconstruction: A face of it, with a head and a segmentation.

    Raises:
        ValueError: It has none.
    """
    head, segmentation = reconstruction.head, reconstruction.segmentation
    if head is None or segmentation is None:
        raise ValueError("the reconstruction has no head or no segmentation")
    view = sampler.view(
        photo.rgb,
        reconstruction.frame,
        reconstruction.pose,
        head.vertices,
        segmentation,
        keep_beard=False,
        margin_px=TRAINING_MARGIN_PX,
    )
    weight = view.weight * ramp(view.outline, *OUTLINE)
    colors, observed = sampler.to_vertices(view.colors, weight)
    return ObservedSkin(colors, observed, head.vertices[: len(colors)].astype(np.float32))


class AlbedoFitting:
    """Fits the model to many people's skins."""

    def __init__(self, topology: HeadTopology, skins: list[ObservedSkin]) -> None:
        """Take what was observed.

        Args:
            topology: Of all heads.
            skins: One a person.
        """
        self.topology, self.skins = topology, skins
        self.regions = Regions.of(topology)
        self.completion = SmoothCompletion(topology)
        self.members = topology.vertices_of(SKIN)
        self.on_skin = np.zeros(len(topology.vertices), np.float32)
        self.on_skin[self.members] = 1

    def fit(self) -> dict[str, np.ndarray]:
        """The arrays of `albedo_model.npz`."""
        mean = np.zeros((len(self.topology.vertices), 3))
        for number in range(ROUNDS):
            logs, weight, tones = self._skins_without_light(mean, number > 0)
            mean, components, deviation, shown = self._components(logs, weight)
        back = np.clip((self.topology.vertices[:, 1] - BACK_Y) / BACK_WIDTH, 0, 1)
        back = np.maximum.reduce([back, self.regions.neck, self.regions.scalp]) * (1 - self.regions.ear)
        certainty = np.minimum(shown / ENOUGH_PEOPLE, 1) * self.on_skin
        mean = self._inwards(self._smoothed(mean, back, certainty, MEAN_FRACTION))
        components = np.stack(
            [
                self._inwards(self._smoothed(component, back, certainty, COMPONENT_FRACTION))
                for component in components[:KEPT]
            ]
        )
        scale = np.abs(components).max((1, 2))
        deviation = self.completion.smooth(deviation[:, None], certainty, anchor=np.full(1, 0.12))[:, 0]
        return {
            "mean": mean.astype(np.float16),
            "components": (components / scale[:, None, None]).astype(np.float16),
            "scale": scale.astype(np.float32),
            "deviation": np.clip(deviation, *DEVIATION_LIMITS).astype(np.float16),
            "tone_mean": tones.mean(0),
            "tone_covariance": np.cov(tones.T),
            **unknown_lightness(float(np.median(tones @ LUMINANCE))),
        }

    def _skins_without_light(
        self, mean: np.ndarray, trusted: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithms of all people's albedo beside their tone (P, V, 3), symmetrical, their weights (P, V),
        and the tones (P, 3).

        Args:
            mean: (V, 3) the mean skin, which is no light.
            trusted: Whether it is one already.
        """
        regions, mirror = self.regions, self.topology.mirror
        face = np.maximum(
            regions.plain * (1 - 0.5 * regions.beard), 0.25 * (1 - regions.features) * (1 - regions.scalp)
        )
        hue_limit, lightness_limit = (
            np.where(regions.features > 0.3, limits[1], limits[0])
            for limits in (HUE_LIMITS, LIGHTNESS_LIMITS)
        )
        relative = np.exp(mean) @ LUMINANCE
        logs, weights, tones = [], [], []
        for skin in self.skins:
            observed = skin.weight * self.on_skin
            normals = shading_normals(skin.vertices, self.topology.triangles)
            shading = relative_shading(normals, skin.colors / relative[:, None], observed * face, LIGHT)
            values = np.log(np.maximum(skin.colors / shading[:, None], DARK)).astype(np.float64)
            plain = observed * regions.plain
            tone = np.array([weighted_median(values[:, k] - mean[:, k], plain) for k in range(3)])
            values -= tone
            residual = values - mean * trusted
            hue = np.linalg.norm(residual - residual.mean(1, keepdims=True), axis=1)
            observed = observed * np.clip(2 - hue / hue_limit, 0, 1)
            observed *= np.clip(2 - np.abs(residual.mean(1)) / lightness_limit, 0, 1)
            both = np.maximum(observed + observed[mirror], 1e-6)[:, None]
            logs.append((values * observed[:, None] + values[mirror] * observed[mirror][:, None]) / both)
            weights.append(np.minimum(observed + observed[mirror], 1) * self.on_skin)
            tones.append(tone)
        return np.stack(logs), np.stack(weights), np.stack(tones)

    def _components(
        self, logs: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Robust principal components of incomplete skins.

        Returns:
            The mean (V, 3), the components (FITTED, V, 3) of unit variance, what they leave (V,), and how
            many people show each vertex (V,).
        """
        people, count = weight.shape
        shown = weight.sum(0)
        mean = (logs * weight[..., None]).sum(0) / np.maximum(shown, 1e-6)[:, None]
        nothing = np.zeros(3)
        mean = self.completion.smooth(
            mean, np.minimum(shown / ENOUGH_PEOPLE, 1) * self.on_skin, anchor=nothing
        ).astype(np.float64)
        completed = np.stack(
            [
                mean + self.completion.smooth(log - mean, own, anchor=nothing)
                for log, own in zip(logs, weight, strict=True)
            ]
        )
        robust = weight.copy()
        kept = min(FITTED, people - 2)
        for _ in range(IMPUTATIONS):
            known = robust[..., None]
            data = (logs * known + completed * (1 - known))[:, self.members].reshape(people, -1)
            middle = data.mean(0)
            left, sigma, right = np.linalg.svd(data - middle, full_matrices=False)
            noise = np.median(sigma[kept:])
            shrunk = np.maximum(sigma[:kept] - noise**2 / sigma[:kept], 0)
            completed[:, self.members] = (middle + (left[:, :kept] * shrunk) @ right[:kept]).reshape(
                people, -1, 3
            )
            residual = np.sqrt(((logs - completed) ** 2).mean(2))
            robust = weight / (1 + (residual / OUTLIER) ** 2) ** 2
        mean, components = np.zeros((count, 3)), np.zeros((kept, count, 3))
        mean[self.members] = middle.reshape(-1, 3)
        components[:, self.members] = (right[:kept] * shrunk[:, None] / np.sqrt(people)).reshape(kept, -1, 3)
        deviation = np.sqrt((robust * residual**2).sum(0) / np.maximum(robust.sum(0), 1e-3))
        return mean, components, deviation, shown

    def _smoothed(
        self, values: np.ndarray, back: np.ndarray, certainty: np.ndarray, fraction: float
    ) -> np.ndarray:
        """Values (V, 3), smooth and less of them where `back` (V,) is 1."""
        smooth = self.completion.smooth(values, 0.3 * certainty, 0.5, anchor=np.zeros(3))
        return np.asarray(values * (1 - back)[:, None] + fraction * smooth * back[:, None])

    def _inwards(self, values: np.ndarray) -> np.ndarray:
        """Values (V, 3) of the skin, gone on with into mouth and eye sockets."""
        inside = self.completion.smooth(values, self.on_skin)
        return np.where(self.on_skin[:, None] > 0, values, inside)


def unknown_lightness(lightness: float) -> dict[str, np.ndarray]:
    """What `fit_lightness` returns, for faces whose contrasts say nothing.

    Args:
        lightness: Of all skin, natural logarithm of its luminance.
    """
    weights = np.zeros(2 * CONTRASTS + 1)
    weights[-1] = lightness
    return {
        "lightness_mean": np.zeros(CONTRASTS),
        "lightness_deviation": np.ones(CONTRASTS),
        "lightness_weights": weights,
    }


def fit_lightness(contrasts: np.ndarray, lightness: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Learn how light skin is by what stands out of it.

    Args:
        contrasts: (N, C) of portraits (`FaceColors.contrasts`).
        lightness: (N,) L* of the plain skin's albedo.
        seed: Of the tints.

    Returns:
        The arrays `lightness_mean`, `lightness_deviation` and `lightness_weights` of the model.
    """
    rng = np.random.default_rng(seed)
    mean, deviation = np.nanmean(contrasts, 0), np.nanstd(contrasts, 0) + 1e-6
    true = np.log([luminance_of(value) for value in lightness])
    group = np.digitize(lightness, LIGHTNESS_GROUPS)
    counts = 1 / np.bincount(group)[group]
    counts *= len(counts) / counts.sum()
    matrix: np.ndarray = np.zeros(())
    right: np.ndarray = np.zeros(())
    for copy in range(TINTED_COPIES):
        terms = contrast_terms(tinted(contrasts, rng) if copy else contrasts, mean, deviation)
        matrix = matrix + terms.T @ (terms * counts[:, None]) / TINTED_COPIES
        right = right + terms.T @ (true * counts) / TINTED_COPIES
    ridge = LIGHTNESS_RIDGE * np.eye(len(matrix))
    ridge[-1, -1] = 0
    weights = np.linalg.solve(matrix + ridge, right)
    weights *= LIGHTNESS_EXPANSION
    weights[-1] -= (LIGHTNESS_EXPANSION - 1) * float(np.average(true, weights=counts))
    return {"lightness_mean": mean, "lightness_deviation": deviation, "lightness_weights": weights}


def tinted(contrasts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Contrasts as they are in light of other colors: those within the face stay as they are.

    Args:
        contrasts: (N, C) of portraits (`FaceColors.contrasts`).
        rng: Random numbers.

    Returns:
        (N, C) of the same faces.
    """
    red, blue = rng.normal(0, TINT_DEVIATION, (len(contrasts), 2)).T
    changed = contrasts.copy()
    changed[:, SKIN_HUE] += np.stack([red, red - blue], 1)
    return changed


def weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """The value with half of the weight below it.

    Args:
        values: (N,).
        weight: (N,) not negative.

    Returns:
        The median; 0 without any weight.
    """
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    if not len(total) or total[-1] <= 0:
        return 0.0
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
