"""What needs a Blender: heads as FBX, and heads opened in Blender's window."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .addon import AddonError, EngineProgram, PrivateProgram, WorkerClient, blender_worker
from .jobs import Job, JobState
from .problems import Problem
from .texts import problem_text

#: Formats that the Blender worker writes for the page, and the files that come of it.
FORMATS = {"fbx": "head.fbx"}
#: Seconds that an export may take, Blender's start included.
EXPORT_SECONDS = 180.0
#: Seconds after which a Blender that was started has read its head.
READ_SECONDS = 120.0
#: Endings of the files of a head that Blender's window needs: meshes, hair, and their textures and maps.
OPENED_SUFFIXES = (".npz", ".png")


@dataclass(frozen=True)
class BlenderTools:
    """The programs for what the engine cannot do.

    Attributes:
        worker: What runs the Blender worker, None if there is nothing.
        window: A Blender that can open a window here, None if there is none.
        script: What opens a head in it.
    """

    worker: EngineProgram | None
    window: Path | None
    script: Path


def find_tools(explicit: str | None, local: bool, temporary: Path) -> BlenderTools:
    """Look for a Blender.

    Args:
        explicit: The program that the user names, None to look for one.
        local: Whether only this machine reaches the server: nobody else opens windows here.
        temporary: Folder for the Blender worker's temporary files.

    Raises:
        AddonError: The named one is no program.
    """
    try:
        found = blender_worker.find_blender(explicit)
    except AddonError:
        if explicit:
            raise
        found = None
    worker = PrivateProgram(found, temporary) if found else None
    blender = shutil.which(explicit or "blender") if local and has_display() else None
    if blender and not blender_worker.BlenderProgram(Path(blender)).is_blender:
        blender = shutil.which("blender")
    script = Path(blender_worker.__file__).with_name("open_head.py")
    return BlenderTools(worker, Path(blender) if blender else None, script)


def has_display() -> bool:
    """Whether programs can open windows here."""
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


class Exporter:
    """Makes FBX files and opens Blenders, one at a time."""

    def __init__(self, tools: BlenderTools, folder: Path, user_umask: int = -1) -> None:
        """Take the programs.

        Args:
            tools: The programs.
            folder: Private, for the copies of heads that a Blender is to read.
            user_umask: For the Blender that a user opens; -1: this process's.
        """
        self._user_umask = user_umask
        self._tools = tools
        self._folder = folder
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def formats(self) -> list[str]:
        """The formats that it writes."""
        return list(FORMATS) if self._tools.worker else []

    @property
    def opens_blender(self) -> bool:
        """Whether there is a Blender to open heads in."""
        return self._tools.window is not None

    async def export(self, job: Job, format_: str) -> None:
        """Add a format to a job's files; `job.export_problem` says why if that fails.

        Raises:
            Problem: It cannot be asked for.
        """
        folder = job.results_folder
        if format_ not in self.formats or folder is None or self._tools.worker is None:
            raise Problem(409, "export")
        name = FORMATS[format_]
        if job.export or name in job.result:
            return
        job.export, job.export_problem = format_, None
        try:
            with job.in_use():
                async with self._lock:
                    await asyncio.to_thread(write_format, self._tools.worker, folder, format_)
            if job.results_folder == folder and job.state is JobState.DONE:
                job.result[name] = job.files[name] = folder / name
        except (AddonError, OSError) as error:
            job.export_problem = str(error)
        finally:
            job.export = None

    async def open_in_blender(self, job: Job) -> None:
        """Open a head in Blender's window.

        Raises:
            Problem: There is no head, or no Blender, or it does not start.
            OSError: The head cannot be copied.
        """
        folder = job.results_folder
        if self._tools.window is None or folder is None or "head.npz" not in job.result:
            raise Problem(409, "blender")
        copy = self._folder / f"opened-{secrets.token_hex(8)}"
        try:
            with job.in_use():
                await asyncio.to_thread(_copy_head, folder, copy)
            self._start(self._tools.window, copy, folder.name)
        except BaseException:
            shutil.rmtree(copy, ignore_errors=True)
            raise
        task = asyncio.create_task(_remove_later(copy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _start(self, window: Path, copy: Path, name: str) -> None:
        """Start a Blender that opens the copy of a head of this name. Raises Problem."""
        command = [window, "--python", self._tools.script, "--", copy, name]
        try:
            subprocess.Popen(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it stays when the server ends
                umask=self._user_umask,
            )
        except OSError as error:
            raise Problem(500, "blender_start") from error

    def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._tasks:
            task.cancel()


def write_format(program: EngineProgram, folder: Path, format_: str) -> None:
    """Have a Blender worker write a format into a head's folder. Raises AddonError."""
    with WorkerClient(program, attempts=1) as client:
        request = client.submit("step", folder=str(folder), step="export", options={"formats": [format_]})
        request.wait(EXPORT_SECONDS)
    if not (folder / FORMATS[format_]).is_file():
        raise AddonError(problem_text("export"))


def _copy_head(folder: Path, copy: Path) -> None:
    copy.mkdir(mode=0o700)
    for path in folder.iterdir():
        if path.suffix in OPENED_SUFFIXES and path.is_file():
            shutil.copyfile(path, copy / path.name)


async def _remove_later(folder: Path) -> None:
    try:
        await asyncio.sleep(READ_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
