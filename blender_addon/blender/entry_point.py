"""What command lines share that run inside Blender and in a plain Python: arguments, exit codes. No bpy."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from ..errors import AddonError, printable

#: Exit code: all that was asked for is done.
DONE = 0
#: Exit code: nothing was done, or the command line cannot be understood.
FAILED = 1
#: Exit code after Ctrl-C or SIGTERM: 128 + SIGINT, as shells have it.
INTERRUPTED = 130


class CommandLineParser(argparse.ArgumentParser):
    """argparse, whose own exit code for misuse is 2, leaves with FAILED."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and leave."""
        self.print_usage(sys.stderr)
        self.exit(FAILED, printable(f"{self.prog}: {message}") + "\n")


def in_blender() -> bool:
    """Whether a Blender runs this; `sys.executable` may be anything there."""
    bpy = sys.modules.get("bpy")
    return bool(bpy and bpy.app.binary_path)


def script_arguments() -> list[str]:
    """The script's own arguments: of Blender's command line, which it hands on, what comes after "--"."""
    if not in_blender():
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def with_blender(program: str, work: Callable[[], int]) -> int:
    """Do what needs Blender, and say in one line why it cannot be done.

    Args:
        program: What messages begin with.
        work: Returns the exit code.

    Returns:
        The exit code.
    """
    try:
        import bpy  # noqa: F401  (asked for by name, to say what is missing)
    except ImportError as error:
        reason = f"this needs Blender, or a Python with the bpy module ({error})."
    else:
        try:
            return work()
        except AddonError as error:
            reason = str(error)
        except OSError as error:
            reason = f"{error.filename} cannot be written: {error.strerror}."
    print(f"{program}: {reason}", file=sys.stderr)  # noqa: T201 (the command line)
    return FAILED


def run(main: Callable[[Sequence[str]], int], stopped: str = "Stopped.") -> NoReturn:
    """Run a command line and leave with its exit code.

    Inside Blender an exception would end in exit code 0, so everything ends in a code of our own.

    Args:
        main: Takes the arguments, returns the exit code.
        stopped: What to print after Ctrl-C.
    """
    try:
        code = main(script_arguments())
    except KeyboardInterrupt:
        print(f"\n{stopped}")  # noqa: T201 (the command line)
        code = INTERRUPTED
    except Exception:  # noqa: BLE001 (Blender would end with code 0)
        traceback.print_exc()
        code = FAILED
    sys.stdout.flush()
    sys.exit(code)
