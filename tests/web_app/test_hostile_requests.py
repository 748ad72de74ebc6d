"""What strangers, foreign pages and broken clients ask gets a clear answer and leaves nothing behind."""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.conftest import PATIENCE_SECONDS
from tests.web_app.asgi import HOST, running
from web_app.address import Address
from web_app.app import photo_name
from web_app.settings import ServerSettings

SMALL = replace(ServerSettings(), max_photo_bytes=1000)
#: Only for clients that are to be found slow: on a busy machine, others can be.
IMPATIENT = replace(SMALL, silence_seconds=0.2)
OWN = f"http://{HOST}"


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def served(test, settings=SMALL):
    """Runs a test, which is given a client, on a server with the tests' own engine; nothing may be left."""

    def run(tmp_path, fake_engine_python):
        async def main():
            before = files_in(tmp_path)
            async with running(tmp_path / "private", fake_engine_python, settings=settings) as client:
                await asyncio.wait_for(test(client), PATIENCE_SECONDS)
            assert files_in(tmp_path) - before <= {"private/temporary/warm_up.pgm"}

        asyncio.run(main())

    run.__name__ = test.__name__
    return run


@served
async def test_other_hosts_and_pages_are_refused(client):
    for host in ("evil.example:8770", "127.0.0.1:8771", "127.0.0.1"):
        answer = await client.get("/", host=host)
        assert answer.status == 421 and b"http://127.0.0.1:8770/" in answer.body
    assert (await client.get("/", headers=[("Host", "localhost:8770")])).status == 421  # two of them
    for origin in ("http://evil.example", "null", "https://127.0.0.1:8770", "http://127.0.0.1:8771", ""):
        for method, path in (("POST", "/api/pages"), ("GET", "/static/main.js")):
            answer = await client.ask(method, path, headers=[("Origin", origin)])
            assert answer.status == 403 and b"own page" in answer.body
    for site in ("cross-site", "same-site"):
        for method in ("GET", "POST"):
            assert (await client.ask(method, "/", headers=[("Sec-Fetch-Site", site)])).status == 403
    opened = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]
    assert (await client.get("/", headers=opened)).status == 200  # a link that somebody follows
    assert (await client.post("/api/pages", headers=opened)).status == 403
    own = [("Origin", OWN), ("Sec-Fetch-Site", "same-origin")]
    assert (await client.post("/api/pages", headers=own)).status == 201


@served
async def test_odd_methods_and_addresses_are_told(client):
    for method in ("PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "GET\x00"):
        assert (await client.ask(method, "/")).status == 405
    assert (await client.post("/")).status == 405
    page = await client.open()
    paths = [
        "/nothing",
        "/static/",
        "/static/texts.json",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/....//app.py",
        "/api/pages/no-such-page/events",
        "/api/pages/../pages/x/events",
        f"{page.base}/files/1/face.json",
    ]
    for path in paths:
        answer = await client.get(path)
        assert answer.status in (404, 405) and b"Traceback" not in answer.body
        assert answer.json()["message"]
    assert (await page.post("cancel")).code == "photo"
    assert (await page.post("face", {"index": 0})).code == "photo"


@served
async def test_every_answer_forbids_what_is_not_needed(client):
    index = await client.get("/")
    refused = await client.get("/", host="evil.example")
    missing = await client.get("/nothing")
    for answer in (index, refused, missing):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy and "'unsafe-eval'" not in policy
        assert "frame-ancestors 'none'" in policy and "script-src 'self' 'wasm-unsafe-eval';" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    assert index.headers["cache-control"] == "no-store"
    assert (
        b"http://" not in index.body.replace(b"http://www.w3.org/2000/svg", b"")
        and b"https://" not in index.body
    )


@served
async def test_large_bodies_are_refused_before_they_come(client):
    page = await client.open()
    gigabyte = [("Content-Length", str(1 << 30))]
    answer = await client.post(f"{page.base}/photo?name=a.jpg", headers=gigabyte, silent=True)
    assert answer.status == 413 and b"smaller" in answer.body
    for length in ("-1", "1e9", "٣", "1,1"):
        assert (await client.post("/api/pages", headers=[("Content-Length", length)])).status == 400
    # One that does not say how long it is, or lies.
    answer = await client.post(f"{page.base}/photo?name=a.jpg", *[b"x" * 300] * 10)
    assert answer.status == 413 and answer.code == "size"
    for what in ("face", "cancel", "export", "close"):
        assert (await page.send("a.jpg")).status == 202
        answer = await client.post(f"{page.base}/{what}", *[b"x" * 1000] * 10)
        assert answer.status == 413


async def slow_bodies(client):
    page = await client.open()
    for chunks in ((), (b"a", b"b")):
        answer = await client.post(f"{page.base}/photo?name=a.jpg", *chunks, silent=True)
        assert answer.status == 408 and answer.code == "slow"


test_slow_bodies_are_told = served(slow_bodies, IMPATIENT)
test_bodies_that_take_too_long_are_told = served(slow_bodies, replace(SMALL, upload_seconds=0.2))


@served
async def test_empty_and_broken_bodies_are_told(client):
    page = await client.open()
    assert (await page.send("a.jpg", b"")).code == "empty"
    assert (await page.send("a.jpg")).status == 202
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 3000, b"3"):
        assert (await client.post(f"{page.base}/face", body)).code == "message"
    for index in (None, -1, 7, "0", 1.5, [], 1 << 70):
        assert (await page.post("face", {"index": index})).status in (400, 409)
    for format_ in (None, "blend", "../fbx", 3, ["fbx"]):
        assert (await page.post("export", {"format": format_})).code == "export"
    assert (await page.post("blender")).code == "blender"


