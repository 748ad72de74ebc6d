"""Files of training: whole or not there, and readable by whoever may read the others."""

import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from core.training.files import written_atomically


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_weights_file_can_be_read_like_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    path = tmp_path / "folder" / "weights.safetensors"
    with written_atomically(path) as temporary:
        save_file({"a": np.ones(2)}, temporary)
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert list(path.parent.iterdir()) == [path]


def test_a_file_stays_as_it_was_if_another_cannot_be_written(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("first")
    with pytest.raises(ZeroDivisionError), written_atomically(path) as temporary:
        temporary.write_text("second")
        raise ZeroDivisionError
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), written_atomically(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())
