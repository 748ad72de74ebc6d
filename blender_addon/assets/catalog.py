"""The catalogs of an asset library of Blender's: blender_assets.cats.txt. No bpy.

Each line is "UUID:path/of/catalogs:Simple-Name"; what others wrote, comments too, is kept as it is. The
file is written under another name and moved into place, by one writer at a time.
"""

import contextlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from ..blender.atomic_file import remove_partial_files, write_file
from ..blender.file_lock import held_lock
from ..blender.regular_file import read_regular
from ..errors import AssetError

#: Blender's file of a library's catalogs.
FILE_NAME = "blender_assets.cats.txt"
#: What whoever writes to a library holds meanwhile; not the batch's lock, as both folders may be the same.
LOCK_NAME = ".photobust-library.lock"
#: Temporary files that only whoever holds it writes: of assets and of the file of catalogs.
PARTIAL_ENDINGS = (".part.blend", ".part.txt")
#: What catalogs' UUIDs are made from, with their path: the same path gets the same one in every library.
NAMESPACE = uuid.UUID("5b2c0a3e-9c5f-4b7e-8c57-0d5f6f1b7a10")
#: A larger file is none of Blender's, bytes.
MAX_BYTES = 10_000_000
#: Seconds to wait for the lock.
LOCK_TIMEOUT = 60.0
VERSION = "VERSION 1"
HEADER = f"""# This is an Asset Catalog Definition file for Blender.
#
# Empty lines and lines starting with `#` will be ignored.
# The first non-ignored line should be the version indicator.
# Other lines are of the format "UUID:catalog/path/for/assets:simple catalog name"

{VERSION}

"""


def clean_path(path: str) -> str:
    """A catalog's path as Blender writes it: no empty parts, no colons or line breaks."""
    parts = (re.sub(r"[:\\\s]+", " ", part).strip() for part in path.split("/"))
    return "/".join(part for part in parts if part)


def parse(text: str) -> dict[str, str]:
    """Path -> UUID of the catalogs in a file's text. Raises ValueError if it is of another version."""
    found: dict[str, str] = {}
    version = None
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if version is None:
            version = line
            if version != VERSION:
                raise ValueError(f'it begins with "{line}" and not with "{VERSION}"')
            continue
        identifier, _, rest = line.partition(":")
        with contextlib.suppress(ValueError):  # a line that Blender would pass over, too
            found.setdefault(rest.partition(":")[0], str(uuid.UUID(identifier)))
    return found


def catalog_id(library: Path, path: str) -> str:
    """The UUID of a catalog of a library, which is added if it is not there. Raises AssetError.

    `path`: with "/" for one inside another; or the UUID of one, which is taken as it is.
    """
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(path))
    cleaned = clean_path(path)
    if not cleaned:
        raise AssetError(f'A catalog cannot be called "{path}": give it a name.')
    file = library / FILE_NAME
    try:
        library.mkdir(parents=True, exist_ok=True)
        with locked(library / LOCK_NAME):
            text = _text(file)
            known = parse(text)
            if cleaned in known:
                return known[cleaned]
            new = str(uuid.uuid5(NAMESPACE, cleaned))
            if new in known.values():  # somebody has moved ours: its assets go where it is now
                return new
            if VERSION not in text:
                text = HEADER + text
            if not text.endswith("\n"):
                text += "\n"
            simple = cleaned.replace("/", "-")[-63:]
            write_file(file, f"{text}{new}:{cleaned}:{simple}\n".encode())
            return new
    except OSError as error:
        raise AssetError(
            f"The asset library {library} cannot be written: {error.strerror or error}."
        ) from error
    except ValueError as error:
        raise AssetError(f"{file} is of a kind that this version does not know ({error}).") from error


def _text(file: Path) -> str:
    """What a library's file of catalogs has, or a new one is to have. Raises OSError or ValueError."""
    try:
        data = read_regular(file, MAX_BYTES)
    except FileNotFoundError:
        return HEADER
    # As Blender and Python's text files do, with any system's line ends.
    return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else is in here with the same lock file. Raises AssetError after LOCK_TIMEOUT seconds.

    What a process that was killed in here has left half-written beside the lock file is removed.
    """
    with held_lock(path, LOCK_TIMEOUT) as held:
        if not held:
            raise AssetError(f"Another program has kept {path} for a minute: end it, and try again.")
        remove_partial_files(path.parent, PARTIAL_ENDINGS)
        yield
