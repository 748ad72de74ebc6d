"""What `photobust` offers is there, and stands on the reference page."""

from pathlib import Path

import pytest

import core

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference"


@pytest.mark.parametrize("name", core.__all__)
def test_what_is_offered_exists_and_is_documented(name):
    offered = getattr(core, name)
    module = offered.__module__.removeprefix("core.")
    page = "\n".join(file.read_text(encoding="utf-8") for file in REFERENCE.glob("*.md"))
    documented = [
        line.removeprefix("::: photobust.") for line in page.splitlines() if line.startswith("::: ")
    ]
    assert f"{module}.{name}" in documented or module in documented


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        _ = core.unknown
