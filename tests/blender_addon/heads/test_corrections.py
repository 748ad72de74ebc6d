"""What the add-on and the engine have to understand alike of corrections: masks and sliders."""

import base64
import hashlib
from pathlib import Path

import numpy as np
import pytest

from blender_addon.batch.corrections import remarks_on_corrections, unused_corrections
from blender_addon.errors import HeadFileError
from blender_addon.heads.ignored_mask import add_runs, empty_mask, mask_text, paint, parse_mask, runs
from blender_addon.heads.slider_file import read_sliders
from core.template.sliders import load_sliders
from core.wrapping.adjustments import MAX_OUTSIDE, Adjustments
from tests.conftest import ROOT
from tests.core.head_samples import MODELS


def test_pins_are_refused_where_the_engine_refuses_them():
    # Its module needs bpy.
    source = (ROOT / "blender_addon/heads/adjustments.py").read_text("utf-8")
    assert f"\nMAX_OUTSIDE = {MAX_OUTSIDE}\n" in source


def test_what_is_painted_is_what_the_engine_ignores():
    mask = empty_mask(800, 400)
    assert mask.shape == (128, 256) and mask_text(mask) == ""
    paint(mask, (0.25, 0.5), (0.75, 0.5), 0.05, True)
    assert mask[64, 64:192].all() and not mask[:, :40].any() and not mask[30].any()
    paint(mask, (0.5, 0.5), (0.5, 0.5), 0.02, False)
    assert not mask[64, 128] and mask[64, 80]
    text = mask_text(mask)
    assert np.array_equal(parse_mask(text), mask)
    assert np.array_equal(Adjustments.parse({"ignored_png": text}).ignored, mask)
    drawn = np.zeros_like(mask)
    for row, start, end in runs(mask):
        drawn[row, start:end] = True
    assert np.array_equal(drawn, mask)
    again = np.zeros_like(mask)
    assert add_runs(again, [list(run) for run in runs(mask)]) and np.array_equal(again, mask)
    assert not add_runs(again, [])
    for wrong in ([[0, 0]], [[0, 0, 1000]], [[-1, 0, 2]], [[0, 0, "1"]]):
        with pytest.raises(ValueError, match="runs"):
            add_runs(again, wrong)


@pytest.mark.parametrize("text", ["", "x", base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()])
def test_other_masks_are_none(text):
    assert parse_mask(text) is None


def test_sliders_do_the_same_here_and_in_the_engine(tmp_path):
    ours, engines = read_sliders(MODELS / "head_sliders.npz"), load_sliders(MODELS)
    values = {name: (-1) ** k * 0.5 for k, name in enumerate(engines.names)}
    assert np.allclose(ours.offset(values, engines.count), engines.offset(values), rtol=0, atol=1e-12)
    assert not ours.offset(values, 8).any()
    path = tmp_path / "head_sliders.npz"
    with np.load(MODELS / "head_sliders.npz") as file:
        arrays = dict(file)
    for name, wrong in (("starts", arrays["starts"][:-1]), ("offsets", arrays["offsets"] * np.float16(1e4))):
        np.savez(path, **{**arrays, name: wrong})
        with pytest.raises(HeadFileError):
            read_sliders(path)


def test_corrections_without_use_are_named():
    pins = [{"photo": "anna.jpg"}, {"photo": "bob.jpg"}]
    assert unused_corrections(pins, ["bob.jpg", "anna.jpg"], True) is None
    assert unused_corrections([], ["anna.jpg"], False) is None
    assert "bob.jpg" in unused_corrections(pins, ["anna.jpg"], True)
    assert "--surface" in unused_corrections(pins, ["anna.jpg", "bob.jpg"], False)


def test_corrections_over_photos_that_are_not_there_are_named():
    pin, mask = {"name": "chin", "photo": "side.jpg"}, {"back.jpg": "a PNG"}
    one = {"photo": "anna.jpg", "pins": [pin], "further_ignored": mask}
    assert unused_corrections([one], ["anna.jpg", "side.jpg", "back.jpg"], True) is None
    assert "back.jpg, side.jpg are not used" in unused_corrections([one], ["anna.jpg"], True)
    hashed = remarks_on_corrections([{**one, "sha256": "0" * 64}], [Path("anna.jpg"), Path("side.jpg")], True)
    assert any("over back.jpg are not used" in remark for remark in hashed)
    # The engine says what is wrong with these.
    assert (
        unused_corrections([{"photo": "a", "pins": [3, {"photo": 1}], "further_ignored": 5}], ["a"], True)
        is None
    )


def test_corrections_of_one_name_and_of_other_files_are_named(tmp_path):
    photos = [tmp_path / person / "front.jpg" for person in ("ann", "bob")]
    for photo in photos:
        photo.parent.mkdir()
        photo.write_bytes(photo.parent.name.encode())
    (several,) = remarks_on_corrections([{"photo": "front.jpg"}], photos, True)
    assert "Several photos are named front.jpg" in several
    ann = {"photo": "front.jpg", "sha256": hashlib.sha256(b"ann").hexdigest()}
    assert remarks_on_corrections([ann], photos, True) == []
    assert remarks_on_corrections([{"photo": "front.jpg"}], photos[:1], True) == []
    (gone,) = remarks_on_corrections([ann], [photos[1], Path("gone.jpg")], True)
    assert "front.jpg are not used" in gone and "SHA-256" in gone
    assert "--surface" in remarks_on_corrections([ann], photos, False)[0]
    assert remarks_on_corrections([], photos, False) == []
