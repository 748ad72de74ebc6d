"""Where pip would get packages from here: asked of pip itself, with its files and variables. No bpy.

    python -m blender_addon.engine.package_sources

pip's index may be set by a dozen configuration files and by environment variables, an additional index, a
folder, an untrusted host or a proxy as well. Whoever is asked to agree to a download has to be told what
counts, so pip's own option parser is asked what it has come to. No index is named in this project.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .python_probe import ask_python

#: Seconds that pip may take to answer; generous, for cold disks.
ASK_TIMEOUT = 60.0
# Runs in an interpreter that may have no pip, but the wheel of one for venv to install.
_PROBE_SCRIPT = """
import glob, json, os, sys
try:
    import pip
except ImportError:
    import ensurepip
    bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled")
    for folder in (bundled, getattr(ensurepip, "_WHEEL_PKG_DIR", None) or bundled):
        sys.path[:0] = glob.glob(os.path.join(str(folder), "pip-*.whl"))
from pip._internal.commands import create_command
options = create_command("install").parser.get_default_values()
print(json.dumps({
    "index": "" if options.no_index else options.index_url or "",
    "extra_indexes": [] if options.no_index else list(options.extra_index_urls or ()),
    "folders": list(options.find_links or ()),
    "trusted_hosts": list(options.trusted_hosts or ()),
    "proxy": options.proxy or "",
}))
"""


@dataclass(frozen=True)
class PackageSources:
    """Where pip gets packages from.

    Attributes:
        index: URL of the package index; empty if pip uses none.
        extra_indexes: URLs of further ones.
        folders: Paths or URLs where wheels are looked for as well.
        trusted_hosts: Hosts whose certificates are not checked.
        proxy: URL of a proxy that pip is told to use, or empty.
        asked_pip: Whether pip said so; else these are its environment variables alone.
    """

    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    proxy: str = ""
    asked_pip: bool = True

    @property
    def name(self) -> str:
        """The index in a few words, without user names and passwords."""
        if self.index:
            return shown_url(self.index)
        return "no package index" if self.asked_pip else "pip's own package index"

    def lines(self) -> list[str]:
        """All but the index in words, a line each."""
        lines = []
        if self.extra_indexes:
            lines.append(f"Also from {', '.join(map(shown_url, self.extra_indexes))} (extra index).")
        if self.folders:
            lines.append(f"Also from {', '.join(map(shown_url, self.folders))} (find-links).")
        if self.trusted_hosts:
            lines.append(f"Certificates are not checked for {', '.join(self.trusted_hosts)} (trusted-host).")
        if self.proxy:
            lines.append(f"Through the proxy {shown_url(self.proxy)}.")
        return lines


def package_sources(python: str | os.PathLike = sys.executable) -> PackageSources:
    """What the pip of an interpreter is configured for."""
    try:
        values = ask_python(python, _PROBE_SCRIPT, ASK_TIMEOUT)
        return PackageSources(
            index=str(values["index"]),
            extra_indexes=tuple(map(str, values["extra_indexes"])),
            folders=tuple(map(str, values["folders"])),
            trusted_hosts=tuple(map(str, values["trusted_hosts"])),
            proxy=str(values["proxy"]),
        )
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return _from_variables()


def _from_variables() -> PackageSources:
    """For a Python whose pip cannot be asked: what its variables say."""
    return PackageSources(
        index=os.environ.get("PIP_INDEX_URL", ""),
        extra_indexes=tuple(os.environ.get("PIP_EXTRA_INDEX_URL", "").split()),
        folders=tuple(os.environ.get("PIP_FIND_LINKS", "").split()),
        trusted_hosts=tuple(os.environ.get("PIP_TRUSTED_HOST", "").split()),
        proxy=os.environ.get("PIP_PROXY", ""),
        asked_pip=False,
    )


def shown_url(url: str) -> str:
    """A URL without user name and password: its host, or its path if it is a folder here."""
    if "://" not in url:
        return str(Path(url))
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    if parts.scheme == "file":
        return parts.path
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{parts.hostname or 'an unreadable address'}{port}"


def main(arguments: Sequence[str]) -> int:
    """Say it; the one argument is the interpreter whose pip is meant."""
    sources = package_sources(*arguments[:1])
    sys.stdout.write("\n".join([f"Packages come from {sources.name}.", *sources.lines()]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
