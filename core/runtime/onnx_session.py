"""A network in ONNX Runtime: what an artist installs instead of torch, a hundredth of its size."""

import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError
from .weights import file_sha256

if TYPE_CHECKING:
    from onnxruntime import RunOptions

#: Metadata of an exported network: the weights it was made of (see `core.training.fitting.onnx_export`).
SOURCE = "source"
SOURCE_SHA256 = "source_sha256"
_REGISTERING = threading.Lock()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_memory() -> None:
    """Let all networks of this process take their memory from one arena: what one leaves serves the next."""
    with _REGISTERING:  # networks are loaded by several threads
        _register_arena()


@cache
def _register_arena() -> None:
    import onnxruntime

    kind, use = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, use)
    # ONNX Runtime's own values, but for the first: as much memory as is needed.
    onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg(0, -1, -1, -1))


class OnnxSession:
    """One exported network, run on the processor with `threads` threads (default: the available cores)."""

    def __init__(self, path: Path, threads: int | None = None, keeps_memory: bool = True) -> None:
        """Read a network.

        Args:
            path: Its file.
            threads: See the class.
            keeps_memory: Whether what it worked with is kept for the networks' next pictures.

        Raises:
            ModelError: The file is missing, damaged, or made of other weights than are beside it.
            ValueError: No thread is asked for.
        """
        import onnxruntime

        if threads is not None and threads < 1:
            raise ValueError(f"one thread at least has to be asked for, not {threads}")
        if not path.is_file():
            raise ModelError(f"{path} is missing: get the project's models folder again")
        share_memory()
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.intra_op_num_threads = threads or available_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that wait for work are not to keep the processor busy: Blender runs beside this.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common class of their own
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"{path} is damaged: get the project's models folder again ({reason})"
            ) from error
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._check_source(path)
        self._keeps_memory = keeps_memory

    def _check_source(self, path: Path) -> None:
        # An installed engine has no weights beside it; a checkout must not mix two trainings. Only the last
        # part of what the file says counts, or it would lead out of its folder; it may say nothing.
        source = path.parent / Path(self.metadata.get(SOURCE, "")).name
        if source.is_file() and file_sha256(source) != self.metadata.get(SOURCE_SHA256):
            raise ModelError(
                f"{path} was made of other weights than {source.name}: run scripts/training/export_onnx.py"
            )

    def run(self, **inputs: np.ndarray) -> np.ndarray:
        """The output of a network that has one, for inputs given by name (float32, each with a leading batch
        of one).
        """
        (output,) = self.run_all(**inputs)
        return output

    def run_all(self, **inputs: np.ndarray) -> list[np.ndarray]:
        """All outputs, in the network's order."""
        feed = {name: np.ascontiguousarray(value, np.float32) for name, value in inputs.items()}
        options = None if self._keeps_memory else _releasing()
        return [np.asarray(output) for output in self._session.run(None, feed, options)]

    def release_memory(self) -> None:
        """Give back what all networks of this process keep for their next pictures; runs this one once."""
        shapes = {given.name: given.shape for given in self._session.get_inputs()}
        feed = {
            name: np.zeros([size if isinstance(size, int) else 1 for size in shape], np.float32)
            for name, shape in shapes.items()
        }
        self._session.run(None, feed, _releasing())


def _releasing() -> "RunOptions":
    """Options of a run that gives back what all networks of this process keep."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options
