"""Hostile bytes for everything that reads files or lines: `make fuzz` for half an hour, two minutes in CI,
less in `make test`.

PHOTOBUST_FUZZ_SECONDS is the time for all targets together, PHOTOBUST_FUZZ_SEED the start of the dice: a
failure names what to set to see it again.
"""

import os
import time

import pytest

from tests.fuzz.faults import FAULTS
from tests.fuzz.mutants import MOST_SECONDS, feed, peak_bytes, processor_seconds
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("PHOTOBUST_FUZZ_SECONDS", "24"))
#: Resident memory that no known fault takes any more, bytes, beside the most that the process had before.
MOST_FAULT_BYTES = 1_000_000_000


@pytest.mark.parametrize(("target", "name"), [(t, name) for t, cases in FAULTS.items() for name in cases])
def test_known_faults(target, name, tmp_path):
    """What was found once stays fixed."""
    data, began, most = FAULTS[target][name](), processor_seconds(), peak_bytes() + MOST_FAULT_BYTES
    TARGETS[target].check(data, tmp_path)
    assert processor_seconds() - began < MOST_SECONDS
    assert peak_bytes() <= most


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS)
def test_mutants(target, tmp_path, record_property):
    """Seeds with random faults give expected errors, or something that makes sense."""
    end = time.monotonic() + SECONDS / len(TARGETS)
    # However slow the seeds are, one mutant is tried.
    tally = feed(target, tmp_path, lambda tally: not tally.count or time.monotonic() < end)
    record_property("mutants", tally.count)
    print(f"{target}: {tally.count} mutants, the slowest {tally.slowest:.2f} s")
