"""The results of `core.training.ablation.runs` as markdown: a table for each question, the kept way first."""

import json
from pathlib import Path

import numpy as np

from .variants import INPUTS, KEPT, LOSS, NETWORK, NOTHING, RATE, SIZE, TEMPLATE, VARIANTS, WITHHELD

#: Columns of each table; the kept way stands in all.
HEADER = (
    "",
    "depth, voxels",
    "yaw 0–30",
    "30–60",
    "60–90",
    "worse than now by",
    "shape only",
    "normals, °",
    "IoU, %",
    "samples",
)
COST_HEADER = ("", "parameters, million", "GFLOP", "forward pass, ms")
AVERAGE_HEADER = ("", "depth, averaged", "raw", "normals, averaged", "raw")


def load_results(folder: Path) -> dict[str, dict]:
    """Results by name, in the order of VARIANTS; what was not run yet is left out."""
    paths = {v.name: folder / f"{v.name}.json" for v in VARIANTS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def markdown(folder: Path) -> str:
    """All tables of what was run, and the names of what was not."""
    results = load_results(folder)
    missing = [v.name for v in VARIANTS if v.name not in results]
    parts = []
    for question in (NOTHING, NETWORK, TEMPLATE, LOSS, WITHHELD, RATE, SIZE, INPUTS):
        rows = [v for v in VARIANTS if v.question == question and v.name in results and v is not KEPT]
        if not rows:
            continue
        if KEPT.name in results:
            rows = [v for v in rows if v.untrained] + [KEPT] + [v for v in rows if not v.untrained]
        lines = [_row(v.name, results) for v in rows]
        parts.append(f"### {question}\n\n{_table(HEADER, lines)}")
        if question == NETWORK:
            parts.append(_table(COST_HEADER, [_cost(v.name, results[v.name]) for v in rows]))
    trained = {name: result for name, result in results.items() if "raw" in result}
    lines = [_averaging(name, result) for name, result in trained.items()]
    parts.append(f"### Averaged weights\n\n{_table(AVERAGE_HEADER, lines)}")
    if missing:
        parts.append(f"Not run: {', '.join(missing)}.")
    return "\n\n".join(parts)


def _table(header: tuple[str, ...], lines: list[list[str]]) -> str:
    rule = ["---"] * len(header)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *lines))


def _values(rows: list[dict], name: str, yaw_bin: int | None = None) -> np.ndarray:
    return np.array([r[name] for r in rows if yaw_bin is None or r["yaw_bin"] == yaw_bin])


def _row(name: str, results: dict[str, dict]) -> list[str]:
    result = results[name]
    rows = result["averaged"]
    bins = [f"{v.mean():.2f}" if len(v := _values(rows, "depth", b)) else "–" for b in (0, 30, 60)]
    worse = "–"
    if name != KEPT.name and KEPT.name in results:
        # Of the same heads: most of what makes heads differ falls out.
        change = _values(rows, "depth") - _values(results[KEPT.name]["averaged"], "depth")
        worse = f"{change.mean():+.3f} ± {change.std(ddof=1) / np.sqrt(len(change)):.3f}"
    return [
        name,
        f"{_values(rows, 'depth').mean():.3f}",
        *bins,
        worse,
        f"{_values(rows, 'shape').mean():.3f}",
        f"{_values(rows, 'normal').mean():.2f}",
        f"{100 * _values(rows, 'iou').mean():.2f}",
        f"{result['samples']:,}" if "samples" in result else "–",
    ]


def _cost(name: str, result: dict) -> list[str]:
    return [
        name,
        f"{result['parameters']:.1f}",
        f"{result['gflop']:.2f}",
        f"{result['milliseconds']:.0f}",
    ]


def _averaging(name: str, result: dict) -> list[str]:
    means = [
        f"{_values(result[kind], key).mean():.3f}"
        for key in ("depth", "normal")
        for kind in ("averaged", "raw")
    ]
    return [name, *means]
