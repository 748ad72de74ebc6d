"""What a batch says of a photo, and what it knows of faces that were left out."""

from pathlib import Path

import pytest

from blender_addon.batch.console import in_words
from blender_addon.batch.local_processor import PhotoResult, StagedHead
from blender_addon.batch.record import HeadRecord, PhotoRecord
from blender_addon.batch.runner import faces_omitted

HEAD = HeadRecord("group_1", [], 10, 20)


@pytest.mark.parametrize(
    ("omitted", "said"), [(0, None), (1, "1 smaller face left"), (16, "16 smaller faces left")]
)
def test_faces_left_out_are_told(omitted, said):
    line = in_words(PhotoRecord("/a/group.jpg", "group.jpg", heads=[HEAD], faces_omitted=omitted))
    assert (said in line and "--max-faces" in line) if said else "left out" not in line


@pytest.mark.parametrize(
    ("engine", "before", "expected"),
    [
        ({"faces_omitted": 3}, 7, 3),
        ({"vertices": 5}, 7, 0),
        ({}, 7, 7),
        ({"faces_omitted": "many"}, 7, 0),
        ({"faces_omitted": -1}, None, 0),
        ({}, None, 0),
    ],
)
def test_the_count_is_the_engines_or_the_one_before(engine, before, expected):
    result = PhotoResult([StagedHead(Path("staged"), {}, engine)], {}, 1)
    record = None if before is None else PhotoRecord("/a.jpg", "a.jpg", faces_omitted=before)
    assert faces_omitted(result, record) == expected
