import os
import subprocess
import sys

import pytest

from scripts.benchmark.document import DOCUMENT, write_section
from scripts.benchmark.engine import BEGIN, END, EngineFigures, NetworkFigures, PeerFigures, report
from scripts.benchmark.processes import resident_bytes

ENGINE = EngineFigures(
    ready=1.5,
    first_surface=2.25,
    warm=[0.2, 0.21, 0.22, 0.3],
    processor=[0.3, 0.3, 0.5, 0.3],
    rest=0.015,
    steps={"detect": 0.01, "network": 0.1},
    peak_bytes=900_000_000,
    idle_bytes=300_000_000,
    vertices=123_456,
)
PEER = PeerFigures([0.43, 0.42, 0.5], [0.6, 0.6, 0.6])
NETWORKS = [NetworkFigures("ours", 0.05, 7.5, 6_500_000), NetworkFigures("theirs", 0.1, 15.4, 17_300_000)]


def test_report_says_what_was_measured():
    text = report(ENGINE, PEER, NETWORKS, 4, "some command", 0.25)
    assert "| photo of 1024 px to files, warm, median of 4 (quartiles) | 0.215 s (" in text
    assert "| 900, 300 MB | ≤ 900, ≤ 350 MB |" in text
    assert "| ours, as a multiple of it | 0.50 | ≤ 1.0 |" in text
    assert "| 0.30 s, 0.60 s, 0.50 | – |" in text
    assert "multiple" not in report(ENGINE, None, NETWORKS, 4, "some command", 0.25)
    assert "123,456 vertices" in text
    assert "| detect | 0.010 |" in text
    assert "| the rest, messages between the processes included | 0.015 |" in text
    assert "Ours takes 0.50 times as long" in text
    assert "load average 0.2 at the start; `some command`" in text
    assert f"{len(os.sched_getaffinity(0))} cores" in text


def test_only_its_own_section_is_replaced(tmp_path):
    path = tmp_path / "benchmarks.md"
    path.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n")
    write_section(path, "new\nlines", BEGIN, END)
    assert path.read_text() == f"# Title\n\n{BEGIN}\nnew\nlines\n{END}\n\nmore\n"
    write_section(path, "newer", BEGIN, END)
    assert path.read_text() == f"# Title\n\n{BEGIN}\nnewer\n{END}\n\nmore\n"


def test_the_document_has_the_section():
    text = DOCUMENT.read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_at_most_counts_what_is_gone_again():
    code = "x = b'1' * 300_000_000; del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        peak = resident_bytes(process.pid, most=True)
        process.communicate(b"\n")
    assert 300_000_000 < peak < 400_000_000


def test_vrns_architecture_has_the_size_it_is_known_for():
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from core.training.evaluation.vrn_baseline import VrnBaseline

    network = VrnBaseline().eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        volume = network(torch.zeros(1, 3, 192, 192))
    assert volume.shape == (1, 200, 192, 192)
    assert 14e9 < counter.get_total_flops() < 16e9
