"""Measures the page of `photobust serve`, and how its server stands many uploads and hostile requests.

    python scripts/benchmark/web_app.py PHOTOS                in Chromium: first paint, surface, head
                                                              by the clock, and CPU seconds of the engine
    python scripts/benchmark/web_app.py PHOTOS --uploads 50   memory of server and engine over so many photos
    python scripts/benchmark/web_app.py PHOTOS --attack       what it answers to a gigabyte, a slow body, ...

PHOTOS is a folder. The server is started for it, with the real engine. Linux only: it reads /proc.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.image.formats import readable_suffixes
from scripts.benchmark.browser import CHROMIUM_OPTIONS
from scripts.benchmark.processes import processor_seconds, resident_bytes

#: Seconds that anything may take.
TIMEOUT_S = 300.0
#: Rest between two pages, seconds.
REST_S = 2.0
#: What the page is to hold, seconds by the clock of an idle machine, engine warm: the head after the surface.
GOALS_S = {"first paint": 1.0, "surface": 1.5, "head after it": 3.0}
#: After so many photos, all that is kept has been made.
WARM_UP_PHOTOS = 10
#: What may come on top of that by the end.
GROWTH_LIMIT = 0.05
#: Bytes of the body that is sent to be refused, and of the pieces that it comes in.
ATTACK_BYTES = 1 << 30
PIECE = bytes(1 << 20)
ATTACK_CONNECTIONS = 200
#: Notes in the page when a photo was given to it, and when which model was shown, ms.
NOTES = """
window.notes = {};
new MutationObserver(() => {
  const shown = document.querySelector('#stage').dataset.shown || '';
  for (const name of ['surface_1.glb', 'head.glb'])
    if (shown.includes(name)) window.notes[name] ??= performance.now();
  if (document.body.dataset.state === 'done') window.notes.done ??= performance.now();
}).observe(document.body, {subtree: true, attributes: true});
const note = () => { window.notes.given = performance.now(); };
document.querySelector('#file').addEventListener('change', note, true);
"""


class PageProcess:
    """`python -m web_app`; a context."""

    def __init__(self) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "web_app", "--port", "0"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        said = self.popen.stdout.readline() if self.popen.stdout else ""
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        if not found:
            raise SystemExit(f"the server did not start: {said}")
        self.url, self.port = found[0], int(found[1])

    def __enter__(self) -> "PageProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.terminate()
        self.popen.wait()

    def engine_pid(self) -> int:
        """Process id of the engine, the server's only child."""
        children = [
            path.read_text("ascii").split()
            for path in Path(f"/proc/{self.popen.pid}/task").glob("*/children")
        ]
        engines = [int(number) for number in itertools.chain.from_iterable(children)]
        if not engines:
            raise SystemExit("there is no engine: the last photo has taken it down")
        return engines[0]

    def cpu_seconds(self) -> float:
        """What server and engine have used of the processor."""
        return processor_seconds(self.popen.pid) + processor_seconds(self.engine_pid())

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    @contextlib.contextmanager
    def page(self) -> Iterator[str]:
        """An open page's address."""
        base = f"/api/pages/{json.loads(self.ask('POST', '/api/pages')[1])['id']}"
        yield base
        self.ask("POST", f"{base}/close")

    def events(self, base: str) -> Iterator[dict[str, Any]]:
        """A page's news."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("GET", f"{base}/events")
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


def measure_uploads(server: PageProcess, photos: list[Path], count: int) -> int:
    """Send photos one after the other; 1 if the memory has grown."""
    sizes: list[tuple[int, int]] = []
    with server.page() as base:
        news = server.events(base)
        for number, photo in enumerate(itertools.islice(itertools.cycle(photos), count), 1):
            server.ask("POST", f"{base}/photo?name={urllib.parse.quote(photo.name)}", photo.read_bytes())
            job: dict[str, Any] = {}
            while job.get("number") != number or job["state"] not in ("done", "failed", "choose"):
                job = next(news)["job"] or {}
            sizes.append((resident_bytes(server.popen.pid), resident_bytes(server.engine_pid())))
            own, engine = (size / 1e6 for size in sizes[-1])
            say(f"{number:4d} {job['state']:8} server {own:6.1f} MB  engine {engine:7.1f} MB  {photo.name}")
    warm = min(WARM_UP_PHOTOS, len(sizes)) - 1
    growths = [sizes[-1][which] / sizes[warm][which] - 1 for which in (0, 1)]
    say(f"after {warm + 1} to {len(sizes)} photos: server {growths[0]:+.1%}, engine {growths[1]:+.1%}")
    return int(max(growths) > GROWTH_LIMIT)


def attack(server: PageProcess) -> int:
    """Ask what nobody should; 1 if an answer is not clear, or the server is not well afterward."""
    results: list[tuple[str, bool]] = []
    with server.page() as base:
        photo = f"{base}/photo?name=a.jpg"
        for name, headers in (
            ("a length of 1 GB", f"Content-Length: {ATTACK_BYTES}"),
            ("1 GB in chunks", ""),
        ):
            results.append((name, b" 413 " in send_much(server.port, photo, headers)))
        results.append(("a slow body", b" 408 " in send_slowly(server.port, photo)))
        with contextlib.ExitStack() as stack:
            for _ in range(ATTACK_CONNECTIONS):
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            results.append((f"{ATTACK_CONNECTIONS} silent connections", server.ask("GET", "/")[0] == 200))
        asked: list[int] = []
        threads = [
            threading.Thread(target=lambda: asked.append(server.ask("GET", "/static/model-viewer.min.js")[0]))
            for _ in range(ATTACK_CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered = len(asked) == ATTACK_CONNECTIONS and set(asked) <= {200, 503}
        results.append((f"{ATTACK_CONNECTIONS} requests at once", answered))
        results.append(("a foreign host", server.ask("GET", "/", Host="evil.example")[0] == 421))
        results.append(
            ("a foreign page", server.ask("POST", photo, b"x", Origin="http://evil.example")[0] == 403)
        )
        results.append(("a path upward", server.ask("GET", "/static/..%2f..%2fpyproject.toml")[0] == 404))
    results.append(("and the page is still served", server.ask("GET", "/")[0] == 200))
    for name, fine in results:
        say(f"{'ok' if fine else 'NOT OK':8}{name}")
    return int(not all(fine for _, fine in results))


def send_much(port: int, path: str, length: str) -> bytes:
    """Send a gigabyte, or as much of it as is taken; the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        header = length or "Transfer-Encoding: chunked"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\n\r\n".encode())
        piece = PIECE if length else b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
        with contextlib.suppress(OSError):
            for _ in range(ATTACK_BYTES // len(PIECE)):
                connection.sendall(piece)
        return read_answer(connection)


def send_slowly(port: int, path: str) -> bytes:
    """Send a byte and nothing more; the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 9\r\n\r\nx".encode()
        )
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """What has come before the connection was closed; nothing if that was cut."""
    try:
        return connection.recv(4096)
    except OSError:
        return b""


def measure_page(server: PageProcess, photos: list[Path], rounds: int) -> int:
    """Give photos to the page in Chromium and print the medians; 0."""
    from selenium import webdriver

    settings = webdriver.ChromeOptions()
    settings.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={profile}"):
            settings.add_argument(option)
        service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "HOME": profile})
        with webdriver.Chrome(options=settings, service=service) as driver:
            driver.set_script_timeout(TIMEOUT_S)
            wait_until_warm(server, photos[0])
            names = ("first paint", "surface", "files", "head", "head after it", "CPU surface", "CPU head")
            found: dict[str, list[float]] = {name: [] for name in names}
            for photo in itertools.islice(itertools.cycle(photos), rounds):
                # As a user opens it: not while the last page's 3D view is still being taken down.
                driver.get("about:blank")
                time.sleep(REST_S)
                driver.get(server.url)
                wait(
                    driver, "document.body.dataset.ready !== undefined && customElements.get('model-viewer')"
                )
                paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
                wait(driver, paint)
                found["first paint"].append(driver.execute_script(f"return {paint}"))
                driver.execute_script(NOTES)
                before = server.cpu_seconds()
                driver.find_element("css selector", "#file").send_keys(str(photo))
                wait(driver, "window.notes['surface_1.glb'] || window.notes['head.glb']")
                found["CPU surface"].append(1000 * (server.cpu_seconds() - before))
                wait(driver, "window.notes['head.glb']")
                found["CPU head"].append(1000 * (server.cpu_seconds() - before))
                notes = driver.execute_script("return window.notes")
                if "surface_1.glb" in notes:
                    found["head after it"].append(notes["head.glb"] - notes["surface_1.glb"])
                for name, key in (("surface", "surface_1.glb"), ("files", "done"), ("head", "head.glb")):
                    if key in notes:
                        found[name].append(notes[key] - notes["given"])
    for name, times in found.items():
        if times:
            seconds = [milliseconds / 1000 for milliseconds in sorted(times)]
            goal = f"  at most {GOALS_S[name]:.1f}" if name in GOALS_S else ""
            spread = f"({seconds[0]:.2f} to {seconds[-1]:.2f})"
            say(f"{name:14} {statistics.median(seconds):6.2f} s  {spread}{goal}")
    say(f"load average {os.getloadavg()[0]:.1f}")
    return 0


def wait_until_warm(server: PageProcess, photo: Path) -> None:
    """Have one head made: the first takes longer."""
    with server.page() as base:
        server.ask("POST", f"{base}/photo?name=warm.jpg", photo.read_bytes())
        for news in server.events(base):
            if news["job"] and news["job"]["state"] in ("done", "failed", "choose"):
                return


def wait(driver: Any, script: str) -> None:
    """Wait until a script gives something true."""
    end = time.monotonic() + TIMEOUT_S
    while not driver.execute_script(f"return Boolean({script})"):
        if time.monotonic() > end:
            raise SystemExit(f"{script}: never")
        time.sleep(0.05)


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--rounds", type=int, default=5, help="photos given to the page (default: 5)")
    parser.add_argument("--uploads", type=int, help="send so many photos and measure the memory")
    parser.add_argument("--attack", action="store_true", help="send hostile requests")
    options = parser.parse_args()
    photos = sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in readable_suffixes())
    if not photos:
        parser.error(f"there are no photos in {options.photos}")
    with PageProcess() as server:
        if options.attack:
            return attack(server)
        if options.uploads:
            return measure_uploads(server, photos, options.uploads)
        return measure_page(server, photos, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
