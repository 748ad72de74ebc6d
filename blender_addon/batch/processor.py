"""What `runner` and `committer` need of what reconstructs photos, here or elsewhere. No bpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from .local_processor import OnProgress, PhotoResult, PhotoTask, StepOutcome
from .plan import StepPlan


class PhotoProcessor(Protocol):
    """Reconstructs photos one by one: `LocalProcessor` on this machine, `ClusterProcessor` on others."""

    def run(
        self,
        task: PhotoTask,
        staging: Path,
        on_progress: OnProgress,
        on_reconstructed: Callable[[], None],
    ) -> PhotoResult:
        """See `LocalProcessor.run`."""

    def run_step(self, folder: Path, step: StepPlan, options: dict[str, Any], timeout: float) -> StepOutcome:
        """See `LocalProcessor.run_step`; on this machine."""

    def kill(self) -> None:
        """See `LocalProcessor.kill`."""
