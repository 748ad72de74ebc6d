"""Arguments that the command lines of benchmarks have in common."""

import argparse
from collections.abc import Callable, Iterable


def names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """What makes a list of an argument's names, with commas between them, and refuses others than these."""
    choices = list(known)

    def names(text: str) -> list[str]:
        found = text.split(",")
        for name in found:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"there is no '{name}': choose from {', '.join(choices)}")
        return found

    return names
