import os
import subprocess
import sys

from scripts.benchmark.batch import (
    BEGIN,
    END,
    HEADING,
    BatchFigures,
    MemoryMonitor,
    descendants,
    kind_of,
    report,
    resident,
)
from scripts.benchmark.document import ensure_section, write_section
from scripts.benchmark.photos import pick
from tests.conftest import wait_for

FIGURES = BatchFigures(
    photos=200,
    found=190,
    heads=195,
    failed=2,
    seconds=702.0,
    memory={
        "batch": (30_000_000, 29_000_000, 29_500_000),
        "engine": (1_800_000_000, 1_700_000_000, 1_701_000_000),
        "Blender": (0, 0, 0),
        "all": (1_830_000_000, 1_729_000_000, 1_730_500_000),
    },
    steps={"detect": 0.2, "head": 1.25},
)


def test_report():
    text = report({"surface": FIGURES, "head": FIGURES}, 2, 0.1)
    assert "| surface only | 1,000 | ≥ 3,000 | 190 of 200 (95%) | 195 | 2 |" in text
    assert "| 30; 29 -> 30 MB | 1,800; 1,700 -> 1,701 MB | – | 1,830; 1,729 -> 1,730 MB |" in text
    assert "detect 0.20, head 1.25." in text


def test_section_is_added_once_and_replaced(tmp_path):
    document = tmp_path / "benchmarks.md"
    document.write_text("# Benchmarks\n")
    for text in ("one", "two"):
        ensure_section(document, HEADING, BEGIN)
        write_section(document, text, BEGIN, END)
    assert document.read_text() == f"# Benchmarks\n\n## Batch\n\n{BEGIN}\ntwo\n{END}\n"


def test_pick(tmp_path):
    for k in range(10):
        (tmp_path / f"{k}.jpg").touch()
    (tmp_path / "notes.txt").touch()
    assert [path.stem for path in pick([tmp_path], 3)] == ["0", "3", "6"]
    assert len(pick([tmp_path, tmp_path / "1.jpg"], None)) == 11


def test_watch_sees_what_a_process_and_its_children_take():
    child = "x = bytearray(60_000_000); print('up', flush=True); input()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, 'core.worker'])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout.readline() == "up\n"
    (pid,) = descendants(process.pid)
    assert kind_of(pid) == "engine" and kind_of(os.getpid()) != "engine"
    watch = MemoryMonitor(process.pid)
    wait_for(lambda: watch.samples, "a measurement")
    memory = watch.stop()
    process.communicate("\n")
    assert 60_000_000 < memory["engine"][0] < 200_000_000
    assert memory["Blender"] == (0, 0, 0)
    assert memory["all"][0] >= memory["engine"][0] + memory["batch"][1] * 0.9
    assert resident(process.pid) == 0
