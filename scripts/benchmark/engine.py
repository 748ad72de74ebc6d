"""Measures a photo's way to surface.ply beside VRN's architecture with PyMCubes, and start and memory.

Writes the figures into docs/benchmarks.md, between the markers of its section. The two take turns, so that
their ratio carries further than the seconds, and so does the processor's time beside other work. PyMCubes is
no dependency of the project: `pip install PyMCubes` for the comparison, which is left out without it.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.engine.client import Progress, WorkerClient
from blender_addon.engine.locate import Engine
from scripts.benchmark.document import DOCUMENT, machine, write_section
from scripts.benchmark.photos import make_photo
from scripts.benchmark.processes import processor_seconds, resident_bytes

BEGIN = "<!-- scripts/benchmark/engine.py: begin -->"
END = "<!-- scripts/benchmark/engine.py: end -->"
WARM_UP = 3
COLD_STARTS = 3
#: Seconds without a photo after which the engine's memory is measured.
IDLE_S = 3.0


@dataclass(frozen=True)
class EngineFigures:
    """Seconds and bytes of the engine process.

    `ready`: from starting the process until its models are loaded. `warm`: each run, as the client sees it.
    `processor`: its time of the processor. `steps`: medians by step, in their order. `rest`: median of what
    the steps do not account for. `idle_bytes`: a little after the last photo.
    """

    ready: float
    first_surface: float
    warm: list[float]
    processor: list[float]
    rest: float
    steps: dict[str, float]
    peak_bytes: int
    idle_bytes: int
    vertices: int


@dataclass(frozen=True)
class PeerFigures:
    """VRN's architecture and PyMCubes: seconds and the processor's time of each run."""

    seconds: list[float]
    processor: list[float]


@dataclass(frozen=True)
class NetworkFigures:
    """One network's forward pass for one photo."""

    name: str
    seconds: float
    gflop: float
    parameters: int


def main() -> int:
    """Measure, print, and write the document unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="runs that the medians are of (default: 20)")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        photo = make_photo(Path(folder))
        peer = peer_pipeline(photo)
        engine, peer_figures = measure_engine(photo, Path(folder) / "out", options.repeats, peer)
    networks = measure_networks(options.repeats)
    command = (
        "make benchmark"
        if options.repeats == 20
        else f"scripts/benchmark/engine.py --repeats {options.repeats}"
    )
    text = report(engine, peer_figures, networks, options.repeats, command, load)
    print(text)
    if not options.dry_run:
        write_section(DOCUMENT, text, BEGIN, END)
    return 0


def peer_pipeline(photo: Path) -> Callable[[], object] | None:
    """A photo's way to triangles with VRN's architecture (random weights) and PyMCubes; None without it.

    The network's own volume would be noise: PyMCubes is given the one that ours makes of the photo.
    """
    try:
        import mcubes
    except ImportError:
        return None
    import torch

    from core import Reconstructor
    from core.training.evaluation.vrn_baseline import VrnBaseline

    with Reconstructor.from_pretrained() as reconstructor:
        (head,) = reconstructor.reconstruct(photo, max_faces=1, keep_volume=True)
    volume = head.volume
    network = VrnBaseline().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    picture = torch.rand(1, 3, 192, 192).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            network(picture)
        mcubes.marching_cubes(volume, 0.5)

    return run


def measure_engine(
    photo: Path, out: Path, repeats: int, peer: Callable[[], object] | None
) -> tuple[EngineFigures, PeerFigures | None]:
    """Start the worker afresh a few times, then keep the last one and feed it, in turns with `peer`."""
    ready, firsts = [], []
    for attempt in range(COLD_STARTS):
        client = WorkerClient(Engine(Path(sys.executable), ROOT))
        arrivals: dict[str, float] = {}
        start = time.perf_counter()

        def note(progress: Progress, seen: dict[str, float] = arrivals) -> None:
            seen.setdefault(progress.step, time.perf_counter())

        client.submit_reconstruct(photo, out).wait(on_progress=note)
        firsts.append(time.perf_counter() - start)
        ready.append(arrivals["load"] - start)  # reading the photo comes after loading the models
        if attempt < COLD_STARTS - 1:
            client.close()
    with client:
        for _ in range(WARM_UP):
            client.submit_reconstruct(photo, out).wait()
            if peer:
                peer()
        warm: list[float] = []
        processor: list[float] = []
        peers = PeerFigures([], []) if peer else None
        rest: list[float] = []
        steps: dict[str, list[float]] = {}
        for _ in range(repeats):
            start, used = time.perf_counter(), processor_seconds(client.pid)
            result = client.submit_reconstruct(photo, out).wait()
            warm.append(time.perf_counter() - start)
            processor.append(processor_seconds(client.pid) - used)
            if peer and peers:
                start, used = time.perf_counter(), time.process_time()
                peer()
                peers.seconds.append(time.perf_counter() - start)
                peers.processor.append(time.process_time() - used)
            (face,) = result["faces"]
            timings = {**result["timings"], **face["timings"]}
            rest.append(warm[-1] - sum(timings.values()))
            for step, seconds in timings.items():
                steps.setdefault(step, []).append(seconds)
        time.sleep(IDLE_S)
        figures = EngineFigures(
            statistics.median(ready),
            statistics.median(firsts),
            warm,
            processor,
            statistics.median(rest),
            {step: statistics.median(seconds) for step, seconds in steps.items()},
            resident_bytes(client.pid, most=True),
            resident_bytes(client.pid),
            face["vertices"],
        )
        return figures, peers


def measure_networks(repeats: int) -> list[NetworkFigures]:
    """Ours, in torch and as artists have it, and VRN's architecture, in turns: all see the same machine."""
    import numpy as np
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from core.geometry.frames import VOLUME_SHAPE
    from core.runtime.backend import ONNX_NAME, WEIGHTS_NAME
    from core.runtime.onnx_session import OnnxSession
    from core.training.evaluation.vrn_baseline import VrnBaseline
    from core.volume.torch_predictor import fold_normalization, load_network

    ours = fold_normalization(load_network(ROOT / "models" / WEIGHTS_NAME))
    vrn = VrnBaseline().eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    candidates = {"this project's network": (ours, 10), "VRN's architecture, random weights": (vrn, 3)}
    runs: dict[str, Callable[[], object]] = {}
    sizes: dict[str, tuple[float, int]] = {}
    with torch.inference_mode():
        for name, (network, channels) in candidates.items():
            picture = torch.rand(1, channels, 192, 192).to(memory_format=torch.channels_last)
            with FlopCounterMode(display=False) as counter:
                network(picture)
            sizes[name] = counter.get_total_flops() / 1e9, sum(p.numel() for p in network.parameters())
            runs[name] = partial(network, picture)
        # The same network with what comes after it: the template's logits added, made into occupancies.
        exported = "this project's network to occupancies, ONNX Runtime"
        inputs = np.random.default_rng(0).random((1, 10, 192, 192), np.float32)
        logits = np.zeros((1, *VOLUME_SHAPE), np.float32)
        session = OnnxSession(ROOT / "models" / ONNX_NAME)
        runs[exported] = partial(session.run, inputs=inputs, template_logits=logits)
        sizes[exported] = next(iter(sizes.values()))
        seconds = in_turns(runs, repeats)
    return [NetworkFigures(name, statistics.median(seconds[name]), *sizes[name]) for name in runs]


