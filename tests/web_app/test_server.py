"""The server as a process: connections, signals, what a killed one leaves."""

import contextlib
import functools
import json
import signal
import socket
import threading
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.conftest import PATIENCE_SECONDS
from web_app.server import Application, make_server, open_port
from web_app.settings import ServerSettings


@pytest.fixture
def start(fake_engine_python, serve):
    """The same with the tests' own engine."""
    return functools.partial(serve, "--engine-python", fake_engine_python)


def private_folders(tmp_path):
    return list(tmp_path.glob("photobust-page-*"))


def test_many_connections_are_answered_and_a_killed_server_can_be_started_again(start, tmp_path):
    server = start("--port", 0)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
            )
        assert b"<title>Photobust</title>" in server.ask()
    assert b'"id"' in server.ask("api/pages", "POST")
    (left,) = private_folders(tmp_path)
    assert left.stat().st_mode & 0o077 == 0
    if Path("/proc").is_dir():  # the engine's folders are private from the start, whatever removes theirs
        assert "Umask:\t0077" in Path(f"/proc/{server.popen.pid}/status").read_text("ascii")
    server.end(signal.SIGKILL)
    assert private_folders(tmp_path) == [left]

    again = start("--port", server.port)
    assert again.port == server.port
    (folder,) = private_folders(tmp_path)
    assert folder != left, "what the killed one has left goes"
    assert again.end(signal.SIGTERM) == 0
    assert private_folders(tmp_path) == []


def test_servers_side_by_side_leave_one_another_alone(start, tmp_path):
    first, second = start(), start()
    assert first.port != second.port and len(private_folders(tmp_path)) == 2
    # An open page does not keep it from ending, nor makes it say anything.
    page = json.loads(second.ask("api/pages", "POST"))["id"]
    with urllib.request.urlopen(f"{second.url}api/pages/{page}/events", timeout=PATIENCE_SECONDS) as stream:
        assert stream.readline().startswith(b"data: ")
        assert second.end(signal.SIGINT) == 0
    assert second.popen.stdout.read() == ""
    assert len(private_folders(tmp_path)) == 1 and b"<title>" in first.ask()


@contextlib.contextmanager
def small_server(settings):
    """A server in a thread; gives its port."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
    started = threading.Event()
    server = make_server(Application(app, lambda: None), settings, started.set)
    with open_port("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert started.wait(PATIENCE_SECONDS)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)


def ask(connection):
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith((b"here", b"Unavailable")):
        part = connection.recv(4096)
        assert part, answer
        answer += part
    return answer


@pytest.mark.parametrize("beginning", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_silent_connections_are_closed(beginning):
    with small_server(replace(ServerSettings(), silence_seconds=4.0)) as port:
        silent = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        silent.sendall(beginning)
        with silent, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as speaking:
            assert b"200 OK" in ask(speaking)
            assert silent.recv(100) == b""
            assert b"200 OK" in ask(speaking), "this one may stay"


def test_too_many_connections_are_told(tmp_path):
    with small_server(replace(ServerSettings(), max_connections=5)) as port, contextlib.ExitStack() as stack:
        open_ones = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
            for _ in range(8)
        ]
        answers = [ask(connection) for connection in open_ones]
        assert any(b"503" in answer for answer in answers)
        assert all(b"200 OK" in answer or b"503" in answer for answer in answers)


def test_a_port_that_is_taken_is_told_or_passed_over():
    with open_port("127.0.0.1", 0) as taken:
        with pytest.raises(OSError, match="in use"):
            open_port("127.0.0.1", taken.getsockname()[1])
        with open_port("127.0.0.1", None) as first, open_port("127.0.0.1", None) as second:
            assert first.getsockname()[1] != second.getsockname()[1]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this system has no IPv6, or not beside IPv4")
def test_all_networks_of_ipv6_have_those_of_ipv4_in_them():
    with open_port("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("::1", "127.0.0.1"):
            socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
