"""What the measurement of memory says."""

import pytest

from scripts.benchmark.memory import summary

MB = 1_000_000


@pytest.mark.parametrize(
    ("sizes", "words", "growth"),
    [
        ([100 * MB], "engine: 100 MB after 1 (+0.0% since the warm-up), at most 100 MB\n", 0.0),
        (
            [100 * MB] * 49 + [200 * MB] * 2 + [210 * MB],
            "engine: 100 MB after 1, 200 MB after 50, 210 MB after 52 (+5.0% since the warm-up), at most"
            " 210 MB\n",
            0.05,
        ),
    ],
)
def test_growth_is_told_since_the_warm_up(sizes, words, growth):
    told, found = summary("engine", sizes)
    assert told == words and found == pytest.approx(growth)
