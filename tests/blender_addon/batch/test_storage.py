"""Names that stay inside their folder, regular files only, writes that are complete or not there."""

import os
import secrets
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender_addon.batch.storage import contained, contained_folder, is_plain_name, is_safe_name
from blender_addon.batch.workspace import LOCK_NAME, Workspace
from blender_addon.blender.atomic_file import is_temporary, write_file, written_atomically
from blender_addon.blender.regular_file import open_regular, read_regular, sha256_of
from blender_addon.errors import UnsafePathError

UNSAFE = [
    "",
    ".",
    "..",
    "../a",
    "a/../b",
    "/a",
    "a//b",
    "a/",
    "./a",
    "a\0b",
    "a\\b",
    "x" * 2000,
    None,
    3,
    ["a"],
]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_lead_out_are_refused(tmp_path, name):
    assert not is_safe_name(name) and not is_plain_name(name)
    if isinstance(name, str):
        with pytest.raises(UnsafePathError):
            contained(tmp_path, name)


@given(st.text(max_size=60))
def test_a_safe_name_never_leaves_its_folder(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    if is_safe_name(name):
        path = os.path.normpath(folder / name)
        assert os.path.commonpath([folder, path]) == str(folder) and path != str(folder)


def test_names_inside_are_paths_below_the_folder(tmp_path):
    assert contained(tmp_path, "turntable/000.png") == tmp_path / "turntable/000.png"
    assert is_plain_name("Zoë tür..x") and not is_plain_name("a/b")


def test_links_that_lead_out_are_refused(tmp_path):
    folder, elsewhere = tmp_path / "heads", tmp_path / "elsewhere"
    folder.mkdir(), elsewhere.mkdir()
    (folder / "a").symlink_to(elsewhere)
    with pytest.raises(UnsafePathError, match="leads out"):
        contained(folder, "a/surface.ply")
    with pytest.raises(UnsafePathError, match="is a link"):
        contained_folder(folder, "a")
    # The folder itself may be reached through a link.
    (tmp_path / "link").symlink_to(folder)
    assert contained(tmp_path / "link", "b/c") == tmp_path / "link/b/c"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_only_regular_files_are_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("socket")
        for name in ("pipe", "zero", "socket", "."):
            with pytest.raises(OSError):
                open_regular(tmp_path / name).close()
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"abc"
    with pytest.raises(OSError):
        read_regular(tmp_path / "link", follow_links=False)
    with pytest.raises(OSError, match="too large"):
        read_regular(tmp_path / "file", limit=2)
    # printf abc | sha256sum
    assert sha256_of(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="no such files on this system")
def test_what_the_kernel_makes_up_is_read_as_far_as_it_says_to_go(tmp_path):
    """It calls itself a regular file of 0 bytes, and would go on for hours."""
    (tmp_path / "a.jpg").symlink_to("/proc/self/pagemap")
    assert read_regular(tmp_path / "a.jpg") == read_regular(tmp_path / "a.jpg", limit=100) == b""
    # sha256sum /dev/null
    assert sha256_of(tmp_path / "a.jpg").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_file(path, b"old")
    write = os.write

    def failing(descriptor, data):
        write(descriptor, bytes(data)[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", failing)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"newer")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.json"]
    write_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_what_is_written_follows_no_link(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "a.json").symlink_to(tmp_path / "victim")
    write_file(tmp_path / "a.json", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"


def test_another_s_link_under_a_guessed_temporary_name_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "victim").write_bytes(b"mine")
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0" * 2 * count)
    (tmp_path / ".photobust-00000000.part.glb").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError), written_atomically(tmp_path / "head.glb") as partial:
        partial.write_bytes(b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine" and not (tmp_path / "head.glb").exists()


@pytest.mark.parametrize("name", ["head.glb", "x" * 250 + ".glb", "x." + "y" * 240, "ü" * 120, ".glb"])
def test_a_file_gets_its_name_when_it_is_complete(tmp_path, monkeypatch, name):
    """Written through the temporary name, by whoever looks at endings; then on the disk, then renamed."""
    calls = []
    sync, replace = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("sync"), sync(descriptor)))
    monkeypatch.setattr(
        type(tmp_path), "replace", lambda one, other: (calls.append("replace"), replace(one, other))
    )
    path = tmp_path / name
    for content in (b"old", b"new"):
        with written_atomically(path) as partial:
            assert partial.parent == tmp_path and is_temporary(partial.name)
            assert partial.suffix == path.suffix or name != "head.glb"
            assert not path.exists() or path.read_bytes() == b"old"
            partial.write_bytes(content)
        assert path.read_bytes() == content and [p.name for p in tmp_path.iterdir()] == [name]
        assert calls[:2] == ["sync", "replace"]
    with pytest.raises(ZeroDivisionError), written_atomically(path) as partial:
        partial.write_bytes(b"half")
        1 / 0  # noqa: B018
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (".photobust-0123abcd.part.glb", True),
        (".photobust-library.lock", False),
        (".photobust-abcd_012", True),
        (".photobust-0123abcd.part", True),
        (".photobust-x", False),
        (".photobust-x.jpg", False),
        (".photobust.lock", False),
        ("batch.json.part", False),
    ],
)
def test_which_names_are_temporary(name, expected):
    assert is_temporary(name) is expected


def test_what_killed_runs_left_half_written_goes(tmp_path):
    """Beside the record and beside the page's viewer; nothing of anybody else's."""
    viewer, outside = tmp_path / "out/index_files", tmp_path / "outside"
    for folder in (viewer, outside, tmp_path / "out/.photobust-0123abcd/head-1"):
        folder.mkdir(parents=True)
    left = [".photobust-0123abcd.part.js", ".photobust-89abcdef.part"]
    for folder in (tmp_path / "out", viewer, outside):
        for name in (*left, "viewer.js", ".photobust-mine.part.js"):
            (folder / name).write_text("x")
    # The folder may be reached through a link.
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with Workspace(tmp_path / "link"):
        for folder in (tmp_path / "out", viewer):
            names = {path.name for path in folder.iterdir()} - {LOCK_NAME, "index_files"}
            assert names == {"viewer.js", ".photobust-mine.part.js"}
    shutil.rmtree(viewer)
    viewer.symlink_to(outside)
    with Workspace(tmp_path / "out"):
        assert {path.name for path in outside.iterdir()} > set(left)
