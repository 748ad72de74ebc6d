"""Fits the quality report's calibration to a table of measures and true errors, and says how good it is on
people that it was not fitted to.

A ridge whose weights may not be negative, on ramps between quantiles of each measure: an additive model that
is monotone in every measure by construction (compare J. H. Friedman, R. Tibshirani, "The Monotone Smoothing
of Scatterplots", Technometrics 1984, and pool-adjacent-violators; ramps keep it continuous). The spread is
split conformal: quantiles of the residuals on left-out people (V. Vovk et al., "Algorithmic Learning in a
Random World", 2005), by expected error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...quality.calibration import TRANSFORMS, Calibration, Term, ramps
from ...quality.measures import measure_key

#: The error that is predicted, of the table's.
TARGET = "placed"
#: Smaller true errors, mm, count as this one.
LEAST_MM = 0.5
#: Greater true errors, mm, count as this one: of heads that miss the face, the distance says nothing.
MOST_MM = 40.0
#: Measures that the error is predicted from, and what makes a greater value of them a worse one. On 234 heads
#: more of them (shading, the network's movement, the distance from the template, pitch) predicted left-out
#: people worse, with a rank correlation of 0.57 instead of 0.59.
MEASURES = {
    "yaw_deg": "absolute",
    "sharpness": "negative",
    "truncation": "as it is",
    "detection_score": "negative",
    "redetection_error": "log",
    "redetection_turn_deg": "log",
    "redetection_shape_mm": "log",
    "landmark_error": "log",
    "face_region_iou": "negative",
    "perspective": "log",
    "focal_known": "negative",
}
#: Knots of a measure: these quantiles of its transformed values. Six of them predicted worse.
KNOTS = (0.05, 0.5, 0.85, 0.98)
#: Strength of the ridge, in rows that say that a weight is zero; from 1 to 12 it hardly matters.
RIDGE = 4.0
#: Folds of the cross-validation.
FOLDS = 10
#: Seed of their choice.
FOLD_SEED = 0
#: Quantiles of the true errors between which the spread lies.
LOW = 0.1
HIGH = 0.9
#: Groups of rows, by expected error, that each get a spread of their own.
SPREAD_GROUPS = 4
YAW_BINS = (0, 30, 60, 91)
#: Heads that are kept in the file.
EXAMPLES = 4


class Table:
    """Rows that came to a head, as columns.

    measures: (N,) by name; error: (N,) mm; yaw: (N,) true, degrees; flaw: (N,) names; index: (N,), which also
    identifies the person: every picture shows another one.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], target: str = TARGET) -> None:
        rows = [row for row in rows if "errors" in row]
        self.measures = {
            name: np.array([row["measures"][measure_key(name)] for row in rows]) for name in MEASURES
        }
        self.error = np.clip([row["errors"][target] for row in rows], LEAST_MM, MOST_MM)
        self.yaw = np.array([row["true_yaw"] for row in rows])
        self.flaw = np.array([row["flaw"] for row in rows])
        self.index = np.array([row["index"] for row in rows])

    def __len__(self) -> int:
        return len(self.error)

    def some(self, which: np.ndarray) -> "Table":
        """Some of the rows.

        Args:
            which: (n,) int indices, or (N,) bool.

        Returns:
            The table of these.
        """
        table = Table([])
        table.measures = {name: values[which] for name, values in self.measures.items()}
        for name in ("error", "yaw", "flaw", "index"):
            setattr(table, name, getattr(self, name)[which])
        return table


def knots_of(values: np.ndarray, transform: str) -> np.ndarray:
    """Knots for the ramps of a measure.

    Args:
        values: (N,) of the measure.
        transform: its key in `TRANSFORMS`.

    Returns:
        (K,) rising, transformed.
    """
    knots = np.quantile(TRANSFORMS[transform](values), KNOTS)
    return np.unique(np.round(knots, 5))


def fit_terms(table: Table, ridge: float = RIDGE) -> tuple[float, tuple[Term, ...]]:
    """(base, terms) of a calibration."""
    from scipy.optimize import nnls

    shells = []
    for name, transform in MEASURES.items():
        knots = knots_of(table.measures[name], transform)
        if len(knots) > 1:
            shells.append((name, transform, knots))
    columns = np.concatenate(
        [ramps(TRANSFORMS[transform](table.measures[name]), knots) for name, transform, knots in shells], 1
    )
    log_error = np.log(table.error)
    mean, middle = columns.mean(0), log_error.mean()
    a = np.vstack([columns - mean, np.sqrt(ridge) * np.eye(columns.shape[1])])
    weights, _ = nnls(a, np.append(log_error - middle, np.zeros(columns.shape[1])))
    ends = np.cumsum([len(knots) - 1 for _, _, knots in shells])
    terms = []
    for (name, transform, knots), end in zip(shells, ends, strict=True):
        own = slice(end - len(knots) + 1, end)
        terms.append(Term(name, transform, knots, weights[own], float(weights[own] @ mean[own])))
    return float(middle - mean @ weights), tuple(term for term in terms if term.weights.max() > 1e-6)


