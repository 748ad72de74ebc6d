"""Lay out training pictures from the shards.

python scripts/pictures/contact_sheet.py SHARDS docs/pictures/samples.jpg
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def main() -> None:
    """Parse the command line and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--size", type=int, default=112, help="side of a picture, pixels")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    import cv2
    import numpy as np

    from core.training.data.shards import Shard, shard_paths
    from scripts.pictures.sheet import save_sheet

    rng = np.random.default_rng(args.seed)
    paths = shard_paths(args.shards, "train")
    pictures = []
    for path in rng.choice(np.array(paths), args.count):
        shard = Shard(path)
        picture = shard.sample(int(rng.integers(len(shard)))).picture
        pictures.append(cv2.resize(picture, (args.size, args.size), interpolation=cv2.INTER_AREA))
    columns = int(np.ceil(np.sqrt(args.count)))
    pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % columns)
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    save_sheet(args.out, np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
