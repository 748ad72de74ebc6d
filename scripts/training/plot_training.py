"""Plot the log of a training run.

python scripts/training/plot_training.py runs/default/network/log.csv docs/pictures/training.png
"""

import argparse
import csv
from pathlib import Path


def main() -> None:
    """Parse the command line and draw one panel for each column of the log."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with args.log.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in rows[0] if name not in ("step", "hours")]
    figure, panels = pyplot.subplots(1, len(names), figsize=(4 * len(names), 3), layout="constrained")
    for panel, name in zip(panels, names, strict=True):
        panel.plot([float(row["hours"]) for row in rows], [float(row[name]) for row in rows], lw=1)
        panel.set(title=name.replace("_", " "), xlabel="hours")
        panel.grid(alpha=0.3)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=80)


if __name__ == "__main__":
    main()
