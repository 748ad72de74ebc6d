"""Measure the reconstruction on held-out synthetic heads and on the scan, beside simpler methods.

    python scripts/training/evaluate.py synthetic --out out/evaluation  # by yaw
    python scripts/training/evaluate.py scan                            # mm, as the scan's scorer measures
    python scripts/training/evaluate.py synthetic --methods lifted network --count 250
    python scripts/training/evaluate.py synthetic --inputs              # worth of each of the inputs
    python scripts/training/evaluate.py recall                          # how often the face is found
    python scripts/training/evaluate.py bias --methods network --count 60  # by skin tone, sex and age

Methods get what a user has: the picture, the detector's landmarks, and the focal length of EXIF data or a
guess. The figures are explained in core/training/evaluation/metrics.py.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import PhotobustError
from core.training.paths import DataPaths
from scripts.training.arguments import data_paths, run_main, training_parser, write_figures

if TYPE_CHECKING:
    from core.lifting.lifter import LandmarkLifter
    from core.training.evaluation.ground_truth import TrueHeads
    from core.training.evaluation.methods import Method

METHODS = ("average", "mediapipe", "lifted", "network", "mirror", "bfloat16")


def load_models(args: argparse.Namespace) -> "tuple[TrueHeads, LandmarkLifter]":
    """What all methods need."""
    import torch

    from core.lifting.lifter import LandmarkLifter
    from core.training.evaluation.ground_truth import TrueHeads
    from core.training.face_models.heads import HeadSource

    torch.set_num_threads(args.threads)
    truths = TrueHeads(HeadSource.from_paths(DataPaths(args.data, args.cache, args.heads or args.models)))
    lifter = LandmarkLifter.from_pretrained(args.models, truths.heads.template)
    return truths, lifter


def build_methods(
    args: argparse.Namespace, truths: "TrueHeads", lifter: "LandmarkLifter"
) -> "dict[str, Method]":
    """Name in the tables -> method, of those that were asked for."""
    from core.training.evaluation.methods import (
        AverageHead,
        DetectorMesh,
        TemplatePredictor,
        VolumeMethod,
        WithheldInputs,
    )
    from core.training.face_models.heads import ICT
    from core.volume.flip_averaging import FlipAveragedPredictor
    from core.volume.torch_predictor import TorchPredictor

    def network(**options: Any) -> TorchPredictor:
        return TorchPredictor.from_pretrained(args.models, **options)

    if args.inputs:
        predictor = network()
        return {
            "lifted template alone": VolumeMethod(TemplatePredictor()),
            "network, template only": VolumeMethod(WithheldInputs(predictor, {"picture", "mesh"})),
            "network, picture and template": VolumeMethod(WithheldInputs(predictor, {"mesh"})),
            "network, mesh and template": VolumeMethod(WithheldInputs(predictor, {"picture"})),
            "network, all": VolumeMethod(predictor),
        }
    builders: dict[str, tuple[str, Callable[[], Method]]] = {
        "average": ("average head", lambda: AverageHead(truths.heads, truths.outer_triangles(ICT))),
        "mediapipe": ("MediaPipe's mesh", lambda: DetectorMesh(lifter)),
        "lifted": ("lifted template", lambda: VolumeMethod(TemplatePredictor())),
        "network": ("network", lambda: VolumeMethod(network())),
        "mirror": ("network, mirrored too", lambda: VolumeMethod(FlipAveragedPredictor(network()))),
        "bfloat16": ("network, bfloat16", lambda: VolumeMethod(network(bfloat16=True))),
    }
    return {builders[name][0]: builders[name][1]() for name in args.methods if name in builders}


def synthetic(args: argparse.Namespace) -> None:
    """All figures on held-out synthetic heads, by yaw."""
    import cv2

    from core.detection.detector import FaceDetector
    from core.training.data.shards import read_samples
    from core.training.evaluation.evaluate import EvaluationRecord, balanced_by_yaw, evaluate, summary
    from core.training.evaluation.report import WorstHeads, markdown, region_markdown, write_json

    truths, lifter = load_models(args)
    methods = build_methods(args, truths, lifter)
    worst = WorstHeads(list(methods)[-1])
    records: list[EvaluationRecord] = []
    samples = read_samples(args.shards, "eval")
    samples = balanced_by_yaw(samples, args.per_bin) if args.per_bin else islice(samples, args.count)
    detector = FaceDetector.from_pretrained(args.models)
    for evaluated in evaluate(samples, truths, lifter, methods, detector):
        records += evaluated.records.values()
        if args.out:
            worst.add(evaluated)
    if not records:
        raise PhotobustError(
            f"There are no heads to measure in {args.shards}. Make some with "
            "scripts/training/make_shards.py --split eval."
        )
    rows = summary(records)
    print(f"{markdown(rows)}\n\n{region_markdown(rows)}")
    if args.out:
        write_json(args.out / "synthetic.json", records, heads_asked_for=args.per_bin or args.count)
        cv2.imwrite(str(args.out / "worst.jpg"), worst.sheet()[..., ::-1])


def scan(args: argparse.Namespace) -> None:
    """Distances from the scan; with --scorer by its own program."""
    from core.detection.detector import FaceDetector
    from core.training.evaluation.scan import Scan, evaluate_scan, scan_cases, scan_region_table, scan_table

    truths, lifter = load_models(args)
    methods = build_methods(args, truths, lifter)
    target = Scan.load(data_paths(args).scans)
    views = scan_cases(target, FaceDetector.from_pretrained(args.models), lifter)
    cases = list(islice(views, args.views))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) if args.scorer else None
        rows = evaluate_scan(target, cases, methods, out)
        print(f"{scan_table(rows)}\n\n{scan_region_table(rows)}")
        for results in sorted(Path(folder).iterdir()):
            scorer = [sys.executable, str(args.data / "bench" / "score_scan.py"), str(results)]
            print(f"\n{results.name}, by the scorer:")
            print(subprocess.run(scorer, capture_output=True, text=True, check=True).stdout, flush=True)
    if args.out:
        known = [{name: None if value != value else value for name, value in row.items()} for row in rows]
        write_figures(args.out / "scan.json", known)


def recall(args: argparse.Namespace) -> None:
    """Fraction of synthetic pictures in which the detector finds the face."""
    import numpy as np

    from core.detection.detector import FaceDetector
    from core.training.synthesis.synthesizer import ImageSynthesizer

    paths = DataPaths(args.data, args.cache, args.heads or args.models)
    builder, rng = ImageSynthesizer(paths, "eval"), np.random.default_rng(5)
    builder.detector = FaceDetector.from_pretrained(args.models)
    made: dict[int, int] = defaultdict(int)
    plain: dict[int, int] = defaultdict(int)
    thorough: dict[int, int] = defaultdict(int)
    for _ in range(args.count):
        truth = builder.picture(rng)
        name = truth.yaw_bin
        made[name] += 1
        found = builder.detect(truth, thorough=False) is not None
        plain[name] += found
        thorough[name] += found or builder.detect(truth, thorough=True) is not None
    print("| yaw | pictures | found by the first search | found after all |\n|---|---|---|---|")
    for name in sorted(made):
        print(
            f"| {name}+ | {made[name]} | {plain[name] / made[name]:.1%} | {thorough[name] / made[name]:.1%} |"
        )


def bias(args: argparse.Namespace) -> None:
    """Errors by skin tone, sex and age: of synthetic heads with people's skins, of their portraits."""
    import numpy as np

    from core.detection.detector import FaceDetector
    from core.image.photo import load_photo
    from core.template.symmetry import Mirror
    from core.training.evaluation.bias import (
        GROUPS,
        agreement_table,
        disagreements,
        group_samples,
        group_table,
        members,
        read_people,
    )
    from core.training.evaluation.evaluate import EvaluationRecord, evaluate
    from core.training.synthesis.synthesizer import ImageSynthesizer

    truths, lifter = load_models(args)
    methods = build_methods(args, truths, lifter)
    paths = data_paths(args)
    synthesizer = ImageSynthesizer(paths, "eval")
    library = synthesizer.appearance.textures
    with np.load(paths.textures) as data:
        people = read_people(paths.portraits, data["names"].tolist(), library.textures)
    groups = {group: members(people, group) & library.held_out for group in GROUPS}
    groups = {group: some for group, some in groups.items() if some.any()}
    records: dict[str, list[EvaluationRecord]] = {group: [] for group in groups}
    for samples in group_samples(synthesizer, groups, args.count):
        for group, sample in samples.items():
            (evaluated,) = evaluate([sample], truths, lifter, methods)
            records[group] += evaluated.records.values()
    print(group_table({group: (int(groups[group].sum()), some) for group, some in records.items()}))
    detector, mirror = FaceDetector.from_pretrained(args.models), Mirror.load(args.models)
    found = {}
    for person in people:
        photo = load_photo(paths.portraits / f"{person.name}.jpg")
        found[person] = disagreements(photo, detector, lifter, mirror)
    print(f"\n{agreement_table(found)}")
    if args.out:
        rows = {group: [record.row() for record in some] for group, some in records.items()}
        write_figures(args.out / "bias.json", rows)


COMMANDS = {"synthetic": synthetic, "scan": scan, "recall": recall, "bias": bias}


def main() -> None:
    """Parse the command line and measure."""
    parser = training_parser(__doc__)
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--shards", type=Path, help="default: shards/ in the cache folder")
    parser.add_argument(
        "--heads", type=Path, help="folder of the head_template.npz that the shards were made with"
    )
    parser.add_argument("--count", type=int, default=250, help="number of synthetic heads")
    parser.add_argument("--per-bin", type=int, help="instead: at most as many of each bin of yaw")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS[:4])
    parser.add_argument(
        "--inputs", action="store_true", help="compare the network's inputs instead of methods"
    )
    parser.add_argument("--views", type=int, help="scan: number of renders (default: all)")
    parser.add_argument("--scorer", action="store_true", help="scan: also run the scan's own scorer")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network")
    parser.add_argument(
        "--out", type=Path, help="folder for all figures as JSON and the worst 16 as a picture"
    )
    args = parser.parse_args()
    args.shards = args.shards or data_paths(args).shards
    COMMANDS[args.what](args)


if __name__ == "__main__":
    run_main(main)
