"""Fit what tells dark skin from dark light, and write it into models/albedo_model.npz.

Learned from portraits, taken for right and made lighter, darker and tinted, and from renders of every third
of these people, whose skin is then known, under three exposures. What was seen of each portrait is kept in
the cache folder. Every tenth portrait, and the panoramas of evaluation, are held out.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


from core import Reconstructor, load_photo
from core.errors import ModelError, ReconstructionError
from core.image.color import srgb_to_linear
from core.texture.albedo_model import DARK, FILE_NAME
from core.texture.eyes import eye_white
from core.texture.skin_painter import SkinPainter
from core.texture.skin_tone import small_picture
from core.texture.skin_views import SkinPhoto
from core.training.evaluation.skin_pictures import EXPOSURES, TINTS, KnownHead, SkinStudio, vertex_colors
from core.training.files import write_arrays
from core.training.fitting.albedo_fitting import ToneExample, fit_exposure
from core.training.synthesis.lighting import LightLibrary
from core.training.synthesis.portrait_library import HOLD_OUT
from core.wrapping.options import HeadOptions
from scripts.build.pin_models import pin_models
from scripts.training.arguments import data_paths, run_main, training_parser

if TYPE_CHECKING:
    from core.image.photo import Photo
    from core.reconstructor import Reconstruction

#: Side of the textures, texels.
SIZE = 1024
#: Every how many people one is rendered.
RENDERED = 3
#: Weight from which on a vertex is plain skin.
PLAIN = 0.9

logger = logging.getLogger(__name__)


class ExampleMaker:
    """Makes what exposure is learned from of one portrait after another."""

    def __init__(self, reconstructor: Reconstructor, panoramas: Path) -> None:
        """Take the engine, with an albedo model and a segmenter, and the panoramas' file."""
        self.reconstructor = reconstructor
        self.topology = reconstructor.topology
        painter = reconstructor.albedo_painter(SIZE)
        if painter.model is None:
            raise ModelError(f"models/{FILE_NAME} is missing: run scripts/training/build_albedo_model.py")
        self.painter = SkinPainter(self.topology, SIZE, painter.settings, painter.model)
        self.studio = SkinStudio(self.topology, LightLibrary.load(panoramas), "train")

    def of_portrait(self, photo: "Photo", seed: int, rendered: bool) -> list[ToneExample]:
        """The examples of a portrait."""
        one = self.reconstructor.reconstruct(
            photo, max_faces=1, head=HeadOptions(SIZE, hair="none", maps=False)
        )[0]
        if one.head is None or one.segmentation is None or one.albedo is None:
            return []
        seen = SkinPhoto(photo.rgb, one.frame, one.pose, one.head.vertices, one.segmentation)
        white = eye_white(photo.rgb, one.landmarks.points)
        examples = [ToneExample(self.painter.tone(seen), small_picture(photo.rgb), white)]
        return examples + (self._renders(photo, one, seed) if rendered else [])

    def _renders(self, photo: "Photo", one: "Reconstruction", seed: int) -> list[ToneExample]:
        """The head under three exposures and tints."""
        if one.head is None or one.albedo is None:
            return []
        rng = np.random.default_rng(seed)
        head = KnownHead(photo.name, one.head.vertices, one.albedo.image[..., :3])
        plain = np.flatnonzero(self.painter.regions.plain > PLAIN)
        true = np.median(vertex_colors(self.topology, head.image, plain), axis=0)
        tone = np.log(np.maximum(srgb_to_linear(true), DARK))
        made = []
        for exposure, tint in zip(EXPOSURES, TINTS, strict=True):
            picture = self.studio.picture(rng, head, None, exposure, tint)
            seen = SkinPhoto(picture.rgb, picture.frame, picture.pose, head.vertices, picture.segmentation)
            found = self.painter.tone(seen)
            white = eye_white(picture.rgb, picture.landmarks)
            made.append(ToneExample(found, small_picture(picture.rgb), white, found - tone))
        return made


def save(path: Path, examples: list[ToneExample]) -> None:
    """Write the examples of one portrait."""
    nan = np.full(3, np.nan)
    write_arrays(
        path,
        {
            "tone": np.array([one.tone for one in examples]).reshape(-1, 3),
            "picture": np.array([one.picture for one in examples], np.float32).reshape(-1, 64, 64, 3),
            "eye_white": np.array([nan if one.eye_white is None else one.eye_white for one in examples]),
            "gain": np.array([nan if one.gain is None else one.gain for one in examples]),
        },
    )


def load(path: Path) -> list[ToneExample]:
    """Read what `save` has written."""
    with np.load(path) as data:
        rows = zip(data["tone"], data["picture"], data["eye_white"], data["gain"], strict=True)
        return [
            ToneExample(tone, picture, *(None if np.isnan(one).any() else one for one in (white, gain)))
            for tone, picture, white, gain in rows
        ]


def main() -> None:
    """Parse the command line, look at portraits and renders, fit, and write."""
    options = training_parser(__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    paths = data_paths(options)
    paths.require("portraits", "panoramas")
    folder = paths.cache / "skin_tone"
    folder.mkdir(parents=True, exist_ok=True)
    portraits = sorted(paths.portraits.glob("*.jpg"))
    with Reconstructor.from_pretrained(paths.models) as reconstructor:
        maker = ExampleMaker(reconstructor, paths.panoramas)
        for number, path in enumerate(portraits):
            file = folder / f"{path.stem}.npz"
            if number % HOLD_OUT == 0 or file.is_file():
                continue
            try:
                save(file, maker.of_portrait(load_photo(path), number, number % RENDERED == 0))
            except ReconstructionError as error:
                logger.warning("%s is left out: %s", path.name, error)
                continue
            logger.info("%s", path.name)
    examples = [one for file in sorted(folder.glob("*.npz")) for one in load(file)]
    model = paths.models / FILE_NAME
    with np.load(model) as data:
        arrays = dict(data)
    write_arrays(model, {**arrays, **fit_exposure(examples)})
    pin_models(paths.models)
    print(f"{len(examples)} pictures")


if __name__ == "__main__":
    run_main(main)
