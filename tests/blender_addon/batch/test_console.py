"""What a batch says of a photo, and what it knows of faces that were left out."""

import io
from pathlib import Path

import pytest

from blender_addon.batch.console import Console, in_words, summary
from blender_addon.batch.local_processor import PhotoResult, StagedHead
from blender_addon.batch.person_views import ViewRecord, view_records
from blender_addon.batch.record import HeadRecord, PhotoRecord
from blender_addon.batch.runner import faces_omitted, person_views
from blender_addon.errors import AddonError
from core.errors import PhotoFormatError

#: A name that ends a line, hides it on a terminal, and is no UTF-8.
EVIL = "a\nDone: b\x1b[2K\x9b1A\u202egpj.\udcff"
EVIL_SHOWN = r"a\nDone: b\x1b[2K\x9b1A\u202egpj.\udcff"
HEAD = HeadRecord("group_1", [], 10, 20)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_says_how_long_it_will_take_once_a_photo_is_done():
    bar = Terminal()
    console = Console(io.StringIO(), bar)
    console.progress(0.5, 2, "a.jpg")
    console.progress(1.5, 2, "b.jpg")
    console.line("a.jpg: done")
    first, second, wiped = bar.getvalue().split("\r\x1b[K")[1:]
    assert first == f"[{'#' * 6}{'.' * 18}] 0/2  a.jpg"
    assert second == f"[{'#' * 18}{'.' * 6}] 1/2  0:00 left  b.jpg" and not wiped


@pytest.mark.parametrize(
    ("omitted", "said"),
    [(0, None), (1, "at least 1 smaller face left"), (16, "at least 16 smaller faces left")],
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


VIEWS = [
    ViewRecord("front.jpg", "used"),
    ViewRecord("side.jpg", "used", identity_confirmed=False),
    ViewRecord("bob.jpg", "someone else", "bob.jpg seems to show somebody else"),
    ViewRecord("wall.jpg", "unusable"),
]


def test_photos_of_a_person_that_are_left_out_are_told():
    record = PhotoRecord("/a/ada", "ada", heads=[HEAD], views=VIEWS)
    assert "2 of 4 photos used" in in_words(record)
    lines = summary([record], {record.path}, "out", 1.0, 2.0)
    at = lines.index("1 person, 2 of 4 photos used:")
    bob, wall, side = lines[at + 1 : at + 4]
    assert "side.jpg" in side and "--same-person" in side
    assert bob == "  ada: bob.jpg was not used: bob.jpg seems to show somebody else"
    assert "wall.jpg was not used" in wall and lines[1].startswith("1 of 1 person done")
    whole = PhotoRecord("/a/eve", "eve", heads=[HEAD], views=VIEWS[:1])
    assert "1 person, 1 of 1 photo used." in summary([whole], {whole.path}, "out", 1.0, 2.0)


def test_what_is_to_be_said_of_corrections_is_told_once():
    said = {"corrections": ["The pin chin is missed by 70 pixels."]}
    heads = [HeadRecord(f"group_{number}", [], 10, 20, quality=said) for number in (1, 2)]
    record = PhotoRecord("/a/group.jpg", "group.jpg", heads=heads)
    lines = summary([record], {record.path}, "out", 1.0, 2.0)
    assert lines.count("  group.jpg: The pin chin is missed by 70 pixels.") == 1 and "Corrections:" in lines
    plain = PhotoRecord("/a/group.jpg", "group.jpg", heads=[HEAD])
    assert "Corrections:" not in summary([plain], {plain.path}, "out", 1.0, 2.0)


def test_views_are_the_engines_or_those_before():
    said = [
        {"name": "a.jpg", "verdict": "unusable", "reason": "No face."},
        {"name": "b.jpg", "verdict": "used"},
    ]
    made = PhotoResult([StagedHead(Path("staged"), {}, {"views": said})], {}, 1)
    assert person_views(made, None) == [
        ViewRecord("a.jpg", "unusable", "No face."),
        ViewRecord("b.jpg", "used"),
    ]
    kept = PhotoResult([StagedHead(Path("staged"), {}, {})], {}, 1)
    assert person_views(kept, PhotoRecord("/a", "a", views=VIEWS)) == VIEWS and person_views(kept, None) == []
    assert view_records("many") == view_records([{"name": 3}]) == view_records(None) == []


def test_names_cannot_write_lines_of_their_own():
    out = io.StringIO()
    console = Console(out, io.StringIO())
    photo = PhotoRecord(f"/{EVIL}", EVIL, error=f"{EVIL} is damaged.", error_kind="PhotoFormatError")
    console.line(in_words(photo))
    console.lines(summary([photo], {photo.path}, EVIL, 1.0, 2.0))
    printed = out.getvalue()
    assert len(printed.splitlines()) == 5 and printed.isprintable() is False
    assert all(line.isprintable() for line in printed.split("\n"))
    assert printed.count(EVIL_SHOWN) == 4


def test_names_in_errors_are_escaped():
    for error in (AddonError(f"{EVIL} is gone."), PhotoFormatError(f"{EVIL} is gone.")):
        assert str(error) == f"{EVIL_SHOWN} is gone."
    assert str(AddonError("顔 é\u00a0😀 \\n")) == "顔 é\u00a0😀 \\n"
