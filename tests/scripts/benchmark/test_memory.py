"""What the measurement of memory says."""

import pytest

from scripts.benchmark.memory import Sample, find_results, summary, written

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


def test_finished_heads_are_found_and_others_are_not(tmp_path):
    for name, file in (("a", "head.npz"), ("b", "surface.ply"), ("c", "head.npz")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    (tmp_path / "head.npz").touch()
    assert sorted(path.name for path in find_results(tmp_path)) == ["a", "c"]


def test_figures_are_in_the_file_before_all_are_measured(tmp_path):
    path = tmp_path / "memory.csv"
    seen = []

    def measured():
        for number in range(2):
            yield Sample(f"{number}.jpg", 1, 10 * MB, 0)
            seen.append(path.read_text().splitlines()[1:])

    assert len(written(measured(), path)) == 2
    assert [len(lines) for lines in seen] == [1, 2] and seen[1][1] == "1.jpg,1,10000000,0"
