"""The steps from the data to trained networks: what each runs, reads and writes."""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from core.errors import PhotobustError
from core.training.files import written_atomically
from core.training.paths import DataPaths

SCRIPTS = Path(__file__).resolve().parent
#: Number of the first shard of the pictures that shading is learned from: their random numbers differ.
SHADING_FIRST = 10_000
#: What these have more of.
SHADING_MIX = ("--far", "0.25", "--clay", "0.15")
#: The same of the pictures that dense landmarks are learned from.
DENSE_FIRST = 20_000
DENSE_MIX = ("--far", "0.2", "--clay", "0.1", "--seed", "7")


@dataclass(frozen=True)
class Scale:
    """How much of everything is made.

    portraits: None for all. train_shards: for each kind of mix, the number of shards and the options of
    make_shards.py. dense, segmentation, hair, profile: shards for each of these networks, 0 to leave it out,
    and the hours of its training; for the last also the shards of the lifter's regressions. The rest are
    options of the other command lines.
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
    dense: tuple[int, float] = (0, 0.0)
    segmentation: tuple[int, float] = (0, 0.0)
    hair: tuple[int, float] = (0, 0.0)
    profile: tuple[int, float, int] = (0, 0.0, 0)


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
        dense=(120, 1.5),
        segmentation=(20, 1.0),
        hair=(80, 1.0),
        profile=(92, 0.6, 45),
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
        if process.returncode:
            raise PhotobustError(
                f"The step {self.name!r} failed (exit code {process.returncode}); its log is {log}. "
                "Once the cause is removed, the same command goes on from there."
            )
        stamp = {"fingerprint": fingerprint, "seconds": round(time.monotonic() - started, 1)}
        with written_atomically(stamps / f"{self.name}.json") as temporary:
            temporary.write_text(json.dumps(stamp), encoding="utf-8")


class Steps:
    """All steps of one training, in order."""

    def __init__(
        self, paths: DataPaths, run: Path, scale: Scale, hours: float, start: Path | None = None
    ) -> None:
        """Plan a training.

        Args:
            paths: Where data, caches and the models that ship are.
            run: Folder of the results.
            scale: How much of everything is made.
            hours: Training time of the volume network.
            start: Weights that the volume network's training starts from.
        """
        self.paths, self.run, self.scale, self.hours, self.start = paths, run, scale, hours, start
        self.models = run / "models"
        self.stamps = run / "stamps"
        self.lifter = self.models / "landmark_lifter.safetensors"
        self.network = self.models / "volume_network.safetensors"
        self.held_out = tuple(paths.shards / f"eval_{i:05d}.npz" for i in range(scale.eval_shards))

    def all(self) -> list[Step]:
        """The steps, in the order in which they run."""
        return [
            *self.data_steps(),
            *self.training_picture_steps(),
            *self.lifter_steps(),
            *self.volume_steps(),
            *self.evaluation_steps(),
            *(self.segmentation_steps(*self.scale.segmentation) if self.scale.segmentation[0] else []),
            *(self.hair_steps(*self.scale.hair) if self.scale.hair[0] else []),
            *(self.profile_steps(*self.scale.profile) if self.scale.profile[0] else []),
        ]

    def data_steps(self) -> list[Step]:
        """What the synthesis of pictures needs: the registered template, skin textures."""
        paths = self.paths
        fixed = (paths.models / "head_template.npz", paths.models / "face_landmarker.task")
        count = ("--count", str(self.scale.portraits)) if self.scale.portraits else ()
        return [
            Step(
                "registration",
                "fit the head template to the face model",
                self._command("register_template.py"),
                (paths.face_model, *fixed),
                (paths.registration,),
            ),
            Step(
                "textures",
                "extract skin textures from the portraits",
                self._command("build_textures.py", *count),
                (paths.registration, paths.portraits),
                (paths.textures, paths.views),
            ),
        ]

    def training_picture_steps(self) -> list[Step]:
        """Synthetic pictures for training, and held-out ones."""
        steps = []
        for number, ((shards, mix), files) in enumerate(
            zip(self.scale.train_shards, self._shard_files(), strict=True), 1
        ):
            first = ("--first", files[0].stem.removeprefix("train_").lstrip("0") or "0")
            steps.append(
                self._pictures(
                    f"shards-{number}", "training", shards, (*first, "--count", str(shards), *mix), files
                )
            )
        count = self.scale.eval_shards
        held_out = ("--split", "eval", "--count", str(count))
        return [*steps, self._pictures("shards-eval", "held-out", count, held_out, self.held_out)]

    def lifter_steps(self) -> list[Step]:
        """The lifter, its stages on the picture, and its model of shading."""
        paths, count = self.paths, self.scale.shading_shards
        shading = tuple(paths.shading_shards / f"train_{SHADING_FIRST + i:05d}.npz" for i in range(count))
        options = ("--first", str(SHADING_FIRST), "--count", str(count), "--out", str(paths.shading_shards))
        shards = tuple(file for files in self._shard_files() for file in files)
        return [
            Step(
                "lifter",
                "fit the lifter to landmarks",
                self._train("lifter", *self.scale.lifter),
                (paths.registration, *shards, *self.held_out),
                (self.lifter,),
            ),
            Step(
                "cascade",
                "fit the lifter's stages to the pictures",
                self._train("cascade", *self.scale.cascade),
                # The step rewrites the lifter, so the stamp of the step before stands for it.
                (self.stamps / "lifter.json",),
                (self.lifter,),
            ),
            self._pictures("shards-shading", "further", count, (*SHADING_MIX, *options), shading),
            Step(
                "shading",
                "fit the model of shading to pictures that the lifter has not seen",
                self._train("shading"),
                (self.stamps / "cascade.json", *shading),
                (self.models / "face_shading.npz",),
            ),
            *(self.dense_steps(*self.scale.dense) if self.scale.dense[0] else []),
        ]

    def dense_steps(self, shards: int, hours: float) -> list[Step]:
        """The network for dense landmarks, and the regressions that correct lifted heads by them.

        Args:
            shards: Of pictures that the lifter was not trained on.
            hours: Of training.
        """
        paths = self.paths
        files = tuple(paths.dense_shards / f"train_{DENSE_FIRST + i:05d}.npz" for i in range(shards))
        options = ("--first", str(DENSE_FIRST), "--count", str(shards), "--out", str(paths.dense_shards))
        checkpoint = self.run / "dense" / "checkpoint.pt"
        network = self.models / "dense_network.onnx"
        return [
            self._pictures("shards-dense", "further", shards, (*DENSE_MIX, *options), files),
            Step(
                "dense-faces",
                "lift the heads of these pictures",
                self._network("dense_network.py", "faces"),
                (self.stamps / "cascade.json", *files, *self.held_out),
                (),
            ),
            Step(
                "dense",
                f"train the network for dense landmarks for {hours:g} hours",
                self._network("dense_network.py", "train", "--hours", str(hours)),
                (self.stamps / "dense-faces.json",),
                (checkpoint,),
            ),
            Step(
                "dense-export",
                "write the weights of the network for dense landmarks for both backends",
                self._network("dense_network.py", "export"),
                (checkpoint,),
                (network,),
            ),
            Step(
                "dense-lifter",
                "fit the regressions on dense landmarks",
                self._network("dense_network.py", "lifter"),
                (network, self.stamps / "dense-faces.json"),
                (self.models / "dense_lifter.safetensors",),
            ),
        ]

    def volume_steps(self) -> list[Step]:
        """The volume network."""
        start = ("--start", str(self.start)) if self.start else ()
        lifted = ("shading", "dense-lifter") if self.scale.dense[0] else ("shading",)
        return [
            Step(
                "network",
                f"train the volume network for {self.hours:g} hours",
                self._train("network", "--hours", str(self.hours), *self.scale.network, *start),
                tuple(self.stamps / f"{name}.json" for name in lifted),
                (self.run / "network" / "checkpoint.pt",),
            ),
            Step(
                "export",
                "write the network's weights for both backends",
                self._train("export"),
                (self.stamps / "network.json",),
                (self.network, self.network.with_suffix(".onnx")),
            ),
        ]

    def evaluation_steps(self) -> list[Step]:
        """The quality report's calibration, and the figures of lifter and volume network."""
        trained, folder = (self.network, self.lifter), self.run / "evaluation"

        def evaluate(what: str, *options: str) -> tuple[str, ...]:
            out = ("--out", str(folder))
            return self._command("evaluate.py", what, *options, *out, models=self.models)

        return [
            Step(
                "calibration",
                "calibrate the quality report",
                self._command("calibrate_quality.py", *self.scale.calibration, models=self.models),
                (*trained, *self.held_out),
                (self.models / "quality_calibration.json",),
            ),
            Step(
                "evaluation",
                "measure on held-out synthetic heads",
                evaluate("synthetic", *self.scale.evaluation),
                (*trained, *self.held_out),
                (folder / "synthetic.json",),
            ),
            Step(
                "scan",
                "measure on the scan",
                evaluate("scan", *self.scale.scan),
                (*trained, self.paths.scans),
                (folder / "scan.json",),
            ),
        ]

    def segmentation_steps(self, shards: int, hours: float) -> list[Step]:
        """The segmentation network.

        Args:
            shards: Of labeled pictures for training.
            hours: Of training.
        """
        paths, run = self.paths, self.run
        builder = str(SCRIPTS.parent / "build" / "person_network.py")
        files = tuple(paths.segmentation_shards / f"train_{i:04d}.npz" for i in range(shards))
        network = self.models / "segmentation_network.onnx"
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
                self._network("segmentation.py", "prepare"),
                (paths.portraits, paths.hair_teacher, paths.person_network),
                (paths.segmentation_portraits,),
            ),
            Step(
                "segmentation-shards",
                f"make labeled pictures: {shards} shards of 200",
                self._network("segmentation.py", "shards", "--count", str(shards)),
                (paths.segmentation_portraits, paths.registration, paths.textures, paths.panoramas),
                files,
            ),
            Step(
                "segmentation",
                f"train the segmentation network for {hours:g} hours",
                self._network("segmentation.py", "train", "--hours", str(hours)),
                files,
                (run / "segmentation" / "checkpoint.pt",),
            ),
            Step(
                "segmentation-export",
                "write the segmentation network's weights for both backends",
                self._network("segmentation.py", "export"),
                (self.stamps / "segmentation.json",),
                (network,),
            ),
            Step(
                "segmentation-evaluation",
                "measure the segmentation network",
                self._network("segmentation.py", "evaluate"),
                (network, *files),
                (run / "segmentation.json",),
            ),
        ]

    def hair_steps(self, shards: int, hours: float) -> list[Step]:
        """The hair network, from synthetic grooms alone: hair.py says how to add MakeHuman's styles.

        Args:
            shards: Of samples.
            hours: Of training.
        """
        paths, run = self.paths, self.run
        files = tuple(paths.hair_shards / f"train_{i:05d}.npz" for i in range(shards))
        network = self.models / "hair_network.onnx"
        return [
            Step(
                "hair-shards",
                f"make samples of synthetic grooms: {shards} shards of 24",
                self._network("hair.py", "shards", "--count", str(shards)),
                (paths.models / "head_template.npz",),
                files,
            ),
            Step(
                "hair",
                f"train the hair network for {hours:g} hours",
                self._network("hair.py", "train", "--hours", str(hours)),
                files,
                (run / "hair" / "checkpoint.pt",),
            ),
            Step(
                "hair-export",
                "write the hair network's weights for both backends",
                self._network("hair.py", "export"),
                (self.stamps / "hair.json",),
                (network,),
            ),
            Step(
                "hair-evaluation",
                "measure the hair network beside the construction",
                self._network("hair.py", "evaluate"),
                (network,),
                (run / "hair.json",),
            ),
        ]

    def profile_steps(self, shards: int, hours: float, lifter_shards: int) -> list[Step]:
        """The profile network, and the lifter's regressions on its landmarks.

        Args:
            shards: Of pictures for the network.
            hours: Of training.
            lifter_shards: Of pictures for the regressions.
        """
        paths, run = self.paths, self.run
        files = tuple(paths.profile_shards / f"train_{i:05d}.npz" for i in range(shards))
        network = self.models / "profile_network.onnx"
        regressions = self.models / "profile_lifter.safetensors"
        return [
            Step(
                "profile-shards",
                f"make pictures of heads from the side: {shards} shards of 200",
                self._network("profile_network.py", "shards", "--count", str(shards)),
                (paths.registration, paths.textures, paths.views, paths.panoramas),
                files,
            ),
            Step(
                "profile",
                f"train the profile network for {hours:g} hours",
                self._network("profile_network.py", "train", "--hours", str(hours)),
                (*files, paths.models / "face_features.safetensors", paths.panoramas, paths.textures),
                (run / "profile" / "checkpoint.pt",),
            ),
            Step(
                "profile-export",
                "write the profile network's weights for both backends",
                self._network("profile_network.py", "export"),
                (self.stamps / "profile.json",),
                (network,),
            ),
            Step(
                "profile-lifter",
                "fit the lifter's regressions for faces from the side",
                self._network("profile_network.py", "lifter", "--count", str(lifter_shards)),
                (network, self.stamps / "cascade.json"),
                (regressions,),
            ),
            Step(
                "profile-evaluation",
                "measure how often faces from the side are found",
                self._network("profile_network.py", "evaluate"),
                (network, regressions),
                (run / "profile.json",),
            ),
        ]

    def _shard_files(self) -> list[tuple[Path, ...]]:
        """The training shards of each mix, numbered on."""
        files, first = [], 0
        for shards, _ in self.scale.train_shards:
            numbers = range(first, first + shards)
            files.append(tuple(self.paths.shards / f"train_{i:05d}.npz" for i in numbers))
            first += shards
        return files

    def _pictures(
        self, name: str, kind: str, shards: int, options: tuple[str, ...], files: tuple[Path, ...]
    ) -> Step:
        """A step that synthesizes pictures."""
        paths, size = self.paths, self.scale.shard_size
        return Step(
            name,
            f"synthesize {kind} pictures: {shards} shards of {size}",
            self._command("make_shards.py", *options, "--size", str(size)),
            (paths.registration, paths.textures, paths.views, paths.panoramas),
            files,
        )

    def _command(self, script: str, *options: str, models: Path | None = None) -> tuple[str, ...]:
        data = ("--data", str(self.paths.data), "--cache", str(self.paths.cache))
        folder = str(models or self.paths.models)
        return (sys.executable, str(SCRIPTS / script), *options, *data, "--models", folder)

    def _train(self, what: str, *options: str) -> tuple[str, ...]:
        return self._network("train.py", what, *options)

    def _network(self, script: str, what: str, *options: str) -> tuple[str, ...]:
        return self._command(script, what, "--run", str(self.run), *options)