def in_turns(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of `repeats` calls of each, after a few to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for k in range(WARM_UP + repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if k >= WARM_UP:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def peer_rows(engine: EngineFigures, peer: PeerFigures | None) -> list[str]:
    """Rows of the table that compare us with VRN's architecture and PyMCubes."""
    if peer is None:
        return []
    theirs = statistics.median(peer.seconds), statistics.median(peer.processor)
    ours = statistics.median(engine.warm), statistics.median(engine.processor)
    return [
        f"| VRN's architecture and PyMCubes, in turns with it | {theirs[0]:.3f} s | – |",
        f"| ours, as a multiple of it | {ours[0] / theirs[0]:.2f} | ≤ 1.0 |",
        f"| processor's time of a photo, ours, theirs, ratio | {ours[1]:.2f} s, {theirs[1]:.2f} s, "
        f"{ours[1] / theirs[1]:.2f} | – |",
    ]


def report(
    engine: EngineFigures,
    peer: PeerFigures | None,
    networks: list[NetworkFigures],
    repeats: int,
    command: str,
    load: float,
) -> str:
    """The section as Markdown."""
    total = statistics.median(engine.warm)
    quartiles = statistics.quantiles(engine.warm, n=4)
    lines = [
        f"{date.today().isoformat()}, {machine()}, load average {load:.1f} at the start; `{command}`.",
        "",
        "| what | measured | aim |",
        "|---|---|---|",
        f"| photo of 1024 px to files, warm, median of {repeats} (quartiles) | {total:.3f} s "
        f"({quartiles[0]:.3f} - {quartiles[2]:.3f}) | ≤ 0.25 s |",
        *peer_rows(engine, peer),
        f"| engine's memory, at most; when it has nothing to do | {engine.peak_bytes / 1e6:.0f}, "
        f"{engine.idle_bytes / 1e6:.0f} MB | ≤ 900, ≤ 350 MB |",
        f"| engine's start until its models are loaded, median of {COLD_STARTS}, files cached "
        f"| {engine.ready:.2f} s | ≤ 0.7 s |",
        f"| engine's start until its first surface is written | {engine.first_surface:.2f} s | – |",
        "",
        f"Where the {total:.3f} s go (medians by step; {engine.vertices:,} vertices):",
        "",
        "| step | s |",
        "|---|---|",
        *(f"| {step} | {seconds:.3f} |" for step, seconds in engine.steps.items()),
        f"| the rest, messages between the processes included | {engine.rest:.3f} |",
        "",
        "Forward pass in fp32, one picture, the two in turns in one process:",
        "",
        "| network | s | GFLOP | parameters, millions |",
        "|---|---|---|---|",
        *(f"| {n.name} | {n.seconds:.3f} | {n.gflop:.1f} | {n.parameters / 1e6:.1f} |" for n in networks),
        "",
        f"Ours takes {networks[0].seconds / networks[1].seconds:.2f} times as long as VRN's architecture.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
