"""Folder names: short, never hidden, never the batch's own, never one for two photos."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.batch.names import FolderNames, portable_folder_name


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=300))
def test_every_name_can_be_made(tmp_path_factory, text):
    name = portable_folder_name(text)
    assert name == portable_folder_name(text)
    assert 0 < len(name.encode("utf-8")) <= 101 and not name.startswith(".") and "/" not in name
    folder = tmp_path_factory.getbasetemp() / f"{name}-{name[:20]}-0123abcd_12.blend"
    folder.mkdir(exist_ok=True)
    folder.rmdir()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zoë tür", "Zoë tür"),
        ("a.b", "a.b"),
        (".photobust-x", "_photobust-x"),
        ("con", "_con"),
        ("NUL .tar", "_NUL .tar"),
        ("com\u00b2", "_com\u00b2"),
        ("conin$", "_conin$"),
        ("console", "console"),
        ("a\\b\nc", "a_b_c"),
        ("", "_"),
        (os.fsdecode(b"caf\xe9"), "caf_"),
    ],
)
def test_names(text, name):
    assert portable_folder_name(text) == name


def test_names_that_are_one_on_some_file_system_stay_apart(tmp_path):
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"  # macOS takes both for the same name, and Windows cases
    photos = [Path(f"/a/{composed}.jpg"), Path(f"/b/{decomposed}.jpg"), Path(f"/c/{composed.upper()}.jpg")]
    names = FolderNames(tmp_path, photos)
    assert [names.claim(photo, 1)[0] for photo in photos] == [
        composed,
        f"{decomposed}-b",
        f"{composed.upper()}-c",
    ]


def test_long_names_stay_apart(tmp_path):
    photos = [Path("/p") / letter / f"{'x' * 249}{end}.jpg" for letter in "ab" for end in "yz"]
    photos += [Path("/p/a") / f"{'顔' * 80}.png", Path("/p/b") / f"{'顔' * 80}.png"]
    names = FolderNames(tmp_path, photos)
    found = [name for photo in photos for name in names.claim(photo, 2)]
    assert len(set(found)) == 2 * len(photos)
    assert max(len(name.encode()) for name in found) <= 130
    again = FolderNames(tmp_path, photos, {name: photos[k // 2] for k, name in enumerate(found)})
    assert [name for photo in photos for name in again.claim(photo, 2)] == found


@pytest.mark.parametrize(
    "stem", ["batch.json", "index.html", "batch.journal", "INDEX_FILES", "batch.json.part", "face.json"]
)
def test_the_batchs_own_names_are_no_photos(tmp_path, stem):
    photo = Path(f"/photos/{stem}.jpg")
    assert FolderNames(tmp_path, [photo]).claim(photo, 1) == [f"{stem}-photos"]


def test_a_link_is_somebody_elses(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    assert FolderNames(tmp_path, []).claim(Path("/p/a.jpg"), 1) == ["a-p"]