def spread_of(log_expected: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """The spread of errors around the expected ones, in groups by expected error.

    Of n residuals the quantile (n + 1) / n times as far out is taken, as conformal prediction does.

    Args:
        log_expected: (N,) log of the expected errors, mm, of left-out rows.
        residual: (N,) log of the true errors, minus these.

    Returns:
        (3, B) of `Calibration.spread`.
    """
    rows = []
    for group in np.array_split(np.argsort(log_expected, kind="stable"), SPREAD_GROUPS):
        more = 1 + 1 / len(group)
        levels = max(0.0, 1 - (1 - LOW) * more), min(1.0, HIGH * more)
        rows.append((log_expected[group].mean(), *np.quantile(residual[group], levels)))
    return np.array(rows).T


def folds_of(index: np.ndarray) -> np.ndarray:
    """Which fold each row is left out in: by person, at random, the same each time.

    Args:
        index: (N,) int, the rows' persons.

    Returns:
        (N,) int.
    """
    people, row = np.unique(index, return_inverse=True)
    return (np.random.default_rng(FOLD_SEED).permutation(len(people)) % FOLDS)[row]


def left_out(table: Table, ridge: float = RIDGE) -> np.ndarray:
    """(N,) log of the expected error of each row by a fit to other people."""
    fold = folds_of(table.index)
    predicted = np.zeros(len(table))
    for k in np.unique(fold):
        base, terms = fit_terms(table.some(fold != k), ridge)
        part = Calibration(base, terms, np.zeros((3, 1)), {}, {})
        predicted[fold == k] = part.log_error(table.some(fold == k).measures)
    return predicted


def calibrate(
    rows: Sequence[Mapping[str, Any]], models: dict[str, str], about: dict[str, Any], ridge: float = RIDGE
) -> Calibration:
    """Fit the calibration, and cross-validate it.

    Args:
        rows: of the table, see `table`.
        models: fingerprints of the weights that the rows were made with.
        about: what is kept in the file; it gets further entries.
        ridge: strength of the penalty.

    Returns:
        The calibration with its cross-validated figures.
    """
    table = Table(rows)
    base, terms = fit_terms(table, ridge)
    predicted = left_out(table, ridge)
    spread = spread_of(predicted, np.log(table.error) - predicted)
    inside = covered_by_others(table, predicted)
    figures = {"all": figures_of(table, predicted, inside, np.ones(len(table), bool))}
    plain = table.flaw == "none"
    figures["undegraded"] = figures_of(table, predicted, inside, plain)
    for low, high in pairwise(YAW_BINS):
        picked = plain & (abs(table.yaw) >= low) & (abs(table.yaw) < high)
        figures[f"undegraded, yaw {low}-{min(high, 90)}"] = figures_of(table, predicted, inside, picked)
    for flaw in dict.fromkeys(table.flaw):
        if flaw != "none":
            figures[str(flaw)] = figures_of(table, predicted, inside, table.flaw == flaw)
    found = Calibration(base, terms, spread, models, {})
    about = {**about, "target": TARGET, "cross_validation": figures, "examples": examples_of(table, found)}
    return replace(found, about=about)


def examples_of(table: Table, found: Calibration) -> list[dict[str, Any]]:
    """Some heads, from the best to the worst, with what the calibration gives for them, to test it by."""
    expected = np.exp(found.log_error(table.measures))
    order = np.argsort(expected, kind="stable")
    picked = order[np.linspace(0, len(order) - 1, EXAMPLES).round().astype(int)]
    return [
        {
            "measures": {
                measure_key(name): round(float(values[k]), 5) for name, values in table.measures.items()
            },
            "expected_mm": round(float(expected[k]), 4),
            "true_mm": round(float(table.error[k]), 4),
        }
        for k in picked
    ]


def covered_by_others(table: Table, predicted: np.ndarray) -> np.ndarray:
    """Whether each true error lies in the spread that the other folds' residuals give.

    Args:
        table: the rows.
        predicted: (N,) log of the expected errors, mm, of `left_out`.

    Returns:
        (N,) bool.
    """
    fold = folds_of(table.index)
    residual = np.log(table.error) - predicted
    inside = np.zeros(len(table), bool)
    for k in np.unique(fold):
        out, rest = fold == k, fold != k
        part = Calibration(0.0, (), spread_of(predicted[rest], residual[rest]), {}, {})
        low, high = part.quantiles(predicted[out])
        inside[out] = (np.log(table.error[out]) >= low) & (np.log(table.error[out]) <= high)
    return inside


def figures_of(table: Table, predicted: np.ndarray, inside: np.ndarray, which: np.ndarray) -> dict[str, Any]:
    """How good left-out predictions are on some rows.

    Args:
        table: the rows.
        predicted: (N,) log of the expected errors, mm, of `left_out`.
        inside: (N,) bool, of `covered_by_others`.
        which: (N,) bool, the rows that count.

    Returns:
        How many; Spearman's rank correlation with the truth; fraction of the variance of the log error that
        they explain; fraction of errors inside the spread; medians, mm.
    """
    from scipy.stats import spearmanr

    true, mine = np.log(table.error[which]), predicted[which]
    enough = len(true) > 2
    return {
        "heads": len(true),
        "spearman": round(float(spearmanr(mine, true).statistic), 3) if enough else None,
        "r2": round(float(1 - ((true - mine) ** 2).sum() / ((true - true.mean()) ** 2).sum()), 3)
        if enough
        else None,
        "in_spread": round(float(inside[which].mean()), 3) if len(true) else None,
        "expected_mm": round(float(np.exp(np.median(mine))), 2) if len(true) else None,
        "true_mm": round(float(np.exp(np.median(true))), 2) if len(true) else None,
    }
