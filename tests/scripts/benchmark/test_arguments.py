import argparse

import pytest

from scripts.benchmark.arguments import names_of


def test_names_are_taken_apart_and_unknown_ones_named():
    names = names_of({"surface": 1, "head": 2})
    assert names("head,surface") == ["head", "surface"] and names("head") == ["head"]
    with pytest.raises(argparse.ArgumentTypeError, match="there is no 'hair': choose from surface, head"):
        names("head,hair")
    with pytest.raises(argparse.ArgumentTypeError, match="there is no ''"):
        names("")
