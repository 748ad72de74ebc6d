"""Measures the add-on in a real Blender window: from the click to the head, Blender's pauses, its memory.

Writes the figures into docs/benchmarks.md, between the markers of its section. Without a display a virtual
one is used (Xvfb), whose pictures the processor has to draw. Run it on an idle machine.

The same file runs inside Blender (`--inside`), where it presses the button and watches.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

BEGIN = "<!-- scripts/benchmark/addon.py: begin -->"
END = "<!-- scripts/benchmark/addon.py: end -->"
HEADING = f"## In Blender\n\n{BEGIN}\n{END}\n"
SCREEN = "1600x900x24"
TIMEOUT = 600.0
#: Seconds between two beats of the watch inside Blender.
BEAT = 0.01
#: Beats between two runs, for Blender to finish drawing.
REST = 50
#: How often the window is drawn to see what that alone takes.
REDRAWS = 10
#: Beats that each of these drawings is given.
BEATS_A_REDRAW = 20
#: Undo steps keep meshes; with few of them, memory shows leaks and not history.
UNDO_STEPS = 2


@dataclass
class AddonFigures:
    """Seconds and bytes. `runs`: from the click to the object, the first with the engine's start.

    `pauses`: by run, the longest time that Blender answered nobody while the engine worked; `arrivals`: the
    same while the head was imported and drawn for the first time; `imports`: making the object alone.
    `work` and `arrival_work`: the most that Blender's main thread computed between two beats, likewise, which
    leaves out waiting for a busy processor and for drawing without a graphics card.
    `drawing`: the longest pauses when only the window is drawn anew, the engine not running: without a
    graphics card that alone takes long. `memory`: resident, before the first run and after each.
    """

    version: str = ""
    runs: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    imports: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    arrival_work: list[float] = field(default_factory=list)
    drawing: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    vertices: int = 0
    problem: str = ""


def main() -> int:
    """Measure, print, and write the document unless told not to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blender", default=shutil.which("blender"), help="the program (default: blender)")
    parser.add_argument("--engine-python", default=sys.executable, help="the engine's interpreter")
    parser.add_argument("--repeats", type=int, default=11, help="runs, the first one cold (default: 11)")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    if not options.blender:
        parser.error("there is no `blender` on this machine; name one with --blender")
    load = os.getloadavg()[0]
    figures = measure(options.blender, options.engine_python, options.repeats)
    if figures.problem:
        print(figures.problem, file=sys.stderr)
        return 1
    text = report(figures, load)
    print(text)
    if not options.dry_run:
        write(text)
    return 0


