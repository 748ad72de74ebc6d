"""Takes photos through the engine and the renderer, one after the other, and files the results. No bpy."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..errors import AddonError, JobFailedError
from ..manifest import add_file
from ..worker_client import Progress, WorkerClient
from .console import Console
from .inputs import Input
from .names import FolderNames
from .record import Head, Outcome, Record

#: Seconds between two savings of the record while the batch runs.
SAVE_EVERY = 2.0
#: Share of a photo's progress that is the engine's; the rest is the preview picture's.
ENGINE_SHARE = 0.8
#: A picture of the face, cut from the photo, that the engine leaves beside the surface.
FACE_PICTURE = "photo.png"
PREVIEW = "preview.png"

#: Makes a preview picture: surface.ply, picture of the face or None, file to write.
Previewer = Callable[[Path, Path | None, Path], None]
#: Adds files in other formats to a result's folder.
Exporter = Callable[[Path], None]


@dataclass(frozen=True)
class Settings:
    """What is asked of each photo; `options` as `WorkerClient.reconstruct` takes them."""

    out: Path
    focal_mm: float | None = None
    max_faces: int = 10
    timeout: float = 300.0
    options: dict[str, Any] = field(default_factory=dict)


class Batch:
    """Runs photos one by one. Results are made in a hidden folder and moved to their names when complete."""

    def __init__(
        self,
        client: WorkerClient,
        settings: Settings,
        console: Console,
        record: Record,
        previewer: Previewer | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._console = console
        self._record = record
        self._previewer = previewer
        self._exporter = exporter
        self._saved = 0.0

    def run(self, inputs: Sequence[Input]) -> list[Outcome]:
        """Reconstruct all; each failure is noted and passed over. Raises what concerns the whole batch."""
        out = self._settings.out
        names = FolderNames(out, [item.path for item in inputs if not item.problem], self._record.owners())
        outcomes: list[Outcome] = []
        self._record.started = _now()
        try:
            for k, item in enumerate(inputs):
                outcome = self._one(item, names, k, len(inputs))
                outcomes.append(outcome)
                self._console.line(f"[{k + 1}/{len(inputs)}] {_in_words(outcome)}")
                self._note(outcome)
        finally:
            self._console.clear()
            self._record.finished = _now()
            self._record.save(out)
        return outcomes

    def _note(self, outcome: Outcome) -> None:
        self._record.photos[outcome.path] = outcome
        if time.monotonic() - self._saved > SAVE_EVERY:
            self._record.save(self._settings.out)
            self._saved = time.monotonic()

    def _one(self, item: Input, names: FolderNames, index: int, total: int) -> Outcome:
        start = time.perf_counter()
        path, digest = str(item.path), None
        if item.problem:
            return Outcome(path, item.shown, error=item.problem, error_kind="NoSuchPhoto")

        def show(fraction: float, text: str) -> None:
            self._console.progress(index + fraction, total, f"{item.path.name}: {text}")

        show(0.0, "")
        heads: list[Head] = []
        timings: dict[str, float] = {}
        error: Exception | None = None
        try:
            digest = _sha256(item.path)
            self._reconstruct(item.path, names, show, heads, timings)
        except (AddonError, OSError) as problem:
            error = problem
        return Outcome(
            path,
            item.shown,
            digest,
            error=None if error is None else str(error),
            error_kind=getattr(error, "kind", type(error).__name__) if error else None,
            heads=heads,
            timings=timings,
            seconds=time.perf_counter() - start,
        )

    def _reconstruct(
        self,
        photo: Path,
        names: FolderNames,
        show: Callable[[float, str], None],
        heads: list[Head],
        timings: dict[str, float],
    ) -> None:
        """Fills `heads` and `timings` as far as it comes: what is done stays done if the rest fails."""
        settings = self._settings

        loading: list[float] = []

        def on_progress(progress: Progress) -> None:
            show(ENGINE_SHARE * progress.fraction, progress.message)
            # The engine loads its models with its first photo, and does not count that among the steps.
            if progress.step == "start":
                loading.append(time.perf_counter())
            elif loading:
                timings["loading the models"] = time.perf_counter() - loading.pop()

        with tempfile.TemporaryDirectory(prefix=".photobust-", dir=settings.out) as staging:
            result = self._client.reconstruct(
                photo,
                staging,
                focal_mm=settings.focal_mm,
                max_faces=settings.max_faces,
                options=settings.options,
                timeout=settings.timeout,
                on_progress=on_progress,
            )
            _add(timings, result.get("timings", {}))
            problem = None
            for n, face in enumerate(result["faces"]):
                _add(timings, face.get("timings", {}))
                show(ENGINE_SHARE + (1 - ENGINE_SHARE) * n / len(result["faces"]), "Rendering the preview")
                try:
                    self._export(Path(face["folder"]), timings)
                    self._preview(Path(face["folder"]), timings)
                except AddonError as error:
                    problem = problem or error
            for name, face in zip(names.claim(photo, len(result["faces"])), result["faces"], strict=True):
                heads.append(self._file_away(Path(face["folder"]), name, face))
            if problem:
                raise JobFailedError(
                    "NoPreview", f"the head is made, but not all that was asked for beside it: {problem}"
                )

    def _export(self, folder: Path, timings: dict[str, float]) -> None:
        if self._exporter:
            start = time.perf_counter()
            self._exporter(folder)
            _add(timings, {"export": time.perf_counter() - start})

    def _preview(self, folder: Path, timings: dict[str, float]) -> None:
        if self._previewer:
            start = time.perf_counter()
            picture = folder / FACE_PICTURE
            self._previewer(folder / "surface.ply", picture if picture.is_file() else None, folder / PREVIEW)
            add_file(folder, PREVIEW, "the photo, and the head from the front, three-quarter and the side")
            _add(timings, {"preview": time.perf_counter() - start})

    def _file_away(self, source: Path, name: str, face: dict[str, Any]) -> Head:
        """Move the results to their name; face.json, which says that the folder is complete, comes last."""
        target = self._settings.out / name
        target.mkdir(exist_ok=True)
        files = sorted((p.name for p in source.iterdir()), key=lambda file: (file == "face.json", file))
        for previous in self._record.photos.values():
            for head in previous.heads:
                if head.folder == name:
                    for stale in set(head.files) - set(files):
                        (target / stale).unlink(missing_ok=True)
        for file in files:
            os.replace(source / file, target / file)
        return Head(name, files, int(face.get("vertices", 0)), int(face.get("faces", 0)))


def _in_words(outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome.shown}: FAILED: {outcome.error}"
    count = len(outcome.heads)
    folders = ", ".join(head.folder for head in outcome.heads)
    return f"{outcome.shown}: {count} head{'s' * (count != 1)} in {outcome.seconds:.2f} s: {folders}"


def _add(timings: dict[str, float], more: dict[str, float]) -> None:
    for step, seconds in more.items():
        timings[step] = timings.get(step, 0.0) + float(seconds)


def _sha256(path: Path) -> str | None:
    """Fingerprint of the file, None where it cannot be read: the engine then says why."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError:
        return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
