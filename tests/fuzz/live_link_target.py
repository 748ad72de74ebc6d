"""Recordings of Live Link Face (.csv), which become curves of an animation."""

from pathlib import Path

import numpy as np

from blender_addon.animation.live_link_csv import JOINTS, SHAPES, Recording, csv_text, read_recording
from tests.fuzz.target import Target, accepted


def seeds() -> list[bytes]:
    """As the app writes it, and as other programs do."""
    count = 8
    numbers = np.random.default_rng(0)
    shapes = {shape: numbers.random(count) for shape in SHAPES}
    rotations = {joint: numbers.normal(0, 0.3, (count, 3)) for joint in JOINTS}
    whole = csv_text(Recording(np.arange(count) / 60, shapes, rotations))
    few = (
        "Timecode,BlendShapeCount,EyeLookOutLeft,EyeLookInLeft,JawOpen,LeftEyeYaw,HeadYaw\n"
        "23:59:59:58.207,61,0.1,0,0.5,0.25,0.1\n"
        "23:59:59:59.207,61,0,0.2,0.6,-0.25,0.1\n"
        "00:00:00:00.207,61,0.3,0,0.7,0.25,0.1\n"
    )
    others = (few.replace(",", ";").replace(".", ","), few.replace(",", "\t"), few.replace("\n", "\r\n"))
    return [
        whole.encode(),
        few.encode(),
        *(text.encode() for text in others),
        few.encode("utf-16"),
        few.encode("utf-8-sig"),
        b'"Jaw_Open","MouthClose"\n50,"100"\n1e2,nan\n',
    ]


def check(data: bytes, folder: Path) -> None:
    """A file is refused in words, or gives curves that keyframes can be made of."""
    take = accepted(read_recording, data, folder / "take.csv")
    if take is None:
        return
    count = len(take.times)
    assert count > 0 and take.times[0] == 0 and np.isfinite(take.times).all()
    assert (np.diff(take.times) > 0).all() and take.rate >= 1 and np.isfinite(take.rate)
    assert take.shapes and set(take.shapes) <= set(SHAPES) and set(take.rotations) <= set(JOINTS)
    for curve in take.shapes.values():
        assert curve.shape == (count,) and (curve >= 0).all() and (curve <= 1).all()
    for turns in take.rotations.values():
        assert turns.shape == (count, 3) and np.isfinite(turns).all()
    assert 0 <= take.skipped <= len(data)


LIVE_LINK = Target(seeds, check)
