"""Names of the result folders: short, and never one for two photos, in this run or an earlier one. No bpy."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

#: Folders of the batch's own, which no photo gets.
TAKEN = ("index_files",)


class FolderNames:
    """Hands out folder names below `out`.

    A photo gets its stem; if another photo has that already, its stem and its folder's name, and so on.
    Names are compared without case, as some file systems do.
    """

    def __init__(self, out: Path, photos: Iterable[Path], owners: Mapping[str, Path] | None = None) -> None:
        """`owners`: folder name -> photo, from earlier runs. `photos`: those of this run, each of which gets
        a name reserved, so that names do not depend on which photo is done first.
        """
        self._out = out
        self._owners = {name.casefold(): photo for name, photo in (owners or {}).items()}
        self._reserved: dict[str, Path] = {}
        for photo in photos:
            name = next(name for name in _candidates(photo) if self._is_free(name, photo))
            self._reserved[name.casefold()] = photo

    def claim(self, photo: Path, heads: int) -> list[str]:
        """Folder names for the heads of `photo`: one without a number, several numbered from 1."""
        for base in _candidates(photo):
            names = [base] if heads == 1 else [f"{base}_{n + 1}" for n in range(heads)]
            if all(self._is_free(name, photo) for name in names):
                self._owners.update((name.casefold(), photo) for name in names)
                return names
        raise AssertionError("the candidates never end")

    def _is_free(self, name: str, photo: Path) -> bool:
        key = name.casefold()
        if key in self._owners:
            return self._owners[key] == photo
        if key in TAKEN:
            return False
        return self._reserved.get(key, photo) == photo and not _is_foreign(self._out / name)


def _candidates(photo: Path) -> Iterator[str]:
    stem, suffix, parent = photo.stem, photo.suffix.lstrip(".").lower(), photo.parent.name
    yield stem
    if parent:
        yield f"{stem}-{parent}"
        yield f"{stem}-{parent}-{suffix}"
    digest = hashlib.sha256(str(photo).encode("utf-8", "surrogateescape")).hexdigest()
    yield f"{stem}-{digest[:8]}"
    for n in itertools.count(2):
        yield f"{stem}-{digest[:8]}-{n}"


def _is_foreign(folder: Path) -> bool:
    """Whether something of the user's is there that is no reconstruction."""
    if not folder.is_dir():
        return folder.exists()
    return not (folder / "face.json").is_file() and any(folder.iterdir())
