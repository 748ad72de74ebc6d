"""Kills a batch at random moments, lets it go on, and compares the results with those of an undisturbed run.

    python scripts/benchmark/check_resume.py photos/ --kills 20 --jobs 2 -- --turntable 8 --render front

What comes after "--" is handed to scripts/batch.py. After each kill (SIGKILL, to the batch alone: engine and
Blender have to notice by themselves) every file under its final name has to be whole. At the end all files
have to be the same as the undisturbed run's, but for times. Ends with 1 and the differences if they are not.
"""

import argparse
import hashlib
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Exporters and encoders write the date, or random numbers, into these: their sizes are compared, to a per
#: mille.
DATED = (".fbx", ".mp4", ".usdc", ".blend")
#: What differs from run to run in face.json and batch.json: times, and the fingerprints of dated files.
TIMES = ("timings", "seconds", "started", "finished", "pid", "attempts")


def main() -> int:
    """Run, kill, compare, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", nargs="+", help="photos and folders, as scripts/batch.py takes them")
    parser.add_argument("--kills", type=int, default=20, help="how often (default: 20)")
    parser.add_argument("--minutes", type=float, default=60.0, help="no kill after that (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="photos in work at the same time (default: 2)")
    parser.add_argument("--out", type=Path, help="keep the two folders in here (default: a temporary one)")
    own, batch = _split(sys.argv[1:])
    options = parser.parse_args(own)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        command = [sys.executable, str(ROOT / "scripts/batch.py"), *options.photos, *batch]
        command += ["--jobs", str(options.jobs)]
        end = time.monotonic() + 60 * options.minutes
        problems = check(command, folder, options.kills, random.Random(options.seed), end)
    for problem in problems:
        print(problem, file=sys.stderr)
    print("Not the same." if problems else "The same.")
    return 1 if problems else 0


def check(
    command: Sequence[str], folder: Path, kills: int, rng: random.Random, end: float = math.inf
) -> list[str]:
    """Run undisturbed, then kill and go on, and compare.

    Args:
        command: Of the batch, without the output folder.
        folder: Gets both outputs.
        kills: How many, at most.
        rng: Draws the moments.
        end: No kill after that, of `time.monotonic`.

    Returns:
        What is wrong, in lines; none if nothing is.
    """
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    began = time.monotonic()
    code = subprocess.run(
        [*command, "--out", str(undisturbed)], check=False, stdout=subprocess.DEVNULL
    ).returncode
    print(f"Undisturbed: {time.monotonic() - began:.0f} s, exit code {code}.", flush=True)
    if code not in (0, 2):
        return [f"the undisturbed run ended with {code}"]
    record = json.loads((undisturbed / "batch.json").read_text("utf-8"))
    start = record["timings"]["engine start"] / 2
    a_photo = statistics.median(photo["seconds"] for photo in record["photos"])
    expected = contents(undisturbed)
    problems: list[str] = []
    done = 0
    while done < kills and time.monotonic() < end:
        process = subprocess.Popen([*command, "--out", str(killed)], stdout=subprocess.DEVNULL)
        try:
            # Each run has the time for a photo or two, its start paid for each time.
            process.wait(start + rng.uniform(0, 3) * a_photo)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
            heads = sum(1 for _ in killed.glob("*/face.json"))
            print(f"Kill {done}: {heads} heads stand.", flush=True)
            problems += [f"after kill {done}: {line}" for line in not_whole(killed, expected)]
        else:
            # It got to its end before its time: something has to be done again.
            problems += [
                f"before kill {done + 1}: {line}" for line in differences(expected, contents(killed))
            ]
            for face in rng.sample(sorted(killed.glob("*/face.json")), 2):
                face.unlink()
    last = subprocess.run(
        [*command, "--out", str(killed), "--resume"], check=False, stdout=subprocess.DEVNULL
    )
    if last.returncode != code:
        problems.append(f"it ended with {last.returncode} instead of {code}")
    found = contents(killed)
    print(
        f"{len(found)} files, {sum(Path(name).suffix in DATED for name in found)} of them compared by size."
    )
    return problems + differences(expected, found)


def contents(out: Path, names: str = "*") -> dict[str, Any]:
    """File below the folders `names` of `out` -> what of it does not differ from run to run."""
    found = list(out.glob(names))
    paths = [*found, *(path for folder in found if folder.is_dir() for path in folder.rglob("*"))]
    return {path.relative_to(out).as_posix(): _content(path) for path in sorted(paths) if path.is_file()}


def not_whole(out: Path, expected: dict[str, Any]) -> Iterable[str]:
    """Files of heads that stand under their names and are not as they should be."""
    # Not the hidden ones, where an engine that has not yet noticed may still be writing.
    for name, content in contents(out, "[!.]*").items():
        if "/" in name and not _same(content, expected.get(name)):
            yield f"{name} is not whole"


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Lines on what one has and the other has not, or not so."""
    lines = [f"{name} is missing" for name in expected.keys() - found.keys()]
    lines += [f"{name} should not be there" for name in found.keys() - expected.keys()]
    both = expected.keys() & found.keys()
    return sorted(lines + [f"{name} differs" for name in both if not _same(expected[name], found[name])])


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return abs(one - other) <= one / 1000
    return bool(one == other)


def _content(path: Path) -> Any:
    if path.suffix in DATED:
        return path.stat().st_size
    if path.name in ("face.json", "batch.json"):
        return _timeless(json.loads(path.read_text("utf-8")))
    if path.name == "index.html":
        return "written anew by each run"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _timeless(value: Any, dated: bool = False) -> Any:
    """JSON without times, in no order of photos; and, if `dated`, without what a date in the file changes."""
    if isinstance(value, dict):
        left_out = (*TIMES, *(("bytes", "sha256") if dated else ()))
        return {
            name: _timeless(item, Path(name).suffix in DATED)
            for name, item in value.items()
            if name not in left_out and not (name == "options" and "photos" in value)
        }
    if isinstance(value, list):
        if all(isinstance(item, dict) and "path" in item for item in value):
            value = sorted(value, key=lambda photo: photo["path"])
        return [_timeless(item) for item in value]
    return value


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is before and after "--"."""
    if "--" not in arguments:
        return list(arguments), []
    at = list(arguments).index("--")
    return list(arguments[:at]), list(arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(main())
