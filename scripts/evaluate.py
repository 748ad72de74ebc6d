"""Measure the reconstruction on held-out made heads and on the scan.

    python scripts/evaluate.py synthetic      # IoU, depth, normals by yaw; needs shards of the split `eval`
    python scripts/evaluate.py scan           # mm, by the scorer beside the scan's renders python
    scripts/evaluate.py recall         # share of made pictures in which the detector finds the face, by yaw

Each row is measured for the network and for the lifted template that it starts from.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def predictors(models: Path) -> dict:
    """Name -> predictor of everything that is compared."""
    from core.predictor import TorchPredictor
    from core.training.evaluation import TemplatePredictor

    return {"lifted template": TemplatePredictor(), "network": TorchPredictor.from_pretrained(models)}


def synthetic(args: argparse.Namespace) -> None:
    """IoU, front depth and normals on held-out made heads."""
    from core.lifter import LandmarkLifter
    from core.training.evaluation import VolumeFigures, prepare
    from core.training.generate import DataPaths
    from core.training.shards import read_samples

    heads = DataPaths.under(args.data, args.cache, args.heads or args.models).heads()
    lifter = LandmarkLifter.from_pretrained(args.models, heads.template)
    compared = {name: (predictor, VolumeFigures()) for name, predictor in predictors(args.models).items()}
    for count, sample in enumerate(read_samples(args.shards, "eval")):
        if count == args.count:
            break
        truth = prepare(sample, heads, lifter)
        for predictor, figures in compared.values():
            figures.add(truth, predictor.predict(truth.crop, truth.guidance))
    print("| method | yaw | heads | IoU | front depth, voxels | front depth, mm | normals, degrees |")
    print("|---|---|---|---|---|---|---|")
    for name, (_, figures) in compared.items():
        for row in figures.rows():
            print(
                f"| {name} | {row['yaw']} | {row['heads']} | {row['iou']:.3f} | {row['depth_voxels']:.2f} "
                f"| {row['depth_mm']:.2f} | {row['normal_deg']:.1f} |"
            )


def scan(args: argparse.Namespace) -> None:
    """Distances to the scan, by its own scorer."""
    from core.export import write_reconstruction
    from core.photo import load_photo
    from core.reconstructor import Reconstructor

    pictures = sorted((args.data / "scans").glob("demo_*.jpg"))
    scorer = args.data / "bench" / "score_scan.py"
    if not pictures or not scorer.is_file():
        raise SystemExit(f"no scan in {args.data}: give the data folder by --data")
    reconstructor = Reconstructor.from_pretrained(args.models)
    for name, predictor in predictors(args.models).items():
        reconstructor.predictor = predictor
        with tempfile.TemporaryDirectory() as folder:
            for picture in pictures:
                photo = load_photo(picture)
                best = reconstructor.reconstruct(photo, max_faces=1)[0]
                write_reconstruction(best, photo, Path(folder) / picture.stem)
            result = subprocess.run(
                [sys.executable, str(scorer), folder], capture_output=True, text=True, check=True
            )
        print(f"{name}:\n{result.stdout}", flush=True)


def recall(args: argparse.Namespace) -> None:
    """Share of made pictures in which the detector finds the face."""
    import numpy as np

    from core.training.generate import DataPaths, PictureMaker

    paths = DataPaths.under(args.data, args.cache, args.heads or args.models)
    maker, rng = PictureMaker(paths, "eval"), np.random.default_rng(5)
    made: dict[int, int] = defaultdict(int)
    plain: dict[int, int] = defaultdict(int)
    thorough: dict[int, int] = defaultdict(int)
    for _ in range(args.count):
        truth = maker.picture(rng)
        name = truth.yaw_bin
        made[name] += 1
        found = maker.detect(truth, thorough=False) is not None
        plain[name] += found
        thorough[name] += found or maker.detect(truth, thorough=True) is not None
    print("| yaw | pictures | found at the first look | found after all |\n|---|---|---|---|")
    for name in sorted(made):
        print(
            f"| {name}+ | {made[name]} | {plain[name] / made[name]:.1%} | {thorough[name] / made[name]:.1%} |"
        )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("synthetic", "scan", "recall"))
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    )
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "cache", help="folder of textures.npz, registration.npz"
    )
    parser.add_argument("--shards", type=Path, default=ROOT / "cache" / "shards")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument(
        "--heads", type=Path, help="folder of the head_template.npz that the shards were made with"
    )
    parser.add_argument("--count", type=int, default=600, help="number of made heads")
    args = parser.parse_args()
    {"synthetic": synthetic, "scan": scan, "recall": recall}[args.what](args)


if __name__ == "__main__":
    main()
