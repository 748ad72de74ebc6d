"""Write core/runtime/pinned_models.py: the SHA-256 of each file in models/ that results depend on.

    python scripts/build/pin_models.py

Run it after a change of models/ that is wanted: an engine refuses files that are not on the list.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MODELS = ROOT / "models"
PINNED = ROOT / "core/runtime/pinned_models.py"
HEADER = '''"""SHA-256 of the project's models. Made by scripts/build/pin_models.py: do not edit."""

PINNED_MODELS = {
'''


def pinned_source(folder: Path) -> str:
    """The text of core/runtime/pinned_models.py for a folder of models."""
    from core.runtime.weights import file_sha256, model_files

    return (
        HEADER
        + "".join(f'    "{path.name}": "{file_sha256(path)}",\n' for path in model_files(folder))
        + "}\n"
    )


def pin_models(folder: Path) -> None:
    """Write the list if these are the project's own models; it says nothing of others."""
    from core.training.files import written_atomically

    if folder.resolve() == MODELS.resolve():
        with written_atomically(PINNED) as temporary:
            temporary.write_text(pinned_source(folder), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.parse_args(arguments)
    pin_models(MODELS)


if __name__ == "__main__":
    main()
