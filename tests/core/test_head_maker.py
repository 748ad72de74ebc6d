"""What heads are made with is loaded beside what comes before the first one."""

from contextlib import nullcontext
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from core.errors import ModelError
from core.hair.settings import HairSettings
from core.reconstructor import Reconstructor
from core.reconstructor.head_maker import HeadMaker
from core.template.template import HeadTemplate
from core.texture.settings import TextureSettings
from core.wrapping.options import HeadOptions
from core.wrapping.settings import WrapSettings
from tests.conftest import PATIENCE_SECONDS

MODELS = Path(__file__).resolve().parents[2] / "models"


def maker_of(models_dir: Path) -> HeadMaker:
    return HeadMaker(
        HeadTemplate.load(MODELS), models_dir, "onnx", WrapSettings(), TextureSettings(), HairSettings()
    )


def test_what_the_options_ask_for_is_loaded_once():
    maker = maker_of(MODELS)
    options = HeadOptions(texture=1024, hair="none", maps=False)
    maker.prepare(options)
    first = maker._preparing
    maker.prepare(options)
    assert maker._preparing is first
    first.join()
    assert "wrapper" in vars(maker) and "hair_builder" not in vars(maker)
    painter = maker.painter(1024)
    assert painter is maker._painter and "_completed" in vars(painter)
    assert "_mapper" not in vars(painter._completed)


def test_heads_are_prepared_beside_the_loading_of_the_models(monkeypatch):
    begun = []
    monkeypatch.setattr(HeadMaker, "prepare", lambda _, options: begun.append(options))
    Reconstructor.from_pretrained(MODELS, "onnx").close()
    assert not begun
    Reconstructor.from_pretrained(MODELS, "onnx", head=HeadOptions(texture=1024)).close()
    assert begun == [HeadOptions(texture=1024)]


def test_the_wrap_does_not_wait_for_what_only_the_texture_needs(monkeypatch):
    maker, painted = maker_of(MODELS), Event()
    painter = SimpleNamespace(prepare=lambda _: painted.wait(PATIENCE_SECONDS))
    monkeypatch.setattr(HeadMaker, "painter", lambda *_: painter)
    monkeypatch.setattr(HeadMaker, "wrapper", property(lambda _: Wrapper()))
    maker.prepare(HeadOptions(texture=1024, hair="none"))
    prior = SimpleNamespace(vertices=None, pose="pose")
    task = SimpleNamespace(name="a face", face=None, camera=None, adjustments=None)
    made, progress = (
        SimpleNamespace(prior=prior, surface=None),
        SimpleNamespace(step=lambda *_: nullcontext()),
    )
    assert maker.wrap(task, made, progress).in_progress == "begun"
    assert maker._preparing.is_alive()
    painted.set()
    maker._preparing.join()


class Wrapper:
    """Wraps nothing."""

    def begin(self, *_):
        return "begun"


class Skin(str):
    """A texture."""

    image = "lit"
    light_color = "white"


def test_missing_models_are_reported_where_they_are_needed(tmp_path):
    maker = maker_of(tmp_path)
    maker.prepare(HeadOptions())
    maker._preparing.join()
    with pytest.raises(ModelError, match=str(tmp_path)):
        _ = maker.wrapper


@pytest.mark.parametrize(
    ("texture", "beard", "expected"),
    [
        (1024, True, ("skin uv", "hair white lit soft")),
        (1024, False, ("skin uv", "hair white soft")),
        (0, True, (None, "hair")),
    ],
)
def test_the_hairline_is_painted_on_skin_and_hair_where_there_are_both(monkeypatch, texture, beard, expected):
    maker = maker_of(MODELS)
    monkeypatch.setattr(maker, "_finished_head", lambda *_: SimpleNamespace(topology="uv"))
    monkeypatch.setattr(maker, "_hair", lambda *_: "hair")
    monkeypatch.setattr(maker, "_albedo", lambda *_: Skin("skin"))
    monkeypatch.setattr("core.hair.white_light.in_white_light", lambda hair, color: f"{hair} {color}")
    monkeypatch.setattr("core.hair.facial_colors.in_texture_light", lambda hair, image: f"{hair} {image}")
    monkeypatch.setattr(
        "core.hair.hairline.with_soft_hairline",
        lambda albedo, hair, topology: (f"{albedo} {topology}", f"{hair} soft"),
    )
    task, made = SimpleNamespace(name="a face"), SimpleNamespace(segmentation=object())
    progress = SimpleNamespace(step=lambda *_: nullcontext())
    found = maker.finish(task, HeadOptions(texture=texture, beard=beard), made, None, progress)
    assert (found.albedo, found.hair) == expected
