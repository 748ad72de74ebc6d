"""Coverage-guided fuzzing of one target, where Google's atheris is installed (`pip install atheris`).

python -m tests.fuzz.with_atheris photo -max_total_time=600
"""

import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["core", "blender_addon"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(target.seeds()):
            (corpus / str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, str(corpus)], lambda data: target.check(data, Path(folder)))
        with target.context():
            atheris.Fuzz()


if __name__ == "__main__":
    main()
