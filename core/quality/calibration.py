"""The calibration: from a head's measures to its expected error.

`scripts/training/calibrate_quality.py` makes it.

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
from .measures import Measures, measure_key, measure_name

FILE_NAME = "quality_calibration.json"
#: Logarithms are of at least this.
SMALLEST = 1e-6
#: No figure of the file is as large.
LARGEST = 1e6
#: Logarithms of errors, mm, beyond this are none.
MAX_LOG = 100.0
#: What is done to a measure so that a greater value is a worse one.
TRANSFORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda value: value,
    "negative": lambda value: -value,
    "absolute": np.abs,
    "log": lambda value: np.log(np.maximum(value, SMALLEST)),
    "negative log": lambda value: -np.log(np.maximum(value, SMALLEST)),
}


@dataclass(frozen=True)
class Term:
    """A measure's contribution to the error; beyond its knots it adds nothing more.

    Attributes:
        measure: The measure's name.
        transform: One of TRANSFORMS.
        knots: (K,) rising values of the transformed measure.
        weights: (K - 1,) >= 0, what it adds to the log of the error between two knots.
        usual: What it adds on average.
    """

    measure: str
    transform: str
    knots: np.ndarray
    weights: np.ndarray
    usual: float = 0.0

    def ramps(self, values: np.ndarray) -> np.ndarray:
        """How far values of the measure are past each interval between two knots.

        Args:
            values: (N,) in the measure's unit.

        Returns:
            (N, K - 1) float64, 0..1.
        """
        return ramps(TRANSFORMS[self.transform](np.asarray(values, np.float64)), self.knots)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """What the measure adds to the log of the error.

        Args:
            values: (N,) in the measure's unit.

        Returns:
            (N,) float64, log of mm.
        """
        return self.ramps(values) @ self.weights


def ramps(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Piecewise linear basis functions.

    Args:
        values: (N,).
        knots: (K,), rising.

    Returns:
        (N, K - 1): 0 below an interval between two knots, 1 above it, linear in it.
    """
    return np.clip((values[:, None] - knots[:-1]) / np.maximum(np.diff(knots), 1e-9), 0, 1)


@dataclass(frozen=True)
class ExpectedError:
    """The error of heads that measure alike.

    Attributes:
        error: Their median, mm.
        low: 10 % quantile, mm.
        high: 90 % quantile, mm.
        contributions: What each measure adds to the log of the error, beyond what it usually does.
    """

    error: float
    low: float
    high: float
    contributions: dict[str, float]


@dataclass(frozen=True)
class Calibration:
    """What the file holds.

    Attributes:
        base: Log of the error, mm, of a head without any flaw.
        terms: What measures add to it.
        spread: (3, B) log of the expected error, mm, and at it the 10 and 90 % quantiles of log(true error /
            expected error).
        models: Fingerprints of the weights that it was made for.
        about: How it was made, and its cross-validated figures.
    """

    base: float
    terms: tuple[Term, ...]
    spread: np.ndarray
    models: dict[str, str]
    about: dict[str, Any]

    def log_error(self, measures: Mapping[str, np.ndarray]) -> np.ndarray:
        """The expected error of several heads.

        Args:
            measures: Arrays (N,) by measure.

        Returns:
            (N,) log of the errors, mm.
        """
        return self.base + np.sum([term(measures[term.measure]) for term in self.terms], axis=0)

    def quantiles(self, log_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The interval that holds 80 % of the true errors.

        Args:
            log_error: (N,) log of the expected errors, mm.

        Returns:
            (N,) and (N,), logs of the 10 and 90 % quantiles, mm.
        """
        at, low, high = self.spread
        return log_error + np.interp(log_error, at, low), log_error + np.interp(log_error, at, high)

    def expected(self, measures: Mapping[str, float]) -> ExpectedError:
        """The expected error of one head."""
        log_error = self.log_error({name: np.array([value]) for name, value in measures.items()})
        contributions = {
            term.measure: float(term(np.array([measures[term.measure]]))[0]) - term.usual
            for term in self.terms
        }
        low, high = self.quantiles(log_error)
        error, least, most = (float(np.exp(value[0])) for value in (log_error, low, high))
        return ExpectedError(error, least, most, contributions)

    def made_for(self, models: Mapping[str, str]) -> bool:
        """If these are the weights, by `core.runtime.weights.fingerprints`; missing ones are left out."""
        both = self.models.keys() & models.keys()
        return bool(both) and all(self.models[name] == models[name] for name in both)

    def to_json(self) -> str:
        """The file."""
        terms = [
            {
                "measure": measure_key(term.measure),
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
        terms = tuple(_term(term) for term in document["terms"])
        spread = document["spread"]
        table = np.stack([_numbers(spread[key]) for key in ("log_mm", "low", "high")])
        if not table.size or (np.diff(table[0]) < 0).any() or (table[1] > table[2]).any():
            raise ValueError("the spread does not rise")
        base = _numbers([document["base"]])[0]
        greatest = abs(base) + sum(term.weights.sum() for term in terms) + np.abs(table).max()
        if not terms or greatest > MAX_LOG:
            raise ValueError("it gives no error that a head can have")
        return cls(float(base), terms, table, dict(document["models"]), dict(document["about"]))


def _term(document: Mapping[str, Any]) -> Term:
    """A term of the file. Raises ValueError if it cannot be used."""
    name = measure_name(document["measure"])
    if name not in Measures.names() or document["transform"] not in TRANSFORMS:
        raise ValueError(f"the measure {name} or its transform is unknown")
    knots, weights = _numbers(document["knots"]), _numbers(document["weights"])
    if len(weights) != len(knots) - 1 or (weights < 0).any() or (np.diff(knots) < 0).any():
        raise ValueError(f"the knots or weights of {name} do not fit")
    return Term(name, document["transform"], knots, weights, float(_numbers([document["usual"]])[0]))


def _numbers(values: Any) -> np.ndarray:
    """(N,) float64 of a list of finite numbers of moderate size. Raises ValueError if it is none."""
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not (np.abs(array) < LARGEST).all():
        raise ValueError("a list of numbers is expected")
    return array.astype(np.float64)


@lru_cache(maxsize=4)
def load_calibration(models_dir: Path) -> Calibration | None:
    """Read the calibration of a folder of models.

    Args:
        models_dir: The folder.

    Returns:
        The calibration; None if there is none, as beside fresh weights.

    Raises:
        ModelError: If the file is damaged.
    """
    path = models_dir / FILE_NAME
    if not path.is_file():
        return None
    try:
        return Calibration.from_json(path.read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path} is damaged ({error}): get it again or make it: scripts/training/calibrate_quality.py"
        ) from error
