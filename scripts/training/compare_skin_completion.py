"""Compare what completes skin: python scripts/training/compare_skin_completion.py HEADS --seconds 1200

HEADS is a folder of heads of the portraits, made with `scripts/batch.py PORTRAITS --out HEADS --head`. A
small inpainting network learns from the skin that the photos show, all but every tenth person's; then parts
of theirs are hidden, and completed by diffusion, by the albedo model, and by the network. Prints mean
CIEDE2000.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core.runtime.weights import models_folder
from core.template.regions import Regions
from core.template.topology import HeadTopology
from core.texture.albedo_model import AlbedoModel
from core.training.ablation.skin_completion import Completions, InpaintingNetwork, ObservedSkin, train
from core.training.synthesis.portrait_library import HOLD_OUT
from scripts.benchmark.skin import HIDDEN

WAYS = ("diffusion", "albedo model", "network")


def _told(state: tuple[InpaintingNetwork, int, float]) -> InpaintingNetwork:
    network, step, loss = state
    print(f"step {step}: {loss:.4f}", file=sys.stderr, flush=True)
    return network


def main() -> int:
    """Train, compare, print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("heads", type=Path, help="folder of heads")
    parser.add_argument(
        "--seconds", type=float, default=1200, help="of training, processor time (default: 1200)"
    )
    options = parser.parse_args()
    topology, model = HeadTopology.load(models_folder()), AlbedoModel.load(models_folder())
    folders = sorted(path.parent for path in options.heads.glob("*/albedo.png"))
    if model is None or len(folders) < HOLD_OUT:
        parser.error(
            f"the albedo model is missing, or there are fewer than {HOLD_OUT} heads in {options.heads}"
        )
    plain = Regions.of(topology).plain
    skins = [ObservedSkin.read(folder, topology, plain) for folder in folders]
    learned = [skin for k, skin in enumerate(skins) if skin and k % HOLD_OUT]
    *_, last = (_told(state) for state in train(learned, options.seconds))
    completions = Completions(topology, model, last)
    print("| hidden part | people | " + " | ".join(WAYS) + " |\n|---|---|" + "---|" * len(WAYS))
    every: list[list[float]] = []
    for name, (low, high) in HIDDEN.items():
        hidden = ((topology.vertices > low) & (topology.vertices < high)).all(1)
        found = [completions.differences(skin, hidden) for skin in skins[::HOLD_OUT] if skin]
        rows = [[one[way] for way in WAYS] for one in found if one]
        every += rows
        print(
            f"| {name} | {len(rows)} | "
            + " | ".join(f"{value:.1f}" for value in np.mean(rows, axis=0))
            + " |"
        )
    print("| all | | " + " | ".join(f"{value:.1f}" for value in np.mean(every, axis=0)) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
