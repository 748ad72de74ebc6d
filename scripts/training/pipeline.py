"""Train everything from the data, in one command that can be stopped and run again.

    make train DATA=../shared HOURS=2                                # the same, in the project's environment
    python scripts/training/pipeline.py --data ../shared --hours 2   # hours of the volume network alone
    python scripts/training/pipeline.py --list                       # the steps, and which of them are done
    python scripts/training/pipeline.py --scale smoke --cache out/smoke/cache --run out/smoke/run  # minutes

Each step is a command line of scripts/training/. A step is skipped if its outputs exist and it was finished
with the same command and the same inputs; its stamp and its log are in the folder of the run. The models that
ship stay as they are: the last line says how to promote the new ones.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from scripts.training.arguments import RUN, data_paths, run_main, training_parser
from scripts.training.steps import SCALES, Step, Steps


def run_steps(steps: Sequence[Step], stamps: Path) -> None:
    """Run the steps that are not done, and say what comes next after each."""
    for number, step in enumerate(steps, 1):
        title = f"[{number}/{len(steps)}] {step.name}: {step.summary}"
        if step.is_done(stamps):
            print(f"{title}: done before", flush=True)
            continue
        print(title, flush=True)
        started = time.monotonic()
        step.run(stamps)
        following = f"; next: {steps[number].name}" if number < len(steps) else ""
        print(f"    done in {time.monotonic() - started:.0f} s{following}", flush=True)


def main() -> None:
    """Parse the command line, and run or list the steps."""
    parser = training_parser(__doc__)
    parser.add_argument("--run", type=Path, default=RUN, help="folder of the results (default: runs/default)")
    parser.add_argument("--hours", type=float, help="training time of the volume network (default: 2)")
    parser.add_argument("--start", type=Path, help="weights (.safetensors) that the network starts from")
    parser.add_argument(
        "--scale", choices=SCALES, default="full", help="smoke: a test of all steps, in minutes"
    )
    parser.add_argument("--until", help="the last step to run")
    parser.add_argument("--list", action="store_true", help="list the steps and whether they are done")
    options = parser.parse_args()
    paths = data_paths(options)
    paths.require("face_model", "portraits", "panoramas", "scans")
    hours = {"full": 2.0, "smoke": 0.0005}[options.scale] if options.hours is None else options.hours
    if hours <= 0:
        raise PhotobustError(f"The network cannot train for {hours:g} hours: give more than 0.")
    steps = Steps(paths, options.run, SCALES[options.scale], hours, options.start).all()
    stamps = options.run / "stamps"
    if options.until:
        names = [step.name for step in steps]
        if options.until not in names:
            raise PhotobustError(f"There is no step {options.until!r}. The steps are {', '.join(names)}.")
        steps = steps[: names.index(options.until) + 1]
    if options.list:
        for step in steps:
            print(f"{'done' if step.is_done(stamps) else 'to do':6s}{step.name:14s}{step.summary}")
        return
    run_steps(steps, stamps)
    if options.until:
        print("To go on, leave out --until.")
        return
    promote = ["python", "scripts/training/promote.py", "--run", str(options.run)]
    for name in ("data", "cache"):
        promote += [f"--{name}", str(getattr(options, name))]
    print(f"All steps are done. The new models are in {options.run / 'models'}. To put them in place of the")
    print(f"ones that ship, if they are better: {shlex.join(promote)}")


if __name__ == "__main__":
    run_main(main)
