"""American spelling in code, comments, messages and documentation, as Blender and the libraries have it."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("blender_addon", "core", "docs", "examples", "models", "scripts", "tests", "web_app")
BRITISH = re.compile(
    r"(?<![a-z])(colour|grey(?!hound)|centre|neighbour|behaviour|favour|jewellery|licence|catalogue|towards"
    r"|(milli|centi|deci|micro|kilo)?metres?(?![a-z])|\w+(normal|raster|serial|optim|organ|recogn)is(e|ing|ation))",
    re.IGNORECASE,
)
#: What files and command lines are compatible with, and what others have named.
KEPT = re.compile(
    r"[\"'`]licence[\"'`]|--licence|options\.licence|[\"'`]catalogue[\"'`]|--catalogue|options\.catalogue"
    r"|metres, z up, the face looks along -y|; colours sRGB|blue grey|Variations in skin colour"
)


def british(text: str) -> list[str]:
    return [found[0] for found in BRITISH.finditer(KEPT.sub("", text))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_one_spelling(folder: str) -> None:
    paths = [*ROOT.glob("*.md"), *(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]
    found = {
        str(path.relative_to(ROOT)): words
        for path in sorted(paths)
        if path != Path(__file__) and (words := british(path.read_text("utf-8")))
    }
    assert paths and not found


def test_british_spelling_would_show() -> None:
    assert british("the Colour of its centre, 3 metres away") == ["Colour", "centre", "metres"]
    assert not british('options["licence"], in meters')