@served
async def test_a_name_leads_nowhere_else(client):
    page = await client.open()
    for name in (
        "..%2F..%2F..%2Fescaped.jpg",
        "%2Fetc%2Fpasswd",
        "..",
        "%00.jpg",
        "a%0d%0ab.jpg",
        "x" * 3000,
    ):
        assert (await page.send(name)).status == 202
        job = await page.until("done", "failed")
        assert "/" not in job["name"] and job["name"].isprintable()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("IMG_0001.HEIC", "IMG_0001.heic"),
        ("Zoë & Co.jpeg", "Zoë & Co.jpeg"),
        ("../../x.png", "x.png"),
        ("C:\\photos\\x.png", "x.png"),
        (".bashrc", "_bashrc"),
        ("", "photo"),
        ("...", "_.."),
        ("a.jpg/", "photo"),
        ("a.\u202egpj", "a.gpj"),
        ("no suffix", "no suffix"),
        ("long." + "x" * 30, "long." + "x" * 30),
    ],
)
def test_photos_keep_their_names_as_far_as_these_are_harmless(given, name):
    assert photo_name(given) == name


def test_hosts_in_the_network_need_the_token(tmp_path, fake_engine_python):
    async def main():
        address = Address.of("0.0.0.0", 8770)
        async with running(tmp_path / "private", fake_engine_python, address=address) as client:
            for path in ("/", "/static/main.js", "/wrong/", f"/{address.token[:-1]}/"):
                answer = await client.get(path, host="192.168.1.5:8770")
                assert answer.status == 403 and b"not complete" in answer.body
            assert (await client.post("/api/pages", host="192.168.1.5:8770")).status == 403
            bare = await client.get(f"/{address.token}", host="192.168.1.5:8770")
            assert (bare.status, bare.headers["location"]) == (307, f"/{address.token}/")
            index = await client.get(f"/{address.token}/", host="192.168.1.5:8770")
            assert index.status == 200 and b'src="static/main.js"' in index.body
            assert address.token.encode() not in index.body
            opened = await client.post(f"/{address.token}/api/pages", host="192.168.1.5:8770")
            # Who comes over the network opens no windows here.
            assert opened.status == 201 and opened.json()["blender"] is False

    asyncio.run(main())


def test_there_are_no_web_sockets(tmp_path, fake_engine_python):
    sent = []

    async def main():
        async with running(tmp_path / "private", fake_engine_python) as client:

            async def send(message):
                sent.append(message)

            await client.app({"type": "websocket", "headers": []}, asyncio.Queue().get, send)

    asyncio.run(main())
    assert json.dumps(sent) == '[{"type": "websocket.close", "code": 1008}]'
