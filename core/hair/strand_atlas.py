"""The strand atlas: locks of hair side by side, painted strand by strand; every head's cards share it.

`models/hair_strand_atlas.npz`, painted by `scripts/build/strand_atlas.py`, holds its pictures. Color is a
factor around white, so that the cards' own colors show.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np

from ..runtime.weights import model_arrays

FILE_NAME = "hair_strand_atlas.npz"
#: The atlas's pictures, by the names of their files without suffix: color and alpha, RGBA; normals in tangent
#: space; and numbers, red 0 at the root to 255 at the tip, green one for each painted strand.
COLOR = "hair_cards"
NORMAL = "hair_cards_normal"
IDS = "hair_cards_id"
#: Height and width of the atlas, texels.
HEIGHT = 512
WIDTH = 1024
#: Locks side by side.
LOCKS = 16
#: Which locks are of which kind: straight and curly ones, dense and thin, single hairs of brows and beards,
#: and strays, whose strands leave a surface that lies along their left edge.
DENSE = (0, 1, 2, 3, 4)
THIN = (5, 6)
SINGLE = (7,)
STRAY = (8, 9)
CURLY_DENSE = (10, 11, 12)
CURLY_THIN = (13, 14)
CURLY_STRAY = (15,)
#: Mean of the lightness, by which the cards' colors are divided.
MEAN_LIGHTNESS = 0.82


def lock_columns(lock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where locks are in the atlas.

    Args:
        lock: (N,) int, numbers of locks.

    Returns:
        Left and right texture coordinate (N,), 0..1.
    """
    margin = 3 / WIDTH
    return lock / LOCKS + margin, (lock + 1) / LOCKS - margin


@lru_cache(maxsize=2)
def load_strand_atlas(models_dir: Path) -> dict[str, bytes]:
    """The atlas's pictures.

    Args:
        models_dir: Folder of the models.

    Returns:
        COLOR, NORMAL and IDS -> PNG file.

    Raises:
        ModelError: The file is missing or damaged.
    """
    with model_arrays(models_dir / FILE_NAME) as arrays:
        return {name: arrays[name].tobytes() for name in (COLOR, NORMAL, IDS)}
