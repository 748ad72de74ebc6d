"""Files of Live Link Face: Epic's own, those of other programs, and such as are none."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blender_addon.animation.face_groups import GROUPS, group_of, mirrored, paired, rows
from blender_addon.animation.live_link_csv import (
    JOINTS,
    SHAPES,
    Recording,
    csv_text,
    parse,
    read_recording,
)
from blender_addon.errors import LiveLinkFileError
from core.template.topology import HeadTopology
from tests.core.head_samples import MODELS

#: As Epic's app writes it (five of its 61 columns).
EPIC = """Timecode,BlendShapeCount,EyeBlinkLeft,JawOpen,HeadYaw,HeadPitch,HeadRoll
14:03:52:58.207,61,0.1,0.5,0.25,0.1,0.0
14:03:52:59.207,61,0.2,0.6,0.25,0.1,0.0
14:03:53:00.207,61,0.3,0.7,0.25,0.1,0.0
"""


def test_names_are_apples():
    assert len(SHAPES) == 52 and set(SHAPES) == set(HeadTopology.load(MODELS).blendshape_names)


def test_a_file_of_the_app():
    recording = parse(EPIC)
    assert recording.rate == 60 and recording.skipped == 0
    np.testing.assert_allclose(recording.times, [0, 1 / 60, 2 / 60], atol=1e-9)
    np.testing.assert_allclose(recording.shapes["jawOpen"], [0.5, 0.6, 0.7])
    np.testing.assert_allclose(recording.rotations["head"][0], np.radians([45, 18, 0]))
    assert set(recording.shapes) == {"eyeBlinkLeft", "jawOpen"} and set(recording.rotations) == {"head"}


@st.composite
def recordings(draw):
    count = draw(st.integers(1, 150))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shapes = {shape: numbers.random(count) for shape in SHAPES}
    # Eyes that are turned as their shapes say.
    rotations = {"head": numbers.normal(0, 0.3, (count, 3))}
    for joint, side, out in (("eye.L", "Left", 1), ("eye.R", "Right", -1)):
        yaw = out * (shapes[f"eyeLookOut{side}"] - shapes[f"eyeLookIn{side}"])
        pitch = shapes[f"eyeLookUp{side}"] - shapes[f"eyeLookDown{side}"]
        rotations[joint] = math.radians(25) * np.stack([yaw, pitch, 0 * yaw], 1)
    return Recording(np.arange(count) / 60, shapes, rotations)


@settings(max_examples=20)
@given(recordings())
def test_what_is_written_comes_back(recording):
    found = parse(csv_text(recording))
    np.testing.assert_allclose(found.times, recording.times, atol=1e-4)
    assert found.rate == 60 and set(found.shapes) == set(SHAPES) and set(found.rotations) == set(JOINTS)
    for shape in SHAPES:
        np.testing.assert_allclose(found.shapes[shape], recording.shapes[shape], atol=1e-6)
    for joint in JOINTS:
        np.testing.assert_allclose(found.rotations[joint], recording.rotations[joint], atol=4e-6)


@pytest.mark.parametrize("unit", [math.pi, 1.0, math.pi / 180])
@pytest.mark.parametrize(("yaw", "pitch"), [(1, 1), (-1, 1), (1, -1)])
def test_the_eyes_show_unit_and_signs(unit, yaw, pitch):
    look = np.sin(np.linspace(0, 9, 200))
    turn = np.radians([20, -10, 5]) * np.ones((200, 1))
    lines = ["Timecode,EyeLookOutLeft,EyeLookInLeft,EyeLookUpLeft,EyeLookDownLeft,LeftEyeYaw,LeftEyePitch,"]
    lines[0] += "HeadYaw,HeadPitch,HeadRoll"
    for number, (one, other) in enumerate(zip(look, np.roll(look, 50), strict=True)):
        cells = [max(one, 0), max(-one, 0), max(other, 0), max(-other, 0)]
        cells += [yaw * 0.5 * one / unit, pitch * 0.5 * other / unit]
        cells += [yaw * turn[number, 0] / unit, pitch * turn[number, 1] / unit, yaw * turn[number, 2] / unit]
        lines.append(f"{number / 60},{','.join(f'{cell:.8f}' for cell in cells)}")
    found = parse("\n".join(lines))
    np.testing.assert_allclose(found.rotations["head"], turn, atol=1e-6)
    np.testing.assert_allclose(found.rotations["eye.L"][:, 0], 0.5 * look, atol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        EPIC.replace("\n", "\r\n"),
        "\n\n" + EPIC.replace("\n", "\n\n"),
        "\ufeff" + EPIC,
        EPIC.replace(",", ";").replace(".", ","),
        EPIC.replace(",", "\t"),
        EPIC.replace("JawOpen", "jaw_open").replace("HeadYaw", "headyaw"),
        EPIC.replace("JawOpen", '"JawOpen"'),
        EPIC.replace("\n", ",extra,\n"),
        EPIC + "14:03:53:01",  # cut off
    ],
    ids=["crlf", "empty lines", "mark", "semicolons", "tabs", "case", "quoted", "more columns", "cut off"],
)
def test_files_of_other_programs(tmp_path, text):
    path = tmp_path / "take.csv"
    path.write_bytes(text.encode("utf-8"))
    recording = read_recording(path)
    np.testing.assert_allclose(recording.shapes["jawOpen"], [0.5, 0.6, 0.7])
    np.testing.assert_allclose(recording.rotations["head"][:, 0], np.pi / 4)
    assert recording.skipped == (1 if text.endswith("01") else 0)


def test_percents_gaps_and_values_out_of_range():
    recording = parse("Timecode,JawOpen,MouthClose\na,50,100\nb,,nan\nc,x,y\nd,-3,120\n")
    np.testing.assert_allclose(recording.shapes["jawOpen"], [0.5, 0.0])
    np.testing.assert_allclose(recording.shapes["mouthClose"], [1.0, 1.0])
    assert recording.skipped == 2 and recording.rate == 60
    assert parse("JawOpen,MouthClose\n0.5,\n0.6,0.2\n").shapes["mouthClose"].tolist() == [0, 0.2]


def test_past_midnight_and_backwards():
    head = "Timecode,JawOpen\n"
    times = parse(head + "23:59:59:59.0,0.1\n00:00:00:00.0,0.2\n").times
    np.testing.assert_allclose(times, [0, 1 / 60], atol=1e-9)
    times = parse(head + "00:00:01:10.0,0.1\n00:00:00:40.0,0.2\n00:00:00:41.0,0.2\n").times
    np.testing.assert_allclose(times, np.arange(3) / 60, atol=1e-9)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b",,,\n",
        b"one word",
        b"a,b,c\n1,2,3\n",
        b"Timecode,JawOpen\n",
        b"Timecode,JawOpen\nx,y\n",
        b"\0\1" * 9,
    ],
)
def test_what_is_none_is_named(tmp_path, data):
    path = tmp_path / "other.csv"
    path.write_bytes(data)
    with pytest.raises(LiveLinkFileError, match=r"other\.csv"):
        read_recording(path)
    with pytest.raises(LiveLinkFileError, match="nothing"):
        read_recording(tmp_path / "nothing.csv")


@settings(max_examples=60)
@given(st.binary(max_size=400), st.booleans())
def test_hostile_bytes_are_refused_or_read(data, after_a_head):
    text = (EPIC if after_a_head else "").encode() + data
    try:
        recording = parse(text.decode("utf-8", errors="replace"))
    except LiveLinkFileError:
        return
    assert np.isfinite(recording.times).all() and (np.diff(recording.times) > 0).all()
    for values in (*recording.shapes.values(), *recording.rotations.values()):
        assert np.isfinite(values).all() and len(values) == len(recording.times)


def test_every_shape_has_a_group_and_a_mirror_image():
    assert {group_of(shape) for shape in SHAPES} == set(GROUPS) - {"Visemes"}
    for shape in SHAPES:
        assert mirrored(mirrored(shape)) == shape and mirrored(shape) in SHAPES
    assert sum(paired(shape) for shape in SHAPES) == 36
    assert mirrored("jawLeft") == "jawRight" and not paired("jawLeft")
    shown = [shape for row in rows(SHAPES) for shape in row]
    assert sorted(shown) == sorted(SHAPES)
