"""The photos that benchmarks are run on."""

from collections.abc import Sequence
from pathlib import Path

#: Files of a folder that are taken for photos, by suffix.
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def pick(sources: Sequence[Path], count: int | None) -> list[Path]:
    """The photos of files and folders; `count` of them, evenly picked."""
    found = [path for s in sources for path in (sorted(s.rglob("*")) if s.is_dir() else [s])]
    found = [path.absolute() for path in found if path.suffix.lower() in PICTURE_SUFFIXES]
    if not count or count >= len(found):
        return found
    return [found[k * len(found) // count] for k in range(count)]


def make_photo(folder: Path) -> Path:
    """A JPEG of 1024 x 1024: scikit-image's astronaut, enlarged."""
    import skimage.data
    from PIL import Image

    path = folder / "astronaut-1024.jpg"
    Image.fromarray(skimage.data.astronaut()).resize((1024, 1024), Image.Resampling.LANCZOS).save(
        path, quality=95
    )
    return path
