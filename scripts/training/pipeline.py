"""Train everything from the data, in one command that can be stopped and run again.

    make train DATA=../shared HOURS=2                                # the same, in the project's environment
    python scripts/training/pipeline.py --data ../shared --hours 2   # hours of the volume network alone
    python scripts/training/pipeline.py --list                       # the steps, and which of them are done
    python scripts/training/pipeline.py --scale smoke --cache out/smoke/cache --run out/smoke/run  # minutes

Each step is a command line of scripts/training/. A step is skipped if its outputs exist and it was finished
with the same command and the same inputs; its stamp and its log are in the folder of the run. The models that
ship stay as they are: the last line says how to promote the new ones.
"""

import hashlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.training.files import written_atomically
from core.training.paths import DataPaths
from scripts.training.arguments import RUN, data_paths, run_main, training_parser

SCRIPTS = Path(__file__).resolve().parent
#: Number of the first shard of the pictures that shading is learned from: their random numbers differ.
SHADING_FIRST = 10_000
#: What these have more of.
SHADING_MIX = ("--far", "0.25", "--clay", "0.15")
#: Lines of a failed step's log that are shown.
TAIL = 15


@dataclass(frozen=True)
class Scale:
    """How much of everything is made.

    portraits: None for all. train_shards: for each kind of mix, the number of shards and the options of
    make_shards.py. segmentation, hair: shards for each of these networks, 0 to leave it out, and the hours of
    its training. The rest are options of the other command lines.
    """

    portraits: int | None
    train_shards: tuple[tuple[int, tuple[str, ...]], ...]
    eval_shards: int
    shading_shards: int
    shard_size: int
    lifter: tuple[str, ...]
    cascade: tuple[str, ...]
    network: tuple[str, ...]
    calibration: tuple[str, ...]
    evaluation: tuple[str, ...]
    scan: tuple[str, ...]
    segmentation: tuple[int, float] = (0, 0.0)
    hair: tuple[int, float] = (0, 0.0)


SCALES = {
    # What the models that ship were trained with: docs/training.md.
    "full": Scale(
        portraits=None,
        train_shards=((108, ()), (92, ("--far", "0.35")), (32, ("--far", "0.2", "--clay", "1"))),
        eval_shards=4,
        shading_shards=14,
        shard_size=250,
        lifter=(),
        cascade=(),
        network=(),
        calibration=("--count", "1000"),
        evaluation=("--per-bin", "60", "--methods", "lifted", "network"),
        scan=("--methods", "lifted", "network"),
        segmentation=(20, 1.0),
        hair=(80, 1.0),
    ),
    # Too little to learn from: whether all steps fit together, in minutes.
    "smoke": Scale(
        portraits=12,
        train_shards=((1, ()), (1, ("--far", "0.35", "--clay", "0.5"))),
        eval_shards=1,
        shading_shards=1,
        shard_size=16,
        lifter=("--basis-heads", "120"),
        cascade=("--stages", "1", "--sites", "6"),
        network=("--batch", "2"),
        calibration=("--count", "8", "--fewest", "4"),
        evaluation=("--count", "2", "--methods", "network"),
        scan=("--methods", "network", "--views", "1"),
    ),
}


