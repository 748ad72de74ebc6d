"""Synthesize photos of held-out heads at hard poses, to try a batch on.

    python scripts/pictures/make_photos.py FOLDER

They are drawn as training pictures are, but of people, skins and panoramas that training does not use; the
focal length is in their EXIF data. The same command makes the same photos.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

#: EXIF's block of the camera's settings.
EXIF_BLOCK = 0x8769
#: The tag of the 35 mm equivalent focal length in it.
FOCAL_35MM = 0xA405


def main() -> None:
    """Parse the command line and synthesize photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write them to; created if missing")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--least-yaw", type=float, default=30.0, help="degrees (default: 30)")
    parser.add_argument("--data", type=Path, default=os.environ.get("PHOTOBUST_DATA", ROOT.parent / "shared"))
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "cache", help="folder of textures.npz, registration.npz"
    )
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()

    import numpy as np
    from PIL import Image

    from core.training.paths import DataPaths
    from core.training.synthesis.synthesizer import ImageSynthesizer

    builder = ImageSynthesizer(DataPaths(Path(args.data), args.cache, ROOT / "models"), "eval")
    rng = np.random.default_rng(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    made = 0
    while made < args.count:
        sample = builder.picture(rng)
        yaw = sample.scene.pose.angles[0]
        if abs(yaw) < args.least_yaw:
            continue
        height, width = sample.picture.shape[:2]
        exif = Image.Exif()
        focal = sample.scene.camera.focal_mm(width, height)
        exif.get_ifd(EXIF_BLOCK)[FOCAL_35MM] = max(1, round(focal))
        path = args.out / f"made_{made:03d}_yaw{yaw:+03.0f}.jpg"
        partial = path.with_suffix(".part")
        Image.fromarray(sample.picture).save(partial, "JPEG", quality=93, exif=exif)
        partial.replace(path)
        made += 1


if __name__ == "__main__":
    main()
