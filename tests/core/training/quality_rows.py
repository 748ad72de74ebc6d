"""Rows of the quality report's table, made up so that the truth about them is known."""

import numpy as np

from core.quality.measures import measure_key
from core.training.calibration.fit import MEASURES


def synthetic_rows(count: int, seed: int = 0) -> list[dict]:
    """Rows whose log error is a rising function of two measures and noise of 0.3."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        measures = {name: float(rng.uniform(0.2, 0.9)) for name in MEASURES}
        measures |= {"yaw_deg": float(rng.uniform(-80, 80)), "sharpness": float(rng.uniform(-3, -1))}
        log_error = 0.8 + 0.012 * abs(measures["yaw_deg"]) - 0.3 * measures["sharpness"] + 0.3 * rng.normal()
        rows.append(
            {
                "index": index,
                "flaw": ("none", "none", "cut")[index % 3],
                "true_yaw": measures["yaw_deg"],
                "measures": {measure_key(name): value for name, value in measures.items()},
                "errors": {"placed": float(np.exp(log_error))},
            }
        )
    return [*rows, {"index": count, "flaw": "cut", "true_yaw": 3.0}]  # one in which no face was found