@dataclass(frozen=True)
class Step:
    """One command line, what it reads and what it writes.

    inputs, outputs: files and folders; a change of an input makes the step run again.
    """

    name: str
    summary: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]

    def fingerprint(self) -> str:
        """SHA-256 over the command and the names, sizes and times of all input files."""
        digest = hashlib.sha256("\0".join(self.command).encode())
        for path in self.inputs:
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    status = file.stat()
                    digest.update(f"\0{file}\0{status.st_size}\0{status.st_mtime_ns}".encode())
        return digest.hexdigest()

    def is_done(self, stamps: Path) -> bool:
        """Whether it was finished with these inputs and its outputs are there."""
        stamp = stamps / f"{self.name}.json"
        if not stamp.is_file() or not all(path.exists() for path in self.outputs):
            return False
        return json.loads(stamp.read_text(encoding="utf-8"))["fingerprint"] == self.fingerprint()

    def run(self, stamps: Path) -> None:
        """Run the command, with its output on screen and in a log, and write the stamp.

        Raises:
            PhotobustError: the command failed.
        """
        stamps.mkdir(parents=True, exist_ok=True)
        log = stamps / f"{self.name}.log"
        # Taken before: an input that changes meanwhile makes it run again.
        fingerprint, started = self.fingerprint(), time.monotonic()
        lines: list[str] = []
        with (
            log.open("w", encoding="utf-8") as stream,
            subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                print(f"    {line}", end="", flush=True)
                stream.write(line)
                lines = [*lines[-TAIL:], line]
        if process.returncode:
            raise PhotobustError(
                f"The step {self.name!r} failed (exit code {process.returncode}); its log is {log}. "
                "Once the cause is removed, the same command goes on from there."
            )
        stamp = {"fingerprint": fingerprint, "seconds": round(time.monotonic() - started, 1)}
        with written_atomically(stamps / f"{self.name}.json") as temporary:
            temporary.write_text(json.dumps(stamp), encoding="utf-8")


def build_steps(
    paths: DataPaths, run: Path, scale: Scale, hours: float, start: Path | None = None
) -> list[Step]:
    """All steps in order.

    Args:
        paths: where data, caches and the models that ship are.
        run: folder of the results.
        scale: how much of everything is made.
        hours: training time of the volume network.
        start: weights that the volume network's training starts from.
    """
    models, evaluation = run / "models", run / "evaluation"
    lifter, network = models / "landmark_lifter.safetensors", models / "volume_network.safetensors"
    fixed = (paths.models / "head_template.npz", paths.models / "face_landmarker.task")
    common = ("--data", str(paths.data), "--cache", str(paths.cache))

    def command(script: str, *options: str, models: Path = paths.models) -> tuple[str, ...]:
        return (sys.executable, str(SCRIPTS / script), *options, *common, "--models", str(models))

    def train(what: str, *options: str) -> tuple[str, ...]:
        return command("train.py", what, "--run", str(run), *options)

    count = ("--count", str(scale.portraits)) if scale.portraits else ()
    steps = [
        Step(
            "registration",
            "fit the head template to the face model",
            command("register_template.py"),
            (paths.face_model, *fixed),
            (paths.registration,),
        ),
        Step(
            "textures",
            "extract skin textures from the portraits",
            command("build_textures.py", *count),
            (paths.registration, paths.portraits),
            (paths.textures, paths.views),
        ),
    ]
    first = 0
    shard_files: tuple[Path, ...] = ()
    synthesis_inputs = (paths.registration, paths.textures, paths.views, paths.panoramas)
    size = ("--size", str(scale.shard_size))
    for number, (shards, mix) in enumerate(scale.train_shards, 1):
        options = ("--first", str(first), "--count", str(shards), *size, *mix)
        files = tuple(paths.shards / f"train_{i:05d}.npz" for i in range(first, first + shards))
        steps.append(
            Step(
                f"shards-{number}",
                f"synthesize training pictures: {shards} shards of {scale.shard_size}",
                command("make_shards.py", *options),
                synthesis_inputs,
                files,
            )
        )
        shard_files += files
        first += shards
    held_out = tuple(paths.shards / f"eval_{i:05d}.npz" for i in range(scale.eval_shards))
    shading_files = tuple(
        paths.shading_shards / f"train_{SHADING_FIRST + i:05d}.npz" for i in range(scale.shading_shards)
    )
    shading_options = (*SHADING_MIX, "--first", str(SHADING_FIRST), "--count", str(scale.shading_shards))
    start_options = ("--start", str(start)) if start else ()
    return [
        *steps,
        Step(
            "shards-eval",
            f"synthesize held-out pictures: {scale.eval_shards} shards of {scale.shard_size}",
            command("make_shards.py", "--split", "eval", "--count", str(scale.eval_shards), *size),
            synthesis_inputs,
            held_out,
        ),
        Step(
            "lifter",
            "fit the lifter to landmarks",
            train("lifter", *scale.lifter),
            (paths.registration, *shard_files, *held_out),
            (lifter,),
        ),
        Step(
            "cascade",
            "fit the lifter's stages to the pictures",
            train("cascade", *scale.cascade),
            # The step rewrites the lifter, so the stamp of the step before stands for it.
            (run / "stamps" / "lifter.json",),
            (lifter,),
        ),
        Step(
            "shards-shading",
            f"synthesize further pictures: {scale.shading_shards} shards of {scale.shard_size}",
            command("make_shards.py", *shading_options, *size, "--out", str(paths.shading_shards)),
            synthesis_inputs,
            shading_files,
        ),
        Step(
            "shading",
            "fit the model of shading to pictures that the lifter has not seen",
            train("shading"),
            (run / "stamps" / "cascade.json", *shading_files),
            (models / "face_shading.npz",),
        ),
        Step(
            "network",
            f"train the volume network for {hours:g} hours",
            train("network", "--hours", str(hours), *scale.network, *start_options),
            (run / "stamps" / "shading.json",),
            (run / "network" / "checkpoint.pt",),
        ),
        Step(
            "export",
            "write the network's weights for both backends",
            train("export"),
            (run / "stamps" / "network.json",),
            (network, network.with_suffix(".onnx")),
        ),
        Step(
            "calibration",
            "calibrate the quality report",
            command("calibrate_quality.py", *scale.calibration, models=models),
            (network, lifter, *held_out),
            (models / "quality_calibration.json",),
        ),
        Step(
            "evaluation",
            "measure on held-out synthetic heads",
            command("evaluate.py", "synthetic", *scale.evaluation, "--out", str(evaluation), models=models),
            (network, lifter, *held_out),
            (evaluation / "synthetic.json",),
        ),
        Step(
            "scan",
            "measure on the scan",
            command("evaluate.py", "scan", *scale.scan, "--out", str(evaluation), models=models),
            (network, lifter, paths.scans),
            (evaluation / "scan.json",),
        ),
        *(segmentation_steps(paths, run, *scale.segmentation) if scale.segmentation[0] else []),
        *(hair_steps(paths, run, *scale.hair) if scale.hair[0] else []),
    ]


def segmentation_steps(paths: DataPaths, run: Path, shards: int, hours: float) -> list[Step]:
    """The steps of the segmentation network.

    Args:
        paths: where data, caches and the models that ship are.
        run: folder of the results.
        shards: of labeled pictures for training.
        hours: of training.
    """
    common = ("--data", str(paths.data), "--cache", str(paths.cache), "--models", str(paths.models))

    def command(what: str, *options: str) -> tuple[str, ...]:
        script = str(SCRIPTS / "segmentation.py")
        return (sys.executable, script, what, "--run", str(run), *options, *common)

    builder = str(SCRIPTS.parent / "build" / "person_network.py")
    files = tuple(paths.segmentation_shards / f"train_{i:04d}.npz" for i in range(shards))
    checkpoint, network = run / "segmentation" / "checkpoint.pt", run / "models" / "segmentation_network.onnx"
    return [
        Step(
            "person-network",
            "take over the encoder that the segmentation network begins with",
            (sys.executable, builder, "--out", str(paths.cache)),
            (),
            (paths.person_network,),
        ),
        Step(
            "segmentation-portraits",
            "label the portraits",
            command("prepare"),
            (paths.portraits, paths.hair_teacher, paths.person_network),
            (paths.segmentation_portraits,),
        ),
        Step(
            "segmentation-shards",
            f"make labeled pictures: {shards} shards of 200",
            command("shards", "--count", str(shards)),
            (paths.segmentation_portraits, paths.registration, paths.textures, paths.panoramas),
            files,
        ),
        Step(
            "segmentation",
            f"train the segmentation network for {hours:g} hours",
            command("train", "--hours", str(hours)),
            files,
            (checkpoint,),
        ),
        Step(
            "segmentation-export",
            "write the segmentation network's weights for both backends",
            command("export"),
            (run / "stamps" / "segmentation.json",),
            (network,),
        ),
        Step(
            "segmentation-evaluation",
            "measure the segmentation network",
            command("evaluate"),
            (network, *files),
            (run / "segmentation.json",),
        ),
    ]


def hair_steps(paths: DataPaths, run: Path, shards: int, hours: float) -> list[Step]:
    """The steps of the hair network, from synthetic grooms alone: hair.py says how to add MakeHuman's styles.

    Args:
        paths: where data, caches and the models that ship are.
        run: folder of the results.
        shards: of samples.
        hours: of training.
    """
    common = ("--data", str(paths.data), "--cache", str(paths.cache), "--models", str(paths.models))

    def command(what: str, *options: str) -> tuple[str, ...]:
        return (sys.executable, str(SCRIPTS / "hair.py"), what, "--run", str(run), *options, *common)

    files = tuple(paths.hair_shards / f"train_{i:05d}.npz" for i in range(shards))
    checkpoint, network = run / "hair" / "checkpoint.pt", run / "models" / "hair_network.onnx"
    return [
        Step(
            "hair-shards",
            f"make samples of synthetic grooms: {shards} shards of 24",
            command("shards", "--count", str(shards)),
            (paths.models / "head_template.npz",),
            files,
        ),
        Step(
            "hair",
            f"train the hair network for {hours:g} hours",
            command("train", "--hours", str(hours)),
            files,
            (checkpoint,),
        ),
        Step(
            "hair-export",
            "write the hair network's weights for both backends",
            command("export"),
            (run / "stamps" / "hair.json",),
            (network,),
        ),
        Step(
            "hair-evaluation",
            "measure the hair network beside the construction",
            command("evaluate"),
            (network,),
            (run / "hair.json",),
        ),
    ]


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
    hours = {"full": 2.0, "smoke": 0.002}[options.scale] if options.hours is None else options.hours
    if hours <= 0:
        raise PhotobustError(f"The network cannot train for {hours:g} hours: give more than 0.")
    steps = build_steps(paths, options.run, SCALES[options.scale], hours, options.start)
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
