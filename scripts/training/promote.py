"""Put the models of a run in place of those that ship, if they reconstruct better.

    python scripts/training/promote.py                  # of runs/default, into models/
    python scripts/training/promote.py --run runs/long --per-bin 60
    python scripts/training/promote.py --force          # whatever the comparison says

Both sets of models reconstruct the renders of the scan and held-out synthetic heads. The run's models are
promoted if neither median error grows by more than 0.01 mm and one of them falls by more. The figures are
kept in comparison.json in the run's folder. Exit code 1: nothing was promoted.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.build.pin_models import pin_models
from scripts.training.arguments import RUN, data_paths, run_main, training_parser, write_figures


def main() -> int:
    """Parse the command line, compare, and promote."""
    parser = training_parser(__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the run (default: runs/default)")
    parser.add_argument("--shards", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument("--per-bin", type=int, default=30, help="held-out heads of each bin of yaw")
    parser.add_argument("--views", type=int, help="renders of the scan (default: all)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the network")
    parser.add_argument("--force", action="store_true", help="promote whatever the comparison says")
    options = parser.parse_args()

    import torch

    from core.errors import PhotobustError
    from core.runtime.backend import WEIGHTS_NAME
    from core.training.evaluation.comparison import is_better, measure_models
    from core.training.fitting.candidate import promote, waits_for_profile_network
    from core.training.fitting.onnx_export import export_volume_network

    candidate = options.run / "models"
    if not (candidate / WEIGHTS_NAME).is_file():
        raise PhotobustError(
            f"There are no models in {candidate}. Train some with scripts/training/train.py."
        )
    torch.set_num_threads(options.threads)
    paths = data_paths(options)
    shards = options.shards or paths.shards
    # Both files of the network have to be of the same weights.
    export_volume_network(candidate)

    def report(line: str) -> None:
        print(f"Measuring {line}", file=sys.stderr, flush=True)

    current, new = (
        measure_models(replace(paths, models=folder), shards, options.per_bin, options.views, report)
        for folder in (options.models, candidate)
    )
    better = is_better(new, current)
    figures = {"current": asdict(current), "candidate": asdict(new), "better": better}
    write_figures(options.run / "comparison.json", figures)
    print(f"current:   {current}\ncandidate: {new}")
    if not (better or options.force):
        print(
            f"{options.models} stays as it is: the candidate is not better. --force promotes it nevertheless."
        )
        return 1
    print(f"Promoted into {options.models}: {', '.join(promote(candidate, options.models))}")
    if waits_for_profile_network(candidate, options.models):
        print(
            "Left out: the regressions for faces from the side, which belong to the run's profile network. "
            "Promote both with scripts/training/profile_network.py promote."
        )
    pin_models(options.models)
    return 0


if __name__ == "__main__":
    run_main(main)
