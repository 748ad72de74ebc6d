"""What a batch shows: a progress bar on a terminal, plain lines elsewhere, a summary at the end. No bpy."""

import shutil
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from statistics import median
from typing import TextIO

from ..errors import printable
from .person_views import photos_used, remarks
from .record import PhotoRecord

#: Width of the progress bar, characters.
BAR_WIDTH = 24
#: How many results are named in the summary.
MAX_NAMED = 5
#: Verdicts, from what needs another photo to what can be used as it is.
VERDICTS = ("poor", "check", "good")


class Console:
    """Lines go to `out`; on a terminal a bar is kept below them, on `bar`."""

    def __init__(self, out: TextIO | None = None, bar: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._bar = bar or sys.stderr
        self._has_bar = self._bar.isatty()
        self._shown = False
        self._start = time.monotonic()
        for stream in (self._out, self._bar):
            # A file name must not end a batch because the terminal cannot show it.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    def line(self, text: str) -> None:
        """Print a line; what does not show in it is escaped, line ends too."""
        self.lines([text])

    def lines(self, texts: Iterable[str]) -> None:
        """Print lines."""
        self.clear()
        print("\n".join(map(printable, texts)), file=self._out, flush=True)

    def progress(self, done: float, total: int, text: str) -> None:
        """Redraw the bar: `done` of `total` photos, in fractions of a photo, and what is going on."""
        if not self._has_bar:
            return
        filled = int(done / max(total, 1) * BAR_WIDTH)
        left = ""
        if done >= 1:
            seconds = (time.monotonic() - self._start) * (total - done) / done
            left = f"  {int(seconds) // 60}:{int(seconds) % 60:02d} left"
        line = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {int(done)}/{total}{left}  {printable(text)}"
        columns = shutil.get_terminal_size().columns - 1
        self._bar.write("\r\x1b[K" + line[:columns])
        self._bar.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._bar.write("\r\x1b[K")
            self._bar.flush()
            self._shown = False


def in_words(outcome: PhotoRecord) -> str:
    """What came of a photo, in one line."""
    if outcome.error:
        return f"{outcome.shown}: FAILED: {outcome.error}"
    count = len(outcome.heads)
    folders = ", ".join(head.folder for head in outcome.heads)
    line = f"{outcome.shown}: {count} head{'s' * (count != 1)} in {outcome.seconds:.2f} s: {folders}"
    omitted = outcome.faces_omitted
    if outcome.views:
        line += f" ({photos_used(outcome.views)})"
    if omitted:
        faces = f"{omitted} smaller face{'s' * (omitted != 1)}"
        line += f" (at least {faces} left out: allow more with --max-faces)"
    return line


def summary(
    outcomes: Sequence[PhotoRecord], worked: Collection[str], out: str, engine_start: float, seconds: float
) -> list[str]:
    """The closing lines: how many, how long each step took, what failed and why, where the results are.

    Args:
        outcomes: Of all photos.
        worked: Paths of the photos for which something was done now.
        out: The output folder, as the user named it.
        engine_start: Seconds until the engine answered.
        seconds: Of the whole run.
    """
    good = [o for o in outcomes if not o.error]
    heads = [head for o in outcomes for head in o.heads]
    before = sum(o.path not in worked for o in good)
    people = [o for o in outcomes if o.views]
    views = [view for o in people for view in o.views]
    what = _count(outcomes, "input" if people else "photo")
    if people and all(o.views or o.error for o in outcomes):
        what = _people(outcomes)
    lines = [
        "",
        f"{len(good)} of {what} done{f' ({before} before)' if before else ''}, "
        f"{_count(heads, 'head')}, {seconds:.1f} s in all (starting the engine {engine_start:.1f} s).",
    ]
    if people:
        lines.append(f"{_people(people)}, {photos_used(views)}{':' if remarks(views) else '.'}")
        lines += [f"  {o.shown}: {remark}" for o in people for remark in remarks(o.views)]
    about = [f"  {o.shown}: {correction}" for o in good for correction in _on_corrections(o)]
    if about:
        lines += ["Corrections:", *about]
    new = [o for o in good if o.path in worked]
    steps = dict.fromkeys(step for o in new for step in o.timings)
    if steps:
        what = "Seconds by step" if len(new) == 1 else "Seconds by step, median over the photos"
        figures = (
            f"{step} {median(o.timings[step] for o in new if step in o.timings):.2f}" for step in steps
        )
        lines.append(f"{what}: {', '.join(figures)}; {median(o.seconds for o in new):.2f} a photo.")
    failed = [o for o in outcomes if o.error]
    if failed:
        lines.append("Failed:")
        lines += [f"  {o.shown}: {o.error}" for o in failed]
        if any(o.path not in worked for o in failed):
            lines.append("Some failed in an earlier run already: --retry-failed tries them again.")
    if heads:
        lines.append("Look at:")
        more = f"  ... and {len(heads) - MAX_NAMED + 1} more folders"
        shown = [f"  {out}/{h.folder}/{'preview.png' if 'preview.png' in h.files else ''}" for h in heads]
        lines += shown if len(shown) <= MAX_NAMED else [*shown[: MAX_NAMED - 1], more]
    return lines


def _on_corrections(outcome: PhotoRecord) -> list[str]:
    """What is to be said of the corrections of a photo's heads, a sentence each."""
    said = (correction for head in outcome.heads for correction in head.quality.get("corrections", ()))
    return list(dict.fromkeys(map(str, said)))


def below(outcomes: Sequence[PhotoRecord], verdict: str) -> list[str]:
    """Lines about the heads whose verdict is below `verdict`; a head without one is below all."""
    lines = []
    for head in (head for outcome in outcomes for head in outcome.heads):
        if head.verdict not in VERDICTS or VERDICTS.index(head.verdict) < VERDICTS.index(verdict):
            reasons = " ".join(map(str, head.quality.get("reasons", ())))
            lines.append(f"  {head.folder}: {head.verdict or 'not rated'}{f': {reasons}' if reasons else ''}")
    return lines


def _people(people: Sequence) -> str:
    return "1 person" if len(people) == 1 else f"{len(people)} people"


def _count(things: Sequence, singular: str) -> str:
    return f"{len(things)} {singular}{'s' * (len(things) != 1)}"
