"""The document that the benchmarks write their figures into, each between markers of its own."""

import os
import platform
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"


def machine() -> str:
    """Processor, cores, system, Python and torch."""
    import torch

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = platform.python_version()
    return f"{model}, {cores} cores, {platform.system()}, Python {python}, torch {torch.__version__}"


def ensure_section(path: Path, heading: str, begin: str) -> None:
    """Put an empty section at the end of `path` if it has none that starts with the marker `begin`."""
    document = path.read_text("utf-8")
    if begin not in document:
        path.write_text(f"{document.rstrip()}\n\n{heading}", "utf-8")


def write_section(path: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between two markers of `path`."""
    document = path.read_text("utf-8")
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    partial = path.with_name(path.name + ".part")
    partial.write_text(f"{before}{begin}\n{text}\n{end}{after}", "utf-8")
    partial.replace(path)
