"""Hostile bytes for everything that reads files or lines: `make fuzz` for half an hour, two minutes in CI.

PHOTOBUST_FUZZ_SECONDS is the time for all targets together, PHOTOBUST_FUZZ_SEED the start of the dice: a
failure names what to set to see it again.
"""

import hashlib
import os
import random
import time

import pytest

from tests.fuzz.faults import FAULTS
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("PHOTOBUST_FUZZ_SECONDS", "120"))
SEED = int(os.environ.get("PHOTOBUST_FUZZ_SEED", "0"))
#: Seconds of processor time, of this process and its children, that nothing may take.
MOST_SECONDS = 10.0


def processor_seconds() -> float:
    return sum(os.times()[:4])


@pytest.mark.parametrize(("target", "name"), [(t, name) for t, cases in FAULTS.items() for name in cases])
def test_known_faults(target, name, tmp_path):
    """What was found once stays fixed."""
    began = processor_seconds()
    TARGETS[target].check(FAULTS[target][name](), tmp_path)
    assert processor_seconds() - began < MOST_SECONDS


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS)
def test_mutants(target, tmp_path, record_property):
    """Seeds with random faults give expected errors, or something that makes sense."""
    seeds, check = TARGETS[target].seeds(), TARGETS[target].check
    count = 0
    slowest = 0.0
    for seed in seeds:
        check(seed, tmp_path)
    end = time.monotonic() + SECONDS / len(TARGETS)
    while time.monotonic() < end:
        dice = random.Random(f"{SEED} {target} {count}")
        data = mutated(dice.choice(seeds), dice)
        began = processor_seconds()
        try:
            check(data, tmp_path)
        except BaseException:
            path = tmp_path / f"failed-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            print(f"{target}, mutant {count}: PHOTOBUST_FUZZ_SEED={SEED}; kept as {path}")
            raise
        slowest = max(slowest, processor_seconds() - began)
        assert slowest < MOST_SECONDS, f"{target}, mutant {count}, PHOTOBUST_FUZZ_SEED={SEED}"
        count += 1
    record_property("mutants", count)
    print(f"{target}: {count} mutants, the slowest {slowest:.2f} s")
