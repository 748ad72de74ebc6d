"""The documentation names files, modules and targets that are there."""

import re

import pytest

import core
from core.runtime.weights import MODEL_SUFFIXES
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "models/MODEL_CARD.md"])
#: A path of the project in backticks or after a program, without placeholders.
NAMED = re.compile(
    r"(?<![\w/.-])(?:core|blender_addon|scripts|models|tests|examples|docs|web_app)/[\w./-]*\w"
)
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


@pytest.mark.parametrize("folder", ["core", "blender_addon", "scripts", "examples", "web_app"])
def test_files_that_docstrings_name_are_there(folder):
    missing = set()
    for path in (ROOT / folder).rglob("*.py"):
        for name in re.findall(r"\b(?:scripts|tests)/[\w./-]*\w\.(?:py|sh)\b", path.read_text("utf-8")):
            if not (ROOT / name).exists():
                missing.add((path.relative_to(ROOT).as_posix(), name))
    assert not missing


def test_every_model_has_its_license_and_its_source():
    license_text = (ROOT / "models/LICENSE").read_text("utf-8")
    for path in (ROOT / "models").iterdir():
        if path.suffix in MODEL_SUFFIXES:
            assert path.name in license_text, path.name
    named = re.findall(r"models/[*\w]+\.\w+", (ROOT / "THIRD_PARTY.md").read_text("utf-8"))
    covered = {path.name for pattern in named for path in ROOT.glob(pattern)}
    assert {path.name for path in (ROOT / "models").iterdir() if path.suffix in MODEL_SUFFIXES} <= covered
    for name in re.findall(r"scripts/[\w./-]*\w", license_text):
        assert (ROOT / name).exists(), name


def test_the_python_guide_includes_the_examples():
    """As the site's extension reads it: a formatter once put spaces into the marks."""
    included = re.findall(
        r'^--8<-- "(examples/\w+\.py)"$', (ROOT / "docs/python.md").read_text("utf-8"), re.M
    )
    assert sorted(included) == sorted(f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py"))


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


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), ROOT / "models/MODEL_CARD.md"], ids=lambda p: p.name
)
def test_links_of_pages_outside_the_site_lead_to_files(page):
    """`mkdocs build --strict` checks those of the site."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    assert not {link for link in links if "://" not in link and not (page.parent / link).exists()}
