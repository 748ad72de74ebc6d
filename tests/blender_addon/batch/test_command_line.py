"""What the command plans where there is no Blender; all else is tested through scripts/batch.py."""

from blender_addon.batch import command_line
from blender_addon.batch.console import Console
from blender_addon.batch.options import parse
from blender_addon.errors import BlenderNotFoundError


def planned(monkeypatch, *options):
    def find_blender(explicit=None):
        raise BlenderNotFoundError("none")

    monkeypatch.setattr(command_line, "find_blender", find_blender)
    plan = command_line._possible_plan(parse(["a.jpg", "--out", "out", *options], "", ""), Console())
    return [step.name for step in plan.steps]


def test_pictures_that_nobody_asked_for_are_left_out_without_a_blender(monkeypatch, capsys):
    assert planned(monkeypatch) == []
    assert "no Blender here" in capsys.readouterr().out


def test_what_was_asked_for_is_still_planned_and_fails_later(monkeypatch, capsys):
    assert "turntable" in planned(monkeypatch, "--turntable")
    assert "preview" in planned(monkeypatch, "--blender", "/opt/blender")
    assert "preview" in planned(monkeypatch, "--scheduler", "tcp://localhost:1")
    assert capsys.readouterr().out == ""
