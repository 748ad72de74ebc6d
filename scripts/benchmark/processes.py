"""What running processes take of memory and processor. Linux only."""

import os
from pathlib import Path


def resident_bytes(pid: int | None, most: bool = False) -> int:
    """Resident memory of a running process, now or the most that it has had (proc(5), status)."""
    field = "VmHWM:" if most else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not report a process's memory")


def processor_seconds(pid: int | None) -> float:
    """The processor's time that a running process has had, in and for it (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
