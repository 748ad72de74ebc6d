"""Fit the statistical model of skin's albedo to portraits, and write models/albedo_model.npz.

Heads are reconstructed from all portraits first, about three seconds each; what they show is kept in the
cache folder, so that the fit can be repeated. Every tenth portrait is held out.
"""

import logging
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


from core import Reconstructor, load_photo
from core.errors import NoHeadError, PhotobustError
from core.template.topology import HeadTopology
from core.texture.albedo_model import FILE_NAME
from core.texture.skin_sampler import SkinSampler
from core.training.files import write_arrays
from core.training.fitting.albedo_fitting import SAMPLED_SIZE, AlbedoFitting, ObservedSkin, observe
from core.training.paths import DataPaths
from core.training.synthesis.portrait_library import HOLD_OUT
from core.wrapping.options import HeadOptions
from scripts.build.pin_models import pin_models
from scripts.training.arguments import data_paths, run_main, training_parser

#: Fewer people make no model.
LEAST = 10

logger = logging.getLogger(__name__)


def observe_portraits(paths: DataPaths, topology: HeadTopology, folder: Path) -> list[Path]:
    """Files of what portraits show, the missing ones made first; portraits that give no head have none."""
    folder.mkdir(parents=True, exist_ok=True)
    portraits = sorted(paths.portraits.glob("*.jpg"))
    wanted = [path for k, path in enumerate(portraits) if k % HOLD_OUT]
    missing = [path for path in wanted if not (folder / f"{path.stem}.npz").is_file()]
    if missing:
        sampler = SkinSampler(topology, SAMPLED_SIZE)
        with Reconstructor.from_pretrained(paths.models) as reconstructor:
            for path in missing:
                photo = load_photo(path)
                try:
                    head = reconstructor.reconstruct(
                        photo, max_faces=1, head=HeadOptions(texture=0, rig=False)
                    )
                except NoHeadError as error:
                    logger.warning("%s is left out: %s", path.name, error)
                    continue
                observe(sampler, photo, head[0]).save(folder / f"{path.stem}.npz")
                logger.info("%s", path.name)
    return [file for path in wanted if (file := folder / f"{path.stem}.npz").is_file()]


def main() -> None:
    """Parse the command line, look at the portraits, fit, and write."""
    parser = training_parser(__doc__)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    paths = data_paths(options)
    paths.require("portraits")
    topology = HeadTopology.template(paths.models)
    files = observe_portraits(paths, topology, paths.cache / "observed_skin")
    if len(files) < LEAST:
        raise PhotobustError(f"{len(files)} portraits with faces are too few: give more in {paths.portraits}")
    arrays = AlbedoFitting(topology, [ObservedSkin.load(file) for file in files]).fit()
    out = paths.models / FILE_NAME
    write_arrays(out, arrays)
    pin_models(paths.models)
    print(f"{len(files)} portraits, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run_main(main)
