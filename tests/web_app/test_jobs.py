"""From a photo to a head's files, with the tests' own engine: queue, faces, cancelling, what is kept."""

import asyncio
import errno
import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from tests.conftest import PATIENCE_SECONDS
from tests.web_app.asgi import Client, running
from web_app import exports
from web_app.app import PageServer, answer_full_disk
from web_app.jobs import Job
from web_app.sessions import SessionStore
from web_app.settings import ServerSettings


def fail_on_full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


async def wait_until(condition, what):
    """`tests.conftest.wait_for` for tests that must not block the server that they run beside."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen that {what}"
        await asyncio.sleep(0.02)


@pytest.fixture
def serve(tmp_path, fake_engine_python, fake_blender_worker):
    """Runs a test, which is given a client and the private folder."""

    def run(test, **changes):
        async def main():
            folder = tmp_path / "private"
            settings = replace(ServerSettings(), sweep_seconds=0.05, **changes)
            async with running(folder, fake_engine_python, fake_blender_worker, settings) as client:
                client.settings = settings
                await test(client, folder)
            assert [path.name for path in folder.iterdir()] == ["temporary"], "pages are left"

        asyncio.run(main())

    return run


def test_a_photo_becomes_files(serve):
    async def test(client, folder):
        page, seen = await client.open(), []
        assert (await page.send("Zo%C3%AB%20good.jpg")).json() == {"number": 1}
        (private,) = folder.glob("page-*")
        assert private.stat().st_mode & 0o077 == 0
        job = await page.until("done", seen=seen)
        assert job["name"] == "Zoë good.jpg" and job["fraction"] > 0.7
        assert set(job["files"]) == {"surface.ply", "landmarks.json", "head.npz", "face.json"}
        assert job["verdict"]["grade"] == "good" and job["verdict"]["remarks"] == ["It is good."]
        states = [news["job"]["state"] for news in seen]
        assert set(states) <= {"waiting", "working", "done"}
        assert job["surface"] == "surface_1.glb"
        assert (await page.get("files/1/surface_1.glb")).body == b"glTF"
        face = await page.get("files/1/face.json")
        assert face.json()["input"]["name"] == "Zoë good.jpg" and face.json()["params"]["head"] is True
        assert face.headers["content-disposition"] == "attachment"
        for other in (
            "files/2/face.json",
            "files/1/photo.jpg",
            "files/1/..",
            "files/1/../face.json",
            "files/x/y",
        ):
            assert (await page.get(other)).status == 404
        # Another photo takes its place, whatever it is called.
        await page.send("poor%20upload.part")
        job = await page.until("done")
        assert (job["number"], job["verdict"]["grade"]) == (2, "poor")
        assert job["name"] == "poor upload.part" and (private / "job_2/poor upload.part").is_file()
        assert (await page.get("files/1/face.json")).status == 404

    serve(test)


def test_one_of_several_faces_is_chosen(serve):
    async def test(client, folder):
        page = await client.open()
        await page.send("three.jpg")
        job = await page.until("choose")
        assert [face["usable"] for face in job["faces"]] == [True, True, False]
        assert [face["from_left"] for face in job["faces"]] == [3, 2, 1]
        assert (await page.get(f"files/1/{job['faces'][2]['picture']}")).body == b"picture"
        assert (await page.post("face", {"index": 2})).code == "face"
        assert (await page.post("face", {"index": 1})).status == 202
        job = await page.until("done")
        assert job["face"] == 1
        face = (await page.get("files/1/face.json")).json()
        assert face["params"]["faces"] == [1]
        # And another one, without sending the photo again.
        assert (await page.post("face", {"index": 0})).status == 202
        assert (await page.until("done"))["face"] == 0
        assert (await page.get("files/1/face.json")).json()["params"]["faces"] == [0]

    serve(test)


def test_several_photos_of_one_person_become_one_head(serve):
    async def test(client, folder):
        page = await client.open()
        async with page.listening() as events:
            while (await asyncio.wait_for(events.get(), PATIENCE_SECONDS))["max_photos"] != 3:
                pass  # the engine is not up yet
        # Given up after the first one, begun anew, in the wrong order, and too many.
        assert (await page.send("good.jpg&of=3")).json() == {"number": 1}
        assert (await page.send("good.jpg&of=3&index=2")).code == "photos"
        assert (await page.send("good.jpg&of=3")).json() == {"number": 2}
        for name in ("a.jpg&of=4", "a.jpg&of=0", "a.jpg&of=x", "a.jpg&of=3&index=3", "a.jpg&of=3&index=-1"):
            assert (await page.send(name)).code == "photos"
        assert (await page.send("unlike.jpg&of=3&index=1")).json() == {"number": 2}
        assert (await page.send("good.jpg&of=3&index=2")).json() == {"number": 2}
        job = await page.until("done")
        assert (job["number"], job["name"], job["photos"]) == (2, "good.jpg", 3)
        assert job["omitted"] == [{"name": "unlike.jpg", "reason": "It is unlike."}]
        params = (await page.get("files/2/face.json")).json()["params"]
        names = [path.rpartition("/")[2] for path in params["photos"]]
        assert names == ["good.jpg", "unlike.jpg", "good.jpg"]
        assert len(set(params["photos"])) == 3
        (private,) = [one for one in folder.glob("page-*") if any(one.iterdir())]
        await wait_until(lambda: [one.name for one in private.iterdir()] == ["job_2"], "only job 2 is kept")

    serve(test, max_photos=3)


def test_all_photos_of_a_person_together_have_a_size(serve):
    async def test(client, folder):
        page = await client.open()
        assert (await page.send("a.jpg&of=2", b"1234567")).status == 202
        assert (await page.send("b.jpg&of=2&index=1", b"1234567")).code == "size"
        (private,) = folder.glob("page-*")
        await wait_until(lambda: not any(private.iterdir()), "the photos are removed")
        assert (await page.send("b.jpg&of=2&index=1", b"1")).code == "photos"

    serve(test, max_person_bytes=10)


def test_pages_wait_for_one_another_and_see_only_their_own(serve):
    async def test(client, folder):
        first, second, third, fourth = [await client.open() for _ in range(4)]
        await first.send("slow.jpg")
        await first.until("working")
        await second.send("good.jpg")
        await third.send("good.jpg")
        assert (await second.until("waiting"))["position"] == 1
        assert (await third.until("waiting"))["position"] == 2
        assert (await fourth.send("good.jpg")).code == "busy"
        await second.post("cancel")
        assert (await second.until("cancelled"))["position"] == 0
        assert (await third.until("waiting"))["position"] == 1
        await first.post("cancel")
        assert (await first.until("cancelled"))["problem"] is None
        assert (await third.until("done"))["verdict"]["grade"] == "good"
        stranger = f"/api/pages/{fourth.name}/files/1/face.json"
        assert (await client.get(stranger)).status == 404
        await second.send("good.jpg")  # cancelled ones can be followed by others
        assert (await second.until("done"))["number"] == 2

    serve(test, max_waiting=2)


@pytest.mark.parametrize(
    ("name", "words", "retryable"),
    [
        ("noface.jpg", "No face found in noface.jpg", False),
        ("crash.jpg", "stopped unexpectedly", True),
        ("hang.jpg", "took too long", True),
        ("nonsense.jpg", "the terminal", True),
    ],
)
def test_what_goes_wrong_is_told_and_the_next_photo_is_done(serve, name, words, retryable):
    async def test(client, folder):
        page = await client.open()
        await page.send(name)
        job = await page.until("failed")
        assert words in job["problem"] and job["retryable"] is retryable
        # The engine is started again for the photo after it, which takes as long as it takes.
        object.__setattr__(client.settings, "job_seconds", PATIENCE_SECONDS)
        assert (await page.get("files/1/face.json")).status == 404
        await page.send("good.jpg")
        assert (await page.until("done"))["problem"] is None

    serve(test, job_seconds=8.0 if name == "hang.jpg" else PATIENCE_SECONDS)


def test_an_engine_that_died_is_started_again(serve):
    async def test(client, folder):
        page = await client.open()
        await page.send("once.jpg")
        await page.until("done")
        assert list(folder.glob("page-*/job_1/once.marker")), "the first engine did not die"

    serve(test)


def test_closed_pages_leave_nothing(serve):
    async def test(client, folder):
        page, other = await client.open(), await client.open()
        await page.send("slow.jpg")
        await page.until("working")
        assert (await page.post("close")).status == 204
        assert (await page.get("events")).code == "session"
        assert (await page.send("good.jpg")).code == "session"
        await wait_until(lambda: len(list(folder.glob("page-*"))) == 1, "the closed page is removed")
        await other.send("good.jpg")
        await other.until("done")

    serve(test)


def test_files_of_a_closed_page_stay_as_long_as_they_are_written_to(tmp_path):
    async def main():
        store = SessionStore(tmp_path, ServerSettings())
        session = store.open()
        folder = session.folder / "job_1"
        folder.mkdir()
        session.job = job = Job(1, folder, folder / "photo.jpg")
        queue, exporter = SimpleNamespace(engine={}, cancel=lambda _: None), SimpleNamespace(formats=())
        client = Client(PageServer(store, queue, exporter, ServerSettings()).application())
        with job.in_use():
            assert (await client.post(f"/api/pages/{session.id}/close")).status == 204
            await asyncio.sleep(0.2)
            assert folder.is_dir() and job.cancel_asked
        await store.close_all()
        assert not session.folder.exists()

    asyncio.run(main())


def test_photos_are_done_even_if_the_picture_to_warm_up_on_cannot_be_written(serve, monkeypatch):
    monkeypatch.setattr(Path, "write_bytes", fail_on_full_disk)

    async def test(client, folder):
        page = await client.open()
        await page.send("good.jpg")
        await page.until("done")

    serve(test)


def test_a_full_disk_is_told(serve, monkeypatch):
    async def test(client, folder):
        page = await client.open()
        with monkeypatch.context() as patch:
            patch.setattr(Path, "mkdir", fail_on_full_disk)
            for answer in (await client.post("/api/pages"), await page.send("good.jpg")):
                assert (answer.status, answer.code) == (507, "disk")

    serve(test)


def test_other_errors_are_no_full_disk(caplog):
    with pytest.raises(ConnectionResetError):
        asyncio.run(answer_full_disk(Request({"type": "http"}), ConnectionResetError(104, "reset")))
    assert not caplog.records


def test_pages_that_have_gone_are_closed(serve):
    async def test(client, folder):
        page = await client.open()
        async with page.listening() as events:
            await events.get()
            # Only from here on, or a busy machine took longer to listen to the page that it had opened.
            object.__setattr__(client.settings, "absent_seconds", 0.2)
            await asyncio.sleep(1.0)
            assert len(list(folder.glob("page-*"))) == 1
        await wait_until(lambda: not list(folder.glob("page-*")), "the page is removed")
        assert (await page.get("events")).code == "session"

    serve(test, absent_seconds=2 * PATIENCE_SECONDS)


def test_photos_are_removed_after_their_time(serve):
    async def test(client, folder):
        page = await client.open()
        await page.send("good.jpg")
        async with page.listening() as events:
            while True:
                news = await asyncio.wait_for(events.get(), PATIENCE_SECONDS)
                if news["expired"]:
                    break
        assert news["job"] is None
        (private,) = folder.glob("page-*")
        await wait_until(lambda: not any(private.iterdir()), "the photos are removed")
        await page.send("good.jpg")

    serve(test, keep_seconds=0.3)


def test_sessions_and_streams_are_limited(serve):
    async def test(client, folder):
        pages = [await client.open() for _ in range(2)]
        assert (await client.post("/api/pages")).code == "sessions"
        async with pages[0].listening() as events:
            await events.get()
            assert (await pages[0].get("events")).code == "streams"
        await pages[1].post("close")
        assert (await client.post("/api/pages")).status == 201

    serve(test, max_sessions=2, max_streams=1)


def test_a_blender_writes_fbx(serve):
    async def test(client, folder):
        opened = (await client.post("/api/pages")).json()
        assert opened["formats"] == ["fbx"]
        page = await client.open()
        await page.send("good.jpg")
        await page.until("done")
        assert (await page.post("export", {"format": "fbx"})).status == 202
        seen = []
        async with page.listening() as events:
            while not seen or seen[-1]["export"]:
                seen.append((await asyncio.wait_for(events.get(), PATIENCE_SECONDS))["job"])
        assert "head.fbx" in seen[-1]["files"] and seen[-1]["export_problem"] is None
        assert (await page.get("files/1/head.fbx")).status == 200

    serve(test)


def test_a_head_is_opened_in_blender(tmp_path, fake_engine_python, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":99")
    told = tmp_path / "told"
    program = tmp_path / "blender"
    program.write_text(f'#!/bin/sh\n(echo "$*"; umask; ls "$4") > {told}.part; mv {told}.part {told}\n')
    program.chmod(0o755)

    async def main():
        async with running(tmp_path / "private", fake_engine_python, program, user_umask=0o027) as client:
            page = await client.open()
            await page.send("..%2F--python-expr%20good.jpg")
            assert (await page.post("blender")).code == "blender"
            await page.until("done")
            (result,) = tmp_path.glob("private/page-*/job_1/head_1/*/head.npz")
            for name in ("hair.npz", "hair_shell.png", "normal.png"):
                result.with_name(name).write_bytes(b"")
            with monkeypatch.context() as patch:
                patch.setattr(exports.shutil, "copyfile", fail_on_full_disk)
                assert (await page.post("blender")).code == "disk"
            assert not list((tmp_path / "private").glob("temporary/opened-*")), "a part of the copy is left"
            assert (await page.post("blender")).status == 202
            await wait_until(told.exists, "Blender is started")

    asyncio.run(main())
    command, mask, *files = told.read_text().splitlines()
    assert int(mask, 8) == 0o027, "what the user saves there is as the user's other files"
    first, script, dashes, folder, *name = command.split(" ")
    assert (first, dashes, name) == ("--python", "--", ["--python-expr", "good"])
    assert script.endswith("blender_worker/open_head.py") and files == [
        "hair.npz",
        "hair_shell.png",
        "head.npz",
        "normal.png",
    ]
    assert folder.startswith(str(tmp_path / "private"))
    assert not list((tmp_path / "private").glob("temporary/opened-*")), "the copy is left"


def test_unreadable_engines_are_told(tmp_path):
    async def main():
        async with running(tmp_path / "private", tmp_path / "no-such-python") as client:
            page = await client.open()
            await page.send("good.jpg")
            job = await page.until("failed")
            assert "could not be started" in job["problem"]

    asyncio.run(main())


def test_texts_of_answers_are_for_people(serve):
    async def test(client, folder):
        answer = await client.get("/api/pages/x/events")
        assert json.loads(answer.body) == {
            "code": "session",
            "message": "This page is not known any more: load it again.",
        }

    serve(test)
