"""Scripts that look through portraits leave out those that give no head, and go on."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.errors import FaceTooSmallError, NoFaceError, ReconstructionError
from core.training.paths import DataPaths
from core.training.synthesis.portrait_library import HOLD_OUT
from scripts.benchmark import skin
from scripts.training import build_albedo_model

PROBLEMS = (NoFaceError, FaceTooSmallError, ReconstructionError)


@pytest.fixture
def paths(tmp_path) -> DataPaths:
    """A portrait for each problem, and a good one, among as many held-out ones."""
    folder = tmp_path / "portraits"
    folder.mkdir()
    for number in range((len(PROBLEMS) + 1) * HOLD_OUT):
        Image.new("RGB", (8 + number, 8)).save(folder / f"{number:03d}.jpg")
    return DataPaths(tmp_path, tmp_path / "cache", tmp_path / "models")


class Reconstructor:
    """Finds a head in every photo but in the first ones, each of which has a problem of its own."""

    def __init__(self) -> None:
        self.asked = 0

    def reconstruct(self, photo, **_):
        self.asked += 1
        if self.asked <= len(PROBLEMS):
            raise PROBLEMS[self.asked - 1]("no head")
        return [SimpleNamespace(width=photo.width)]

    def __enter__(self) -> "Reconstructor":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_the_albedo_model_is_fitted_to_those_that_give_a_head(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(build_albedo_model, "SkinSampler", lambda *_: None)
    monkeypatch.setattr(
        build_albedo_model, "Reconstructor", SimpleNamespace(from_pretrained=lambda _: Reconstructor())
    )
    monkeypatch.setattr(
        build_albedo_model,
        "observe",
        lambda sampler, photo, head: SimpleNamespace(save=lambda path: np.savez(path, head.width)),
    )
    files = build_albedo_model.observe_portraits(paths, None, tmp_path / "observed")
    wanted = sum(1 for number in range((len(PROBLEMS) + 1) * HOLD_OUT) if number % HOLD_OUT)
    assert len(files) == wanted - len(PROBLEMS)


def test_the_benchmark_of_skin_measures_those_that_give_a_head(paths, capsys):
    (found,) = skin.held_out(paths, Reconstructor(), count=len(PROBLEMS) + 1)
    photo, head = found
    assert photo.width == head.width == 8 + len(PROBLEMS) * HOLD_OUT
    assert capsys.readouterr().err.count("is left out: no head") == len(PROBLEMS)
