"""Reads along with pip: from its output to how far it is. No bpy."""

import re
from dataclasses import dataclass

_UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_FILE = re.compile(r"^\s*(?:Downloading|Using cached) (\S+?)(\.metadata)? \(([\d.]+) (bytes|kB|MB|GB)\)")
_RAW = re.compile(r"^Progress (\d+) of (\d+)")
_INSTALLING = re.compile(r"^\s*Installing collected packages: (.+)")
#: What pip prints -> what a person reads.
_REASONS = (
    (r"No space left on device|not enough space on the disk", "the disk is full: make room"),
    (
        r"name resolution|getaddrinfo|NewConnectionError|Network is unreachable|Connection refused|timed out"
        r"|ConnectTimeout|Connection broken|RemoteDisconnected|ConnectionReset",
        "the package index cannot be reached: check the connection to the internet, or the proxy's settings",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "the connection to the package index is not trusted: a proxy or virus scanner may be in between",
    ),
    (
        r"PACKAGES DO NOT MATCH THE HASHES[^\n]*\n\s*(\S+)",
        "{0} is not the file that Photobust was tested with: the package index or a proxy has another one",
    ),
    (
        r"Permission denied|Access is denied|WinError 5",
        "files cannot be written or are in use: stop the engine",
    ),
    (
        r"No matching distribution found for (\S+)",
        "there is no package {0} for this Python and system: choose another Python",
    ),
)


@dataclass
class PipReader:
    """Adds up what is downloaded. total: bytes that are expected in all; an estimate will do."""

    total: float
    packages: int
    _finished: float = 0.0
    _current: float = 0.0
    _done: float = 0.0
    name: str = ""
    installing: bool = False

    def read(self, line: str) -> bool:
        """Take in a line of output; whether it changed anything."""
        if match := _RAW.match(line):
            self._done = min(float(match[1]), self._current)
            return True
        if match := _FILE.match(line):
            if match[2]:
                return False  # a package's description, which is small
            self._finished += self._current
            self._current, self._done = float(match[3]) * _UNITS[match[4]], 0.0
            self.name = match[1].split("-")[0].replace("_", "-")
            if "Using cached" in line:
                self._done = self._current
            return True
        if _INSTALLING.match(line):
            self.installing = True
            return True
        return False

    @property
    def downloaded(self) -> float:
        """Bytes so far."""
        return self._finished + self._done

    @property
    def fraction(self) -> float:
        """Share of the download that is done, 0..1."""
        return 1.0 if self.installing else min(self.downloaded / self.total, 1.0)


def failure_reason(lines: list[str]) -> str:
    """Why pip failed, in words, from the end of its output."""
    text = "\n".join(lines)
    for pattern, words in _REASONS:
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR")]
    return (errors or [line.strip() for line in lines if line.strip()] or ["it said nothing"])[-1]


def is_disk_full(lines: list[str]) -> bool:
    """Whether that was the reason."""
    return re.search(_REASONS[0][0], "\n".join(lines)) is not None
