"""The statistical model of skin's albedo on the template's vertices: what skin looks like that was not seen.

A person's albedo is exp(tone + mean + sum of coefficient * component), linear, by channel: the tone is that
of the face's plain skin, mean and components are what brows, lips, ears and so on differ by.
`scripts/training/build_albedo_model.py` makes it of portraits, from observed skin alone.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..runtime.weights import model_arrays

FILE_NAME = "albedo_model.npz"
#: Linear light below which logarithms say nothing.
DARK = 4e-3
#: Rounds of reweighting.
ROUNDS = 6
#: Residuals, in standard deviations, from which on a color counts ever less (Cauchy's weights).
OUTLIER = 2.5
#: Weight of observations that say the same thing as their neighbors: vertices are not independent.
INDEPENDENT = 0.1


@dataclass(frozen=True)
class AlbedoFit:
    """A person's albedo.

    Attributes:
        tone: (3,) float64, natural logarithm of the plain skin's linear color.
        coefficients: (K,) float64, in standard deviations.
        logs: (V, 3) float32, natural logarithm of the linear albedo of all vertices.
    """

    tone: np.ndarray
    coefficients: np.ndarray
    logs: np.ndarray


@dataclass(frozen=True)
class AlbedoModel:
    """The model, for the template's V vertices.

    Attributes:
        mean: (V, 3) float32, natural logarithms beside the tone.
        components: (K, V, 3) float32, of unit variance.
        deviation: (V,) float32, what of a person's skin the components leave, natural logarithm.
        tone_mean: (3,) float64, mean tone of people.
        tone_covariance: (3, 3) float64.
        lightness_mean: (C,) float64, mean of `FaceColors.contrasts`.
        lightness_deviation: (C,) float64, their standard deviations.
        lightness_weights: (2 C + 1,) float64, from `skin_tone.contrast_terms` to the natural logarithm of the
            luminance of the plain skin's albedo.
    """

    mean: np.ndarray
    components: np.ndarray
    deviation: np.ndarray
    tone_mean: np.ndarray
    tone_covariance: np.ndarray
    lightness_mean: np.ndarray
    lightness_deviation: np.ndarray
    lightness_weights: np.ndarray

    @classmethod
    def load(cls, models_dir: Path) -> "AlbedoModel | None":
        """Read the model of a folder; None if the folder has none."""
        return _read(Path(models_dir) / FILE_NAME)

    def at_vertices(self, origin: np.ndarray) -> "AlbedoModel":
        """The model for a head's vertices.

        Args:
            origin: (N,) int, the template's vertex that each of them is, or is like.
        """
        return replace(
            self,
            mean=self.mean[origin],
            components=self.components[:, origin],
            deviation=self.deviation[origin],
        )

    def fit(self, logs: np.ndarray, weight: np.ndarray) -> AlbedoFit:
        """Find the person's albedo that explains observed colors; what it cannot explain counts little.

        Args:
            logs: (V, 3) natural logarithms of linear colors.
            weight: (V,) 0..1, how well each was observed.

        Returns:
            The fit; with nothing observed, the mean person's.
        """
        used = np.flatnonzero(weight > 1e-3)
        count = len(self.components)
        if not len(used):
            logs_of_mean = self.mean + self.tone_mean
            return AlbedoFit(self.tone_mean, np.zeros(count), logs_of_mean.astype(np.float32))
        target = logs[used].astype(np.float64) - self.mean[used]
        columns = self._columns(used)
        basis = columns[:count].reshape(count, len(used), 3)
        precision = (
            weight[used].astype(np.float64) * INDEPENDENT / self.deviation[used].astype(np.float64) ** 2
        )
        tone, coefficients = np.median(target, axis=0), np.zeros(count)
        robust = np.ones(len(used))
        for _ in range(ROUNDS):
            residual = target - tone - np.tensordot(coefficients, basis, 1)
            size = np.sqrt((residual**2).mean(1)) / self.deviation[used]
            scale = max(float(np.median(size)), 1.0)
            robust = 1 / (1 + (size / (OUTLIER * scale)) ** 2) ** 2
            tone, coefficients = self._solve(target, columns, precision * robust)
        fitted = self.mean + tone + np.tensordot(coefficients, self.components, 1)
        return AlbedoFit(tone, coefficients, fitted.astype(np.float32))

    def _columns(self, used: np.ndarray) -> np.ndarray:
        """(K + 3, 3 U) float64: the components at vertices (U,), then the tone's channels."""
        count = len(self.components)
        columns = np.zeros((count + 3, len(used), 3))
        columns[:count] = self.components[:, used]
        for channel in range(3):
            columns[count + channel, :, channel] = 1
        return columns.reshape(count + 3, -1)

    def _solve(
        self, target: np.ndarray, columns: np.ndarray, precision: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tone and coefficients by weighted least squares with the model's prior."""
        count = len(self.components)
        weighted = columns * np.repeat(precision, 3)
        matrix = weighted @ columns.T
        matrix[np.arange(count), np.arange(count)] += 1
        right = weighted @ target.ravel()
        # The tone is what it is: the prior is weak, so that it is there without any skin, too.
        inverse = np.linalg.inv(self.tone_covariance) * 1e-2
        matrix[count:, count:] += inverse
        right[count:] += inverse @ self.tone_mean
        solution = np.linalg.solve(matrix, right)
        return solution[count:], solution[:count]


@lru_cache(maxsize=2)
def _read(path: Path) -> AlbedoModel | None:
    if not path.is_file():
        return None
    with model_arrays(path) as data:
        return AlbedoModel(
            data["mean"].astype(np.float32),
            data["components"].astype(np.float32) * data["scale"].astype(np.float32)[:, None, None],
            data["deviation"].astype(np.float32),
            data["tone_mean"].astype(np.float64),
            data["tone_covariance"].astype(np.float64),
            *(data[f"lightness_{name}"].astype(np.float64) for name in ("mean", "deviation", "weights")),
        )
