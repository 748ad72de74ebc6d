"""The calibration: from a head's measures to its expected error. Made by
`scripts/training/calibrate_quality.py`.

log(error) = base + the sum of monotone piecewise linear functions, one for each measure: the worse a measure,
the greater the error, never less. numpy only; the file is JSON, which anybody can read.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError

FILE_NAME = "quality_calibration.json"
#: What makes a greater value of each transform a worse one.
TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda value: value,
    "negative": lambda value: -value,
    "absolute": np.abs,
    "log": lambda value: np.log(np.maximum(value, 1e-6)),
    "negative log": lambda value: -np.log(np.maximum(value, 1e-6)),
}


@dataclass(frozen=True)
class Term:
    """A measure's part in the error: `weights` (K - 1,) >= 0 are what it adds between its `knots` (K,), which
    are values of the transformed measure; beyond them it adds nothing more. usual: what it adds on average.
    """

    measure: str
    transform: str
    knots: np.ndarray
    weights: np.ndarray
    usual: float = 0.0

    def ramps(self, values: np.ndarray) -> np.ndarray:
        """(N, K - 1), 0..1: how far values (N,) of the measure are past each stretch between two knots."""
        return ramps(TRANSFORMS[self.transform](np.asarray(values, np.float64)), self.knots)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(N,) what values (N,) of the measure add to the log of the error."""
        return self.ramps(values) @ self.weights


def ramps(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(N, K - 1): for values (N,) and rising knots (K,), 0 below a stretch, 1 above it, straight between."""
    return np.clip((values[:, None] - knots[:-1]) / np.maximum(np.diff(knots), 1e-9), 0, 1)


@dataclass(frozen=True)
class Expected:
    """error: mm, the median of such heads' errors; low, high: mm, four of five such heads lie between them.
    parts: what each measure adds to the log of the error, more than it usually does.
    """

    error: float
    low: float
    high: float
    parts: dict[str, float]


@dataclass(frozen=True)
class Calibration:
    """base: log mm of a head without any flaw. spread: (3, B) log of the expected error, mm, and at it the 10
    and 90 % quantiles of log(true error / expected error). models: fingerprints of the weights that it was
    made for. about: how it was made, and its cross-validated figures.
    """

    base: float
    terms: tuple[Term, ...]
    spread: np.ndarray
    models: dict[str, str]
    about: dict[str, Any]

    def log_error(self, measures: Mapping[str, np.ndarray]) -> np.ndarray:
        """(N,) log of the expected error, mm; measures: arrays (N,) by name."""
        return self.base + np.sum([term(measures[term.measure]) for term in self.terms], axis=0)

    def quantiles(self, log_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logs (N,), mm, between which four of five true errors lie."""
        at, low, high = self.spread
        return log_error + np.interp(log_error, at, low), log_error + np.interp(log_error, at, high)

    def expected(self, measures: Mapping[str, float]) -> Expected:
        """The expected error of one head."""
        log_error = self.log_error({name: np.array([value]) for name, value in measures.items()})
        parts = {t.measure: float(t(np.array([measures[t.measure]]))[0]) - t.usual for t in self.terms}
        low, high = self.quantiles(log_error)
        error, least, most = (float(np.exp(value[0])) for value in (log_error, low, high))
        return Expected(error, least, most, parts)

    def made_for(self, models: Mapping[str, str]) -> bool:
        """Whether these are the weights, by `core.weights.fingerprints`; what is not there does not count."""
        both = self.models.keys() & models.keys()
        return bool(both) and all(self.models[name] == models[name] for name in both)

    def to_json(self) -> str:
        """The file."""
        terms = [
            {
                "measure": term.measure,
                "transform": term.transform,
                "knots": np.round(term.knots, 5).tolist(),
                "weights": np.round(term.weights, 5).tolist(),
                "usual": round(term.usual, 5),
            }
            for term in self.terms
        ]
        at, low, high = np.round(self.spread, 4).tolist()
        document = {
            "about": self.about,
            "models": self.models,
            "base": round(self.base, 5),
            "terms": terms,
            "spread": {"log_mm": at, "low": low, "high": high},
        }
        return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Calibration":
        """The inverse of `to_json`."""
        document = json.loads(text)
        terms = tuple(
            Term(t["measure"], t["transform"], np.array(t["knots"]), np.array(t["weights"]), t["usual"])
            for t in document["terms"]
        )
        spread = document["spread"]
        table = np.array([spread["log_mm"], spread["low"], spread["high"]])
        return cls(float(document["base"]), terms, table, dict(document["models"]), dict(document["about"]))


@lru_cache(maxsize=4)
def load_calibration(models_dir: Path) -> Calibration | None:
    """The calibration in a folder of models; None if there is none, as beside fresh weights."""
    path = models_dir / FILE_NAME
    if not path.is_file():
        return None
    try:
        return Calibration.from_json(path.read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} is damaged ({error}): get it again or make it: scripts/training/calibrate_quality.py"
        ) from error
