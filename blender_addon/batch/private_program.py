"""A program whose temporary files lie in a folder of the caller's. No bpy."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..engine.process import EngineProgram

#: Where programs look for the folder of temporary files, on all systems.
TEMPORARY_VARIABLES = ("TMPDIR", "TEMP", "TMP")


@dataclass(frozen=True)
class PrivateProgram:
    """An `EngineProgram` that keeps its temporary files, pictures of faces among them, in one folder.

    The caller removes the folder, also after the program was killed, and no other user can enter it. The
    usual folder is open to all users, and what a killed program leaves there stays.

    Attributes:
        program: How to start it.
        temporary: The folder.
    """

    program: EngineProgram
    temporary: Path

    @property
    def display_name(self) -> str:
        """See `EngineProgram`."""
        return self.program.display_name

    @property
    def python(self) -> Path:
        """See `EngineProgram`."""
        return self.program.python

    @property
    def root(self) -> Path:
        """See `EngineProgram`."""
        return self.program.root

    @property
    def background(self) -> bool:
        """See `EngineProgram`."""
        return self.program.background

    def command(self) -> list[str]:
        """See `EngineProgram`."""
        return self.program.command()

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The program's, with the folder."""
        return self.program.environment(base) | dict.fromkeys(
            TEMPORARY_VARIABLES, str(self.temporary.absolute())
        )
