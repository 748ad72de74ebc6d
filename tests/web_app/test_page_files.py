"""The page's files fit together: texts, elements, shapes, colors."""

import re

import numpy as np

from core.runtime.weights import models_folder
from core.template.topology import HeadTopology
from web_app.app import STATIC, index_html
from web_app.problems import Problem
from web_app.texts import PAGE_FOLDER, problem_text, texts

SCRIPTS = {path.name: path.read_text("utf-8") for path in PAGE_FOLDER.glob("*.js")}
INDEX = (PAGE_FOLDER / "index.html").read_text("utf-8")
SERVER = {path.name: path.read_text("utf-8") for path in PAGE_FOLDER.parent.glob("*.py")}


def test_every_text_is_used_and_every_used_text_is_there():
    used = set(re.findall(r"\{\{([\w.]+)\}\}", INDEX)) - {"texts"}
    used |= {f"{name}.remote" for name in used} & set(texts())
    for source in SCRIPTS.values():
        for call in re.findall(r"\btext\(([^)]*)\)", source):
            used |= set(re.findall(r'"([\w.]+)"', call))
    for source in SERVER.values():
        codes = re.findall(r'(?:Problem\(\w+, |refused\(\w+, |problem_text\()"(\w+)"', source)
        used |= {f"problem.{code}" for code in codes} | set(re.findall(r'texts\(\)\["(\w+)"\]', source))
    assert used <= set(texts()), used - set(texts())
    made = {name for name in texts() if name.startswith(("shape.", "file.", "export.", "model."))}
    assert set(texts()) - used - made == set()


def test_the_page_holds_its_texts_and_ends_no_script_early():
    page = index_html()
    assert "{{" not in page and texts()["drop.more"] in page
    # Where the photo goes over a network, the page does not say that it stays.
    remote = index_html(local=False).partition("<body")[2]
    assert "Nothing leaves" in page and "on this computer" in page.partition("<body")[2]
    assert "Nothing leaves" not in remote and "on this computer" not in remote
    assert texts()["drop.more.remote"] in remote
    inside = page.partition('id="texts">')[2].partition("</script>")[0]
    assert "</" not in inside and "problem.host" in inside


def test_elements_that_scripts_ask_for_are_there():
    ids = set(re.findall(r'\bid="([\w-]+)"', INDEX))
    for name, source in SCRIPTS.items():
        wanted = set(re.findall(r'(?:\$|element|getElementById)\("([\w-]+)"\)', source))
        assert wanted <= ids, (name, wanted - ids)
    for label in re.findall(r'aria-labelledby="([\w-]+)"|for="([\w-]+)"', INDEX):
        assert set(filter(None, label)) <= ids


def test_scripts_load_nothing_from_elsewhere():
    for source in (*SCRIPTS.values(), (PAGE_FOLDER / "page.css").read_text("utf-8"), INDEX):
        addresses = set(re.findall(r"https?://[^\s\"')]+", source))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert {"model-viewer.min.js", "main.js", "page.css"} <= set(STATIC)
    assert all(path.is_file() for path in STATIC.values())


def test_sliders_move_shapes_that_heads_have():
    shapes = SCRIPTS["viewer.js"].partition("SHAPES = {")[2].partition("};")[0]
    sliders = re.findall(r"^  (\w+): \[", shapes, re.MULTILINE)
    assert len(sliders) > 12 and {f"shape.{slider}" for slider in sliders} <= set(texts())
    known = {*HeadTopology.load(models_folder()).blendshape_names, "Photo"}
    assert set(re.findall(r'"(\w+)"', shapes)) <= known


def test_confidence_has_the_add_ons_colors():
    source = (PAGE_FOLDER.parents[1] / "blender_addon/heads/confidence.py").read_text("utf-8")
    ramp = re.search(r"RAMP = (\(.+\))", source)[1]
    ours = re.search(r"RAMP = (\[.+\]);", SCRIPTS["viewer.js"])[1]
    numbers = np.array(re.findall(r"\d+", ours), int).reshape(3, 3)
    theirs = np.array(re.findall(r"\((\d+), (\d+), (\d+)\)", ramp), int)
    assert (numbers == theirs).all()
    css = (PAGE_FOLDER / "page.css").read_text("utf-8")
    assert all(f"rgb({' '.join(map(str, color))})" in css for color in numbers)


def test_problems_are_sentences():
    for name, sentence in texts().items():
        if name.startswith("problem."):
            code = name.removeprefix("problem.")
            shown = problem_text(code, megabytes=1, url="http://x/")
            assert sentence and sentence[0].isupper() and shown.endswith((".", "only."))
            assert str(Problem(400, code, megabytes=1, url="http://x/")) == shown
