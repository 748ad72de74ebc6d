"""Weights are read when they are needed, and let go of."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.errors import ModelError
from core.lifting.lifter import FILE_NAME, LandmarkLifter
from core.runtime.stored_weights import StoredWeights, widened
from core.runtime.weights import models_folder, safetensors_arrays


@pytest.fixture
def path(tmp_path) -> Path:
    file = tmp_path / "weights.safetensors"
    half = np.arange(12, dtype=np.float16).reshape(2, 3, 2)
    save_file({"half": half, "exact": np.arange(3.0), "number": np.arange(4, dtype=np.int32)}, file)
    return file


def test_every_number_of_half_precision_is_widened_exactly():
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, -1)
    expected = every.astype(np.float32)
    np.testing.assert_array_equal(widened(every), expected)
    assert np.array_equal(np.signbit(widened(every)), np.signbit(expected))


def test_arrays_are_those_of_the_file():
    lazy, whole = StoredWeights.of_file(models_folder() / FILE_NAME), models_folder() / FILE_NAME
    expected = safetensors_arrays(whole)
    assert set(lazy) == set(expected) and len(lazy) == len(expected)
    for name, array in expected.items():
        assert lazy.dimensions(name) == array.ndim and lazy[name].dtype == np.float32
        np.testing.assert_array_equal(lazy[name], array)


def test_only_what_can_be_read_again_is_let_go_of(path):
    weights = StoredWeights.of_file(path)
    first, exact = weights["half"], weights["exact"]
    assert weights["half"] is first and first.dtype == exact.dtype == np.float32
    shared = weights.joined(StoredWeights({"other": np.ones(2)}))
    assert shared["half"] is first
    shared.release()
    assert weights["half"] is not first and weights["exact"] is exact
    np.testing.assert_array_equal(weights["half"], first)


def test_names_and_dimensions_read_nothing(path):
    weights = StoredWeights.of_file(path)
    path.unlink()
    assert "half" in weights and "none" not in weights and set(weights) == {"exact", "half", "number"}
    assert weights.dimensions("half") == 3
    with pytest.raises(ModelError, match=r"weights\.safetensors is missing"):
        _ = weights["half"]


def test_arrays_are_chosen_and_replaced_by_name(path):
    weights = StoredWeights.of_file(path)
    some = weights.only(lambda name: name != "number").joined(StoredWeights({"exact": np.ones(2)}))
    assert set(some) == {"exact", "half"} and set(weights) == {"exact", "half", "number"}
    np.testing.assert_array_equal(some["exact"], np.ones(2, np.float32))
    assert some["half"] is weights["half"]


def test_a_file_that_has_changed_is_refused(path):
    weights = StoredWeights.of_file(path)
    save_file({"half": np.zeros((2, 3, 2), np.float16), "more": np.zeros(5)}, path)
    with pytest.raises(ModelError, match="has changed since the program began"):
        _ = weights["half"]
    save_file({"half": np.zeros((2, 3, 2), np.float16), "exact": np.arange(3.0)}, path)
    with pytest.raises(ModelError, match="has changed since the program began"):
        _ = weights["half"]
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
        StoredWeights.of_file(path)


def test_the_same_file_put_back_is_welcome(path):
    weights = StoredWeights.of_file(path)
    first = weights["half"]
    weights.release()
    again = path.read_bytes()
    path.unlink()
    path.write_bytes(again)
    os.utime(path, (1, 1))
    np.testing.assert_array_equal(weights["half"], first)


def test_a_lifter_lets_go_of_its_weights():
    lifter = LandmarkLifter.from_pretrained(models_folder())
    stages = [stage.weight for stage in lifter.stages]
    assert lifter.stages[0].weight is stages[0] and lifter.profile.weights["basis"] is lifter.weights["basis"]
    lifter.release_memory()
    again = [stage.weight for stage in lifter.stages]
    assert all(new is not old for new, old in zip(again, stages, strict=True))
    np.testing.assert_array_equal(again[-1], stages[-1])
