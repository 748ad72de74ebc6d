"""index.html, the page to look through a batch: self-contained, opened from disk or served. No bpy.

    python -m blender_addon.batch.page OUT      writes OUT/index.html again from what is in OUT

Beside it, in index_files/, is the viewer of 3D models; each head's own model is view.js in its folder, a
script, since browsers load nothing else from disk. The page asks no other machine for anything, and its own
policy (Content-Security-Policy) forbids it to.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path

from ..blender.atomic_file import write_file
from ..errors import PageError
from .page_cards import cards
from .page_html import cards_html, filters_html, summary, text
from .record import BatchRecord
from .storage import is_regular

FILE_NAME = "index.html"
#: Where the viewer goes. Windows takes an index_files beside an index.html along when that is moved.
VIEWER_FOLDER = "index_files"
VIEWER_FILES = ("model-viewer.min.js", "model-viewer.LICENSE.txt", "model-viewer.NOTICE.txt")
#: The viewers' light; written into this page, and handed out by the web app.
LIGHT_FILE = "studio_light.js"
#: The page's template, style and program, and the viewer.
SOURCES = Path(__file__).parent / "page_files"
MARKER = re.compile(r"\{\{(\w+)\}\}")


def write_page(out: Path, record: BatchRecord) -> Path:
    """Write OUT/index.html, complete or not at all, and what it needs beside it. Raises PageError."""
    path = out / FILE_NAME
    try:
        page = page_html(out, record)
        _write_viewer(out / VIEWER_FOLDER)
        write_file(path, page.encode("utf-8"))
    except OSError as error:
        raise PageError(f"The page {path} cannot be written: {error.strerror}.") from error
    return path


def page_html(out: Path, record: BatchRecord) -> str:
    """The page as text."""
    script = _source(LIGHT_FILE) + _source("page.js")
    found = cards(out, record)
    values = {
        "title": text(out.absolute().name or "Heads"),
        "summary": text(summary(found, len(record.photos))),
        "when": text(_when(record)),
        "policy": _policy(script),
        "style": _source("page.css"),
        "filters": filters_html(found),
        "cards": cards_html(found),
        "script": script,
    }
    # In one go: what a file is called is not searched for markers.
    return MARKER.sub(lambda match: values[match[1]], _source("page.html"))


def _policy(script: str) -> str:
    """What the browser may load: files beside the page, and what the page itself has made of them.

    Of scripts written into the page only this one runs, whatever else should have got into it.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' file: 'wasm-unsafe-eval' 'sha256-{digest}'",
        "style-src": "'unsafe-inline'",
        "img-src": "'self' file: data: blob:",
        "media-src": "'self' file:",
        "connect-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _when(record: BatchRecord) -> str:
    """When the batch ended, to the minute, or that it goes on."""
    version = record.engine.get("version") if isinstance(record.engine, dict) else None
    made = f"Photobust {version}" if version else "Photobust"
    if record.started and (not record.finished or record.finished < record.started):
        return f"{made}, still at work when this was written: load it again for more"
    return f"{made}, {record.finished[:16].replace('T', ' ')} UTC" if record.finished else made


def _source(name: str) -> str:
    return (SOURCES / name).read_text("utf-8")


def _write_viewer(folder: Path) -> None:
    """Write the viewer beside the page, unless it is there already. Raises OSError, PageError."""
    if folder.is_symlink():
        raise PageError(f"{folder} is a link: remove it, so that the page's viewer can be written there.")
    folder.mkdir(exist_ok=True)
    for name in VIEWER_FILES:
        data = (SOURCES / name).read_bytes()
        path = folder / name
        if not is_regular(path) or path.read_bytes() != data:
            write_file(path, data)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(write_page(Path(argument), BatchRecord.load(Path(argument))))  # noqa: T201 (the command line)
