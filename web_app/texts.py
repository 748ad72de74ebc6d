"""The page's English: texts.json has every text of page and server, by name."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PAGE_FOLDER = Path(__file__).parent / "page"
#: Names of the texts that answer requests begin with this.
PROBLEM = "problem."


@cache
def texts() -> Mapping[str, str]:
    """All texts by name."""
    return json.loads((PAGE_FOLDER / "texts.json").read_text("utf-8"))


def problem_text(code: str, **values: object) -> str:
    """The sentence for something that is wrong with a request.

    Args:
        code: Its name.
        values: What stands in the text's braces.
    """
    return texts()[PROBLEM + code].format(**values)
