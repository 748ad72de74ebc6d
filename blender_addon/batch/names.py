"""Names of the result folders: short, and never one for two photos, in this run or an earlier one. No bpy."""

import hashlib
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

#: Names that the batch itself uses in the output folder, and what marks a folder as a head: no photo gets
#: them. In lower case.
TAKEN = (
    *("index_files", "index.html", "batch.json", "batch.journal", "batch.json.part", "index.html.part"),
    "face.json",
)
#: Longest stem of a folder's name, bytes of UTF-8. File systems take 255 (eCryptfs 143); a number, the
#: photo's folder and a hash come behind it, ".blend" behind that in an asset library.
MAX_STEM_BYTES = 100
#: Longest name with all of that, without a number.
MAX_NAME_BYTES = 125
#: Hexadecimal digits of the hash that tells apart what was shortened.
HASH_DIGITS = 8
#: What no name may hold on some system, or in an address.
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]" if os.name != "nt" else r'[\x00-\x1f\x7f/\\<>:"|?*]')
#: Names of devices on Windows, with any ending.
DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$) *(\..*)?",
    re.IGNORECASE,
)


class FolderNames:
    """Hands out folder names below `out`.

    A photo gets its stem; if another photo has that already, its stem and its folder's name, and so on.
    Names are compared without case, and letters with accents alike whether these stand for themselves or not,
    as some file systems do.
    """

    def __init__(self, out: Path, photos: Iterable[Path], owners: Mapping[str, Path] | None = None) -> None:
        """Reserve a name for each photo, so that names do not depend on which is done first.

        Args:
            out: The output folder.
            photos: Those of this run.
            owners: Folder name -> photo, from earlier runs.
        """
        self._out = out
        self._owners = {_comparable(name): photo for name, photo in (owners or {}).items()}
        self._reserved: dict[str, Path] = {}
        for photo in photos:
            name = next(name for name in _candidates(photo) if self._is_free(name, photo))
            self._reserved[_comparable(name)] = photo

    def claim(self, photo: Path, heads: int) -> list[str]:
        """Folder names for the heads of `photo`: one without a number, several numbered from 1."""
        for base in _candidates(photo):
            names = [base] if heads == 1 else [f"{base}_{n + 1}" for n in range(heads)]
            if all(self._is_free(name, photo) for name in names):
                self._owners.update((_comparable(name), photo) for name in names)
                return names
        raise AssertionError("the candidates never end")

    def _is_free(self, name: str, photo: Path) -> bool:
        key = _comparable(name)
        if key in self._owners:
            return self._owners[key] == photo
        if key in TAKEN:
            return False
        return self._reserved.get(key, photo) == photo and not _is_foreign(self._out / name)


def _comparable(name: str) -> str:
    """The same text for all names that are one on some file system."""
    composed = unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", composed.casefold())


def portable_folder_name(text: str) -> str:
    """`text` as the name of a folder that every file system takes, and that is not hidden.

    Bytes that are no UTF-8 become "_", for Blender and face.json take text only; a long name is cut, with a
    hash of the whole at its end.
    """
    name = os.fsencode(text).decode("utf-8", "replace").replace("\ufffd", "_")
    name = FORBIDDEN.sub("_", name)
    if name.startswith("."):
        name = f"_{name[1:]}"
    if os.name == "nt":
        name = name.rstrip(". ")
    name = f"_{name}" if not name or DEVICES.fullmatch(name) else name
    return _shortened(name, text, MAX_STEM_BYTES)


def _shortened(name: str, source: str, limit: int) -> str:
    """`name`, cut to `limit` bytes of UTF-8, with a hash of `source` at its end if it was cut."""
    data = name.encode("utf-8")
    if len(data) <= limit:
        return name
    return f"{data[: limit - HASH_DIGITS - 1].decode('utf-8', 'ignore')}-{_hash(source)}"


def _candidates(photo: Path) -> Iterator[str]:
    stem, suffix = portable_folder_name(photo.stem), portable_folder_name(photo.suffix.lstrip(".").lower())
    yield stem
    if photo.parent.name:
        parent = portable_folder_name(photo.parent.name)
        yield _shortened(f"{stem}-{parent}", f"{stem}-{parent}", MAX_NAME_BYTES)
        yield _shortened(f"{stem}-{parent}-{suffix}", f"{stem}-{parent}-{suffix}", MAX_NAME_BYTES)
    digest = _hash(str(photo))
    yield f"{stem}-{digest}"
    for n in itertools.count(2):
        yield f"{stem}-{digest}-{n}"


def _hash(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:HASH_DIGITS]


def _is_foreign(folder: Path) -> bool:
    """Whether something of the user's is there that is no reconstruction."""
    if folder.is_symlink():
        return True
    if not folder.is_dir():
        return folder.exists()
    return not (folder / "face.json").is_file() and any(folder.iterdir())
