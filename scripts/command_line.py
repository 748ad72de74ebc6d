"""What the scripts that run inside Blender and outside of it share: their arguments, and how they end."""

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

DONE, FAILED, INTERRUPTED = 0, 1, 130


class Parser(argparse.ArgumentParser):
    """argparse, whose own exit code for misuse is 2, leaves with FAILED."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def in_blender() -> bool:
    """Whether a Blender runs this; `sys.executable` may be anything there."""
    bpy = sys.modules.get("bpy")
    return bool(bpy and bpy.app.binary_path)


def script_arguments() -> list[str]:
    """The script's own arguments: of Blender's command line, which it hands on, what comes after "--"."""
    if not in_blender():
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def run(main: Callable[[Sequence[str]], int], stopped: str = "Stopped.") -> NoReturn:
    """Run a script and leave with its exit code; after Ctrl-C say `stopped`.

    Inside Blender an exception would end in exit code 0, so everything ends in a code of our own.
    """
    try:
        code = main(script_arguments())
    except KeyboardInterrupt:
        print(f"\n{stopped}")
        code = INTERRUPTED
    except Exception:
        traceback.print_exc()
        code = FAILED
    sys.stdout.flush()
    sys.exit(code)
