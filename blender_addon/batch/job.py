"""What `runner` and `filing` need of whoever makes a photo's heads, here or elsewhere. No bpy."""

from pathlib import Path
from typing import Any, Protocol

from .photo_job import OnProgress, PhotoDone, PhotoTask, StepDone
from .plan import StepPlan


class Job(Protocol):
    """Does photos one by one: `photo_job.PhotoJob` on this machine, `cluster.ClusterJob` on others."""

    def run(self, task: PhotoTask, staging: Path, on_progress: OnProgress) -> PhotoDone:
        """See `PhotoJob.run`."""

    def run_step(self, folder: Path, step: StepPlan, options: dict[str, Any], timeout: float) -> StepDone:
        """See `PhotoJob.run_step`; on this machine."""

    def kill(self) -> None:
        """See `PhotoJob.kill`."""
