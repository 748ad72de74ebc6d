"""The documentation names files, modules and targets that are there."""

import re

import pytest

import core
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "models/MODEL_CARD.md"])
#: A path of the project in backticks or after a program, without placeholders.
NAMED = re.compile(r"(?<![\w/.-])(?:core|blender_addon|scripts|models|tests|examples|docs)/[\w./-]*\w")
#: They tell of a past in which files had other names.
HISTORY = {"CHANGELOG.md", "diary.md"}
#: Made by the tests.
MADE = "tests/artifacts"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name not in HISTORY],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_files_that_are_named_are_there(page):
    names = {name for name in NAMED.findall(page.read_text("utf-8")) if not name.startswith(MADE)}
    assert not {name for name in names if not (ROOT / name).exists()}


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages == set(re.findall(r": (\S+\.md)\b", navigation))


def test_targets_that_are_named_are_there():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 5 and named <= targets


def test_the_first_screen_of_the_readme_has_the_two_commands():
    first = (ROOT / "README.md").read_text("utf-8").partition("\n![")[0]
    assert re.findall(r"^    (.+)$", first, re.MULTILINE) == ["make demo", "make test"]


def test_the_readme_imports_what_is_installed():
    assert "from photobust import Reconstructor" in (ROOT / "README.md").read_text("utf-8")
    assert "Reconstructor" in core.__all__