def measure(blender: str, engine_python: str, repeats: int) -> AddonFigures:
    """Run Blender with a new user's settings and an empty engine."""
    from scripts.benchmark.photos import make_photo

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photo, out = make_photo(folder), folder / "figures.json"
        screen = [] if os.environ.get("DISPLAY") else ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}"]
        command = [*screen, blender, "--factory-startup", "--window-geometry", "0", "0", "1600", "900"]
        inside = ["--python", __file__, "--", "--inside", str(out), str(photo), str(repeats)]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))},
            "HOME": name,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PHOTOBUST_PYTHON": engine_python,
        }
        done = subprocess.run(
            [*command, *inside], env=environment, timeout=TIMEOUT, check=False, capture_output=True, text=True
        )
        if not out.is_file():
            return AddonFigures(problem=f"Blender ended early:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return AddonFigures(**json.loads(out.read_text()))


def report(figures: AddonFigures, load: float) -> str:
    """The section as Markdown."""
    from scripts.benchmark.document import machine

    warm = figures.runs[1:]
    before, first, last = (figures.memory[k] / 1e6 for k in (0, 1, -1))
    later = len(figures.memory) - 2
    display = "a window" if os.environ.get("DISPLAY") else "a window on Xvfb, drawn by the processor"
    return "\n".join(
        [
            f"{date.today().isoformat()}, Blender {figures.version} in {display}; {machine()}, load average "
            f"{load:.1f} at the start; `scripts/benchmark/addon.py`. A photo of 1024 px, "
            f"{figures.vertices:,} vertices.",
            "",
            "| what | measured | aim |",
            "|---|---|---|",
            f"| click to object, engine not running | {figures.runs[0]:.2f} s | – |",
            f"| click to object, engine warm, median of {len(warm)} | {statistics.median(warm):.2f} s | – |",
            "| longest pause while the engine works: median of the runs, worst "
            f"| {milliseconds(figures.pauses)} | ≤ 100 ms |",
            "| the same without any engine, only drawing the window anew "
            f"| {milliseconds(figures.drawing)} | – |",
            "| longest pause when the head arrives (import, undo step, first drawing): median, worst "
            f"| {milliseconds(figures.arrivals)} | ≤ 300 ms |",
            f"| of that, making the object: median, worst | {milliseconds(figures.imports)} | – |",
            "| most that Blender's main thread computed in one go while the engine works: median, worst "
            f"| {milliseconds(figures.work)} | – |",
            f"| the same when the head arrives | {milliseconds(figures.arrival_work)} | – |",
            f"| Blender's memory before the first run, after it, after {later} more "
            f"| {before:.0f}, {first:.0f}, {last:.0f} MB ({last - first:+.0f} MB) | no leak |",
            "",
            f"Each head was deleted before the next run, and Blender kept {UNDO_STEPS} undo steps.",
        ]
    )


def milliseconds(seconds: list[float]) -> str:
    """Median and maximum."""
    return f"{statistics.median(seconds) * 1e3:.0f}, {max(seconds) * 1e3:.0f} ms"


def write(text: str) -> None:
    """Put the section into the document, at its end if it is not there yet."""
    from scripts.benchmark.document import DOCUMENT, ensure_section, write_section

    ensure_section(DOCUMENT, HEADING, BEGIN)
    write_section(DOCUMENT, text, BEGIN, END)


class Watch:
    """Inside Blender: presses the button, beats on a timer, and notes when a beat comes late."""

    def __init__(self, out: Path, photo: str, repeats: int) -> None:
        import bpy

        self.out, self.photo, self.repeats = out, photo, repeats
        self.figures = AddonFigures(version=bpy.app.version_string)
        self.clicked = self.built = 0.0
        self.last = time.perf_counter()
        self.worked = time.thread_time()
        self.late: list[tuple[float, float, float]] = []
        self.resting = REST
        self.drawing = REDRAWS * BEATS_A_REDRAW
        self.running = self.noted = False
        bpy.context.preferences.edit.undo_steps = UNDO_STEPS
        self._time_imports()

    def _time_imports(self) -> None:
        from blender_addon.heads import results

        build = results.build_surface_object

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            head = build(*arguments)
            self.built = start
            self.figures.imports.append(time.perf_counter() - start)
            self.figures.runs.append(time.perf_counter() - self.clicked)
            self.figures.vertices = len(head.data.vertices)
            return head

        results.build_surface_object = timed  # type: ignore[assignment]

    def beat(self) -> float | None:
        """Called by Blender's timer."""
        import bpy

        now = time.perf_counter()
        self.late.append((now, now - self.last - BEAT, time.thread_time() - self.worked))
        going_on = True
        try:
            going_on = self._step()
        except Exception as error:  # noqa: BLE001 (report it outside, rather than sit there with an open window)
            self.figures.problem = f"{type(error).__name__}: {error}"
            going_on = False
        if not going_on:
            self.out.write_text(json.dumps(asdict(self.figures)))
            bpy.ops.wm.quit_blender()
            return None
        self.last, self.worked = time.perf_counter(), time.thread_time()
        return BEAT

    def _step(self) -> bool:
        import bpy

        state = bpy.context.window_manager.photobust
        if self.running and not state.running:
            self.running, self.resting = False, REST
        if self.running:
            return True
        if self.resting:
            self.resting -= 1
            return True
        if state.message_level == "ERROR":
            raise RuntimeError(state.message)
        if self.drawing:
            self._draw()
            return True
        if self.clicked and not self.noted:
            self._note()
            # Drawing the empty scene is not to be taken for a pause of the next run.
            self.noted, self.resting = True, REST
            return True
        if not self.clicked:
            self.figures.memory.append(resident())
        if len(self.figures.pauses) == self.repeats:
            return False
        self._click()
        return True

    def _draw(self) -> None:
        import bpy

        if self.drawing % BEATS_A_REDRAW == 0:
            self.late.clear()
            for area in bpy.context.window_manager.windows[0].screen.areas:
                area.tag_redraw()
        self.drawing -= 1
        if self.drawing % BEATS_A_REDRAW == 0:
            self.figures.drawing.append(max(by for _, by, _ in self.late))

    def _click(self) -> None:
        import bpy

        window = bpy.context.window_manager.windows[0]
        area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
        region = next(region for region in area.regions if region.type == "WINDOW")
        self.late.clear()
        self.running, self.noted = True, False
        self.clicked = time.perf_counter()
        with bpy.context.temp_override(window=window, area=area, region=region):
            bpy.ops.photobust.reconstruct("INVOKE_DEFAULT", filepath=self.photo)

    def _note(self) -> None:
        import bpy

        before = [beat for beat in self.late if beat[0] < self.built]
        after = [beat for beat in self.late if beat[0] >= self.built]
        self.figures.pauses.append(max(by for _, by, _ in before))
        self.figures.arrivals.append(max(by for _, by, _ in after))
        self.figures.work.append(max(work for _, _, work in before))
        self.figures.arrival_work.append(max(work for _, _, work in after))
        for head in [ob for ob in bpy.context.scene.objects if ob.photobust.is_head]:
            bpy.data.objects.remove(head)
        bpy.ops.outliner.orphans_purge(do_local_ids=True, do_recursive=True)
        for collection in [c for c in bpy.context.scene.collection.children if not c.objects]:
            bpy.data.collections.remove(collection)
        self.figures.memory.append(resident())


def resident() -> int:
    """This process's memory, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def watch_inside(out: str, photo: str, repeats: str) -> None:
    """Start watching, in Blender."""
    import addon_utils  # type: ignore[import-not-found]
    import bpy

    addon_utils.enable("blender_addon", default_set=True)
    watch = Watch(Path(out), photo, int(repeats))
    bpy.app.timers.register(watch.beat, first_interval=1.0)


if __name__ == "__main__":
    if "--inside" in sys.argv:
        watch_inside(*sys.argv[sys.argv.index("--inside") + 1 :])
    else:
        sys.exit(main())
