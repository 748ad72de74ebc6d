"""Public functions that take arrays say of what shape, in Google's style."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

PACKAGES = ("core", "blender_addon")
#: Types whose shape, unit and frame no annotation tells.
ARRAYS = ("np.ndarray", "Tensor")
#: But for those of a file by name: what makes the file says what is in it.
FILES = ("dict[", "Mapping[")
#: Functions of a backend or a method refer to the protocol that they fulfill.
REFERENCE = re.compile(r"See `[\w.]+`")
#: Such as (478, 3), (..., 2), (H, W, 3), [z, y, x], or "any shape".
SHAPE = re.compile(r"[(\[](\.\.\.|[\w*/ +-]+)[,)]|\bany shape\b")


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def array_arguments(function: ast.FunctionDef) -> list[str]:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = {
        argument.arg: ast.unparse(argument.annotation or ast.Constant("")) for argument in arguments
    }
    return [
        name
        for name, annotation in annotations.items()
        if any(one in annotation for one in ARRAYS) and not annotation.startswith(FILES)
    ]


def problems(source: str) -> list[str]:
    found = []
    for function in public_functions(ast.parse(source).body):
        text = ast.get_docstring(function) or ""
        names = array_arguments(function)
        if not names or REFERENCE.search(text):
            continue
        about, _, _ = text.partition("Args:")[2].partition("Returns:")
        if not all(re.search(rf"^\s*\*{{0,2}}{name}:", about, re.MULTILINE) for name in names):
            found.append(f"{function.name}, line {function.lineno}: an array is not among Args")
        elif not SHAPE.search(text):
            found.append(f"{function.name}, line {function.lineno}: no shape")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_arrays_have_shapes(package: str) -> None:
    wrong = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        found = problems(path.read_text("utf-8"))
        if found:
            wrong[str(path.relative_to(ROOT))] = found
    assert not wrong


def test_what_is_missing_would_show() -> None:
    head = "def area(points: np.ndarray) -> float:\n"
    assert problems(head + '    """Of a triangle."""')
    assert problems(head + '    """Of a triangle.\n\n    Args:\n        points: Its corners.\n    """')
    assert not problems(
        head + '    """Of a triangle.\n\n    Args:\n        points: (3, 2) its corners.\n    """'
    )
