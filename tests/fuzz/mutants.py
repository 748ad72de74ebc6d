"""Feeds mutants to a target, from a number on, so that many can be tried in several sittings.

    python -m tests.fuzz.mutants photo --from 0 --count 60000

prints what was tried, and ends with the first mutant that is not handled as it should be.
"""

import argparse
import contextlib
import faulthandler
import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS

SEED = int(os.environ.get("PHOTOBUST_FUZZ_SEED", "0"))
#: Seconds of processor time, of this process and its children, that nothing may take.
MOST_SECONDS = 10.0
#: Resident memory that nothing may take, bytes, beside the most that the process had before: in a run of all
#: tests, others have filled it.
MOST_BYTES = 2_000_000_000
#: Seconds after which a mutant hangs: the stacks are printed, and the process ends.
HANG_SECONDS = 120.0


@dataclass
class Tally:
    """What was tried. `first`: the number of the first mutant; `slowest`: seconds of processor time."""

    first: int = 0
    count: int = 0
    slowest: float = 0.0


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def feed(target: str, folder: Path, go_on: Callable[[Tally], bool], first: int = 0) -> Tally:
    """Feed a target its seeds, and mutants of them while `go_on` says so.

    Raises:
        AssertionError: One is not handled as it should be, or takes too long. So does anything that is no
            expected error. The mutant is kept in `folder`.
    """
    seeds, check = TARGETS[target].seeds(), TARGETS[target].check
    tally = Tally(first)
    most = peak_bytes() + MOST_BYTES
    with TARGETS[target].context():
        for seed in seeds:
            check(seed, folder)
        while go_on(tally):
            number = first + tally.count
            dice = random.Random(f"{SEED} {target} {number}")
            data = mutated(dice.choice(seeds), dice)
            began = processor_seconds()
            try:
                check(data, folder)
                seconds = processor_seconds() - began
                assert seconds < MOST_SECONDS, f"it takes {seconds:.1f} s"
                assert peak_bytes() <= most, f"it takes {peak_bytes() / 1e6:.0f} MB"
            except BaseException:
                path = folder / f"failed-{hashlib.sha256(data).hexdigest()[:12]}"
                path.write_bytes(data)
                sys.stdout.write(f"{target}, mutant {number}: PHOTOBUST_FUZZ_SEED={SEED}; kept as {path}\n")
                raise
            tally.slowest = max(tally.slowest, seconds)
            tally.count += 1
    return tally


def peak_bytes() -> int:
    """The most memory that this process, or one of its children, has had resident; 0 where none can say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(usage.ru_maxrss for usage in usages) * 1024


def main() -> None:
    """Feed a number of mutants, and print what was tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first mutant")
    parser.add_argument("--count", type=int, default=10_000, help="how many (default: 10000)")
    options = parser.parse_args()

    def go_on(tally: Tally) -> bool:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        return tally.count < options.count

    began = time.monotonic()
    kept = Path(tempfile.mkdtemp(prefix="photobust-fuzz-"))
    tally = feed(options.target, kept, go_on, options.first)
    faulthandler.cancel_dump_traceback_later()
    with contextlib.suppress(OSError):
        for path in kept.iterdir():
            path.unlink()
        kept.rmdir()
    sys.stdout.write(
        f"{options.target}: mutants {tally.first} to {tally.first + tally.count - 1}, the slowest"
        f" {tally.slowest:.2f} s of processor time, at most {peak_bytes() / 1e6:.0f} MB,"
        f" {time.monotonic() - began:.0f} s\n"
    )


if __name__ == "__main__":
    main()
