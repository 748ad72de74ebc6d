"""`photobust serve`."""

import socket
import sys

import pytest

from web_app import command_line


def test_serve_is_one_of_the_commands(monkeypatch):
    called = []
    monkeypatch.setattr(command_line, "serve", lambda *given: called.append(given) or 7)
    monkeypatch.setattr(command_line, "batch_main", lambda: called.append("batch"))
    monkeypatch.setattr(sys, "argv", ["photobust", "serve", "--port", "1"])
    with pytest.raises(SystemExit) as left:
        command_line.console_main()
    assert left.value.code == 7 and called == [(["--port", "1"], "photobust serve")]
    monkeypatch.setattr(sys, "argv", ["photobust", "serve.jpg", "--out", "serve"])
    command_line.console_main()
    assert called[1:] == ["batch"]


@pytest.mark.parametrize("options", [["--port", "70000"], ["--port", "x"], ["--jobs", "0"], ["--nonsense"]])
def test_misuse_is_told(options, capsys):
    with pytest.raises(SystemExit):
        command_line.serve(options, "photobust serve")
    assert "usage: photobust serve" in capsys.readouterr().err


def test_what_keeps_it_from_starting_is_told_in_a_sentence(capsys, monkeypatch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert command_line.serve(["--port", str(taken.getsockname()[1])], "serve") == 1
    assert "Give another --port" in capsys.readouterr().out
    assert command_line.serve(["--engine-python", str(tmp_path)], "serve") == 1
    assert "is a folder" in capsys.readouterr().out
    assert command_line.serve(["--port", "0", "--blender", str(tmp_path / "none")], "serve") == 1
    assert "is no program" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "web_app.server", None)
    monkeypatch.delattr("web_app.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "web_app.server")
    assert command_line.serve([], "serve") == 1
    assert "pip install 'photobust[web]'" in capsys.readouterr().out
