"""The CSV files of Live Link Face: Apple's 52 shapes, turns of head and eyes, frame by frame. No bpy.

Epic's app writes a line of names, `Timecode,BlendShapeCount,EyeBlinkLeft,...,RightEyeRoll`, and a line a
frame. Rotations are Unreal's: yaw, pitch and roll as fractions of half a turn (`ToBlendShapeMap` of Unreal's
Apple ARKit plugin). Other programs write radians or degrees, or with the signs of mirrored cameras: a file's
eyes show which, since their shapes and their rotations are the same movement.
"""

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..blender.regular_file import read_regular
from ..errors import LiveLinkFileError

#: Apple's shapes in the order of Epic's files, as Apple writes them.
SHAPES = (
    *(
        f"eye{what}{side}"
        for side in ("Left", "Right")
        for what in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
    ),
    *("jawForward", "jawRight", "jawLeft", "jawOpen"),
    *("mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft"),
    *(f"mouth{what}{side}" for what in ("Smile", "Frown", "Dimple", "Stretch") for side in ("Left", "Right")),
    *("mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *(f"mouth{what}{side}" for what in ("Press", "LowerDown", "UpperUp") for side in ("Left", "Right")),
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut"),
)
#: What turns, and the beginning of its columns.
JOINTS = {"head": "Head", "eye.L": "LeftEye", "eye.R": "RightEye"}
AXES = ("Yaw", "Pitch", "Roll")
#: Radians of a file's unit, by the unit's name.
UNITS = {"half turns": math.pi, "radians": 1.0, "degrees": math.pi / 180}
#: The unit that Epic's app writes, and that files get in which no eye moves.
DEFAULT_UNIT = "half turns"
#: What an eye turns by for its shapes at 1, radians: between Apple's 30 degrees and the 25 of a head's bones.
EYE_TURN = math.radians(28)
#: The eyes' shapes and rotations must be as much alike, as correlation, to show the unit.
MIN_CORRELATION = 0.7
#: The least spread of the eyes' shapes that shows anything.
MIN_EYE_SPREAD = 0.02
#: Frames a second that cameras record at.
RATES = (24, 25, 30, 48, 50, 60, 100, 120, 240)
#: The rate where timecodes do not show it: the app's.
DEFAULT_RATE = 60
#: Larger files, and longer recordings, are refused: half an hour at 60 frames a second is 60 MB.
MAX_BYTES = 256 << 20
MAX_FRAMES = 500_000
#: The most characters of its first line, which is looked for among the first ones that say anything.
MAX_HEADER = 100_000
#: Shapes above this are percents.
PERCENT_FROM = 3.0
#: Digits behind the point of what is written.
DECIMALS = 6
DAY_S = 86_400.0


@dataclass(frozen=True)
class Recording:
    """A face in motion.

    Attributes:
        times: (N,) float64 seconds, the first is 0, growing.
        shapes: Apple's name -> (N,) float64, 0..1.
        rotations: Of JOINTS -> (N, 3) float64 radians: yaw to the subject's left, pitch up, roll to the
            subject's right shoulder.
        rate: Frames a second.
        skipped: Lines that could not be read.
    """

    times: np.ndarray
    shapes: Mapping[str, np.ndarray]
    rotations: Mapping[str, np.ndarray] = field(default_factory=dict)
    rate: float = DEFAULT_RATE
    skipped: int = 0


def read_recording(path: str | os.PathLike) -> Recording:
    """Read a file of Live Link Face, or one that resembles it.

    Separators may be commas, semicolons or tabs, names in any case, columns missing, more or in another
    order; lines that are cut off or hold no numbers are left out, cells that do not, keep the value before.

    Args:
        path: The file.

    Returns:
        The recording.

    Raises:
        LiveLinkFileError: It cannot be read, or has no shape or no frame.
    """
    path = Path(path)
    try:
        text = _decoded(read_regular(path, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise LiveLinkFileError(
            f"{path.name} cannot be read ({error}): choose the .csv file of a take of Live Link Face."
        ) from error
    return parse(text, path.name)


def parse(text: str, name: str = "The file") -> Recording:
    """The same from the file's text."""
    rows = _rows(text, name)
    header = [cell.strip().lower().replace("_", "") for cell in next(rows, [])]
    known = {shape.lower(): shape for shape in SHAPES}
    columns = {known[cell]: index for index, cell in enumerate(header) if cell in known}
    if not columns:
        raise LiveLinkFileError(
            f"{name} has no column of a blendshape, such as JawOpen: choose the .csv file of a take of Live "
            "Link Face."
        )
    turning = {
        (joint, axis): header.index(f"{prefix}{axis}".lower())
        for joint, prefix in JOINTS.items()
        for axis in AXES
        if f"{prefix}{axis}".lower() in header
    }
    wanted = [*columns.values(), *turning.values()]
    time_column = header.index("timecode") if "timecode" in header else None
    values, codes, skipped = _numbers(rows, wanted, time_column, name)
    if not len(values):
        raise LiveLinkFileError(f"{name} has no frame that could be read: record the take again.")
    times, rate = _times(codes)
    shapes = dict(zip(columns, values[:, : len(columns)].T, strict=True))
    if max(float(curve.max()) for curve in shapes.values()) > PERCENT_FROM:
        shapes = {shape: curve / 100 for shape, curve in shapes.items()}
    shapes = {shape: np.clip(curve, 0.0, 1.0) for shape, curve in shapes.items()}
    rotations: dict[str, np.ndarray] = {}
    for (joint, axis), curve in zip(turning, values[:, len(columns) :].T, strict=True):
        rotations.setdefault(joint, np.zeros((len(values), 3)))[:, AXES.index(axis)] = curve
    return Recording(times, shapes, _in_radians(rotations, shapes), rate, skipped)


def csv_text(recording: Recording) -> str:
    """The file's text, with all of Epic's columns, as Epic's app writes it.

    Args:
        recording: What shapes and joints it lacks are 0.
    """
    rate = max(1, round(recording.rate))
    names = [name[0].upper() + name[1:] for name in SHAPES]
    turns = [prefix + axis for prefix in JOINTS.values() for axis in AXES]
    count = len(recording.times)
    none, still = np.zeros(count), np.zeros((count, 3))
    columns = [recording.shapes.get(shape, none) for shape in SHAPES]
    for joint in JOINTS:
        columns += list((recording.rotations.get(joint, still) / UNITS[DEFAULT_UNIT]).T)
    table = np.stack(columns, 1)
    lines = [",".join(["Timecode", "BlendShapeCount", *names, *turns])]
    for seconds, row in zip(recording.times, table, strict=True):
        cells = ",".join(f"{value:.{DECIMALS}f}" for value in row)
        lines.append(f"{_timecode(float(seconds), rate)},{len(columns)},{cells}")
    return "\n".join(lines) + "\n"


def _decoded(data: bytes) -> str:
    """The text of a file. Raises ValueError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if b"\0" in data:
        raise ValueError("it is no text")
    return data.decode("utf-8-sig", errors="replace")


def _rows(text: str, name: str) -> Iterator[list[str]]:
    """The cells of the lines that are not empty. Raises LiveLinkFileError."""
    first = next(iter(text.lstrip()[:MAX_HEADER].splitlines()), "")
    separator = max(",;\t", key=first.count)
    if not first.count(separator):
        raise LiveLinkFileError(f"{name} is no table: choose the .csv file of a take of Live Link Face.")
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise LiveLinkFileError(f"{name} is no table ({error}): choose another file.") from error
        if any(cell.strip() for cell in row):
            # Where commas do not separate, they may be decimal points.
            yield [cell.replace(",", ".") for cell in row] if separator != "," else row


def _numbers(
    rows: Iterator[list[str]], wanted: Sequence[int], time_column: int | None, name: str
) -> tuple[np.ndarray, list[str], int]:
    """(N, len(wanted)) float64, their N timecodes, and how many lines were left out."""
    values: list[list[float]] = []
    codes: list[str] = []
    skipped = 0
    last = [0.0] * len(wanted)
    for row in rows:
        found = [_number(row[index]) if index < len(row) else None for index in wanted]
        if len(row) <= max(wanted) or all(value is None for value in found):
            skipped += 1
            continue
        last = [before if value is None else value for value, before in zip(found, last, strict=True)]
        values.append(last)
        codes.append(row[time_column].strip() if time_column is not None else "")
        if len(values) > MAX_FRAMES:
            raise LiveLinkFileError(f"{name} has more than {MAX_FRAMES} frames: cut it in pieces.")
    return np.array(values).reshape(-1, len(wanted)), codes, skipped


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e6 else None  # also false for NaN


def _times(codes: Sequence[str]) -> tuple[np.ndarray, float]:
    """Seconds since the first of the timecodes, and frames a second.

    Where codes cannot be read, or go backward, frames follow one another at the rate.
    """
    by_number = np.arange(len(codes)) / DEFAULT_RATE
    found = [parts for parts in map(_code, codes) if parts is not None]
    if len(found) < len(codes):
        return by_number, float(DEFAULT_RATE)
    seconds, frames = np.array(found).T
    # Only where a second is over, the greatest number of a frame shows how many it has.
    over = len(np.unique(seconds)) > 1
    rates = [rate for rate in RATES if rate > frames.max() and (over or rate >= DEFAULT_RATE)]
    rate = float(rates[0] if rates else frames.max() + 1)
    steps = np.diff(seconds + frames / rate)
    steps[steps < -DAY_S / 2] += DAY_S  # past midnight
    if len(steps) and (steps <= 0).any():
        return by_number, float(DEFAULT_RATE)
    return np.concatenate([[0.0], np.cumsum(steps)]), rate


def _code(text: str) -> tuple[float, float] | None:
    """A timecode HH:MM:SS:FF.fraction as (whole seconds, frames); None if it is none."""
    parts = [_number(part) for part in text.replace(";", ":").split(":")]
    if len(parts) != 4 or any(part is None or part < 0 for part in parts):
        return None
    hours, minutes, seconds, frames = (float(part or 0.0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds, frames


def _timecode(seconds: float, rate: int) -> str:
    whole = int(seconds + 1e-9)
    frames = max(0.0, (seconds - whole) * rate)
    if round(frames, 3) >= rate:
        whole, frames = whole + 1, 0.0
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{frames:06.3f}"


def _in_radians(
    rotations: Mapping[str, np.ndarray], shapes: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The rotations in radians and with our signs, by what the eyes' shapes show of both."""
    ratios = [_ratio(rotations, shapes, axis) for axis in (0, 1)]
    known = [abs(ratio) for ratio in ratios if ratio]
    unit = UNITS[DEFAULT_UNIT]
    if known:
        size = float(np.median(known))
        unit = min(UNITS.values(), key=lambda one: abs(math.log(size * one / EYE_TURN)))
    yaw, pitch = (unit * (1.0 if ratio is None or ratio > 0 else -1.0) for ratio in ratios)
    # A mirrored picture turns and tilts the other way.
    factors = np.array([yaw, pitch, math.copysign(unit, yaw)])
    return {joint: turns * factors for joint, turns in rotations.items()}


def _ratio(rotations: Mapping[str, np.ndarray], shapes: Mapping[str, np.ndarray], axis: int) -> float | None:
    """Rotation of the eyes about an axis, in the file's unit, for their shapes at 1; None if unknown."""
    pairs = []
    for joint, side, outward in (("eye.L", "Left", 1.0), ("eye.R", "Right", -1.0)):
        names = [f"eyeLook{way}{side}" for way in (("Out", "In") if axis == 0 else ("Up", "Down"))]
        if joint not in rotations or any(name not in shapes for name in names):
            continue
        sign = outward if axis == 0 else 1.0
        pairs.append((sign * (shapes[names[0]] - shapes[names[1]]), rotations[joint][:, axis]))
    if not pairs:
        return None
    looks, turns = (np.concatenate(part) for part in zip(*pairs, strict=True))
    looks, turns = looks - looks.mean(), turns - turns.mean()
    if looks.std() < MIN_EYE_SPREAD or turns.std() < 1e-9:
        return None
    if abs((looks * turns).mean()) < MIN_CORRELATION * looks.std() * turns.std():
        return None
    return float((looks * turns).sum() / (looks**2).sum())
