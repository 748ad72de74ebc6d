"""The page of a batch as text. What a browser makes of it is tested in test_page_browser.py."""

import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blender_addon.batch import page, page_html
from blender_addon.batch.page_cards import cards
from blender_addon.batch.person_views import ViewRecord
from blender_addon.batch.record import BatchRecord, HeadRecord, PhotoRecord
from blender_addon.errors import PageError, printable
from tests.blender_addon.page_samples import HOSTILE, add_failure, add_head, document, write_master

#: What Linux allows in a file name, bytes that are no UTF-8 included.
FILE_NAMES = st.binary(min_size=1, max_size=30).map(
    lambda name: os.fsdecode(name.replace(b"/", b"_").replace(b"\0", b"_"))
)


class Reader(HTMLParser):
    """Tags with their attributes, and texts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    return write_master(tmp_path_factory.mktemp("master") / "head")


@pytest.fixture
def record():
    return BatchRecord(started="2026-01-02T03:04:05+00:00", finished="2026-01-02T04:05:06+00:00")


def read(out, record):
    return Reader(page.write_page(out, record).read_text("utf-8"))


@given(FILE_NAMES, FILE_NAMES)
def test_links_lead_to_the_file_and_stay_below_the_page(folder, name):
    address = page_html.link(folder, name)
    whole = urlsplit(urljoin("http://host/out/index.html", address))
    assert (whole.scheme, whole.netloc, whole.query, whole.fragment) == ("http", "host", "", "")
    if folder not in (".", "..") and name not in (".", ".."):  # which no file is called
        assert unquote_to_bytes(whole.path) == b"/out/" + os.fsencode(folder) + b"/" + os.fsencode(name)
    assert not set(address) & set("\"'<>& ")


@given(st.text(max_size=40))
@example("lone \ud800 and \udcff")
@example("\0\r\n\x7f</title>")
def test_text_is_only_text(name):
    inside = page_html.text(name)
    inside.encode("utf-8")
    reader = Reader(f'<p title="{inside}">{inside}</p>')
    (tag,) = reader.tags
    assert tag[0] == "p" and list(tag[1]) == ["title"]
    assert "".join(reader.texts) == tag[1]["title"]


def test_hostile_names_are_shown_and_nothing_else(tmp_path, record, master):
    for name in HOSTILE:
        add_head(tmp_path, record, master, name)
        add_failure(record, name + ".png", f"cannot be read: {name}")
    html = page.write_page(tmp_path, record).read_text("utf-8")
    reader = Reader(html)
    assert [tag for tag, _ in reader.tags].count("script") == 1
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    assert sum(source.endswith("photo.png") for source in reader.values("src")) == len(HOSTILE)
    assert {printable(name) for name in HOSTILE} <= set(reader.values("title"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", html)
    for address in reader.values("src") + reader.values("href"):
        if not address.startswith("data:"):
            assert not urlsplit(address).scheme and not address.startswith("/")
            assert (tmp_path / os.fsdecode(unquote_to_bytes(address))).exists()


def test_every_verdict_has_a_filter_with_its_number(tmp_path, record, master):
    for k, verdict in enumerate(["good", "good", "check", "fair", "poor", None]):
        quality = document(verdict=verdict)["quality"] if verdict else {}
        add_head(tmp_path, record, master, f"h{k}", quality=quality)
    add_head(tmp_path, record, master, "half", error="the video was not made", quality={"verdict": "good"})
    add_failure(record, "wall.jpg", "no face was found.")
    html = page.page_html(tmp_path, record)
    found = dict(re.findall(r'data-f="(\w*)"[^>]*>[^<]*<b>(\d+)</b>', html))
    assert found == {"": "8", "good": "3", "check": "2", "poor": "1", "unrated": "1", "failed": "2"}
    assert "7 heads from 8 photos, 1 failed" in html
    assert "The video was not made" in html and "No face was found." in html


def test_a_head_is_told_with_its_figures(tmp_path, record, master):
    quality = document(
        verdict="check", expected_error_mm=1.34, error_spread_mm=[1.0, 1.9], reasons=["Turned & <far>."]
    )["quality"]
    add_head(tmp_path, record, master, "somebody", quality=quality)
    (card,) = cards(tmp_path, record)
    assert (card.verdict, card.error_mm, card.spread_mm, card.panels) == ("check", 1.34, (1.0, 1.9), 4)
    assert card.reasons == ("Turned & <far>.",)
    assert card.has_view and len(card.turntable) == 4
    assert "view.js" not in {file.name for file in card.files}
    words = " ".join(read(tmp_path, record).texts)
    for expected in (
        "≈ 1.3 mm (1.0–1.9)",
        "turned 12° right",
        "looks 8° down",
        "face 240 px",
        "Turned & <far>.",
    ):
        assert expected in words
    assert "2.5 s" in words and "network 0.60" in words and "4 pictures" in words


def test_photos_of_a_person_that_were_left_out_are_told(tmp_path, record, master):
    """On the page, and from a record that has been saved."""
    add_head(tmp_path, record, master, "ada")
    ((path, outcome),) = record.photos.items()
    views = [ViewRecord("a.jpg", "used"), ViewRecord("b.jpg", "someone else", "It shows <Bob>.")]
    record.photos[path] = replace(outcome, views=views)
    record.save(tmp_path)
    loaded = BatchRecord.load(tmp_path)
    assert loaded.photos[path].views == views
    words = " ".join(read(tmp_path, loaded).texts)
    assert "1 of 2 photos used" in words and "b.jpg was not used: It shows <Bob>." in words


def test_an_asset_is_linked_where_the_page_can_reach_it(tmp_path, record, master):
    out = tmp_path / "out"
    add_head(out, record, master, "one", steps={"asset": {"file": "one #1.blend"}})
    (out / "assets/more").mkdir(parents=True)
    (out / "assets/more/one #1.blend").write_bytes(b"BLENDER")
    record.options["asset_library"] = str(out / "assets/more")
    reader = read(out, record)
    assert "assets/more/one%20%231.blend" in reader.values("href")
    record.options["asset_library"] = str(tmp_path / "elsewhere")
    reader = read(out, record)
    assert "one #1.blend" in reader.texts
    assert not any(address.endswith(".blend") for address in reader.values("href"))


@pytest.mark.parametrize(
    "face",
    [
        "",
        "[1]",
        "{}",
        '{"quality": 3, "pose": [], "input": null, "files": {"photo.png": 7}, "camera": "x"}',
        '{"quality": {"verdict": {}, "reasons": "text", "expected_error_mm": "much", "face_height_px": NaN}}',
        '{"quality": {"warnings": 5, "error_spread_mm": [1], "seen_share": "all"}, "pose": {"yaw": null}}',
    ],
)
def test_a_face_json_that_tells_little_stops_nothing(tmp_path, record, master, face):
    folder = add_head(tmp_path, record, master, "strange")
    add_head(tmp_path, record, master, "sound")
    (folder / "face.json").write_text(face)
    reader = read(tmp_path, record)
    assert {"strange", "sound"} <= set(reader.texts)
    assert "strange/photo.png" in reader.values("src")


def test_a_folder_that_is_gone_is_told(tmp_path, record):
    record.photos["/a.jpg"] = PhotoRecord(
        "/a.jpg", "a.jpg", heads=[HeadRecord("gone", ["surface.ply"], 1, 1)]
    )
    words = read(tmp_path, record).texts
    assert "gone" in words and "The folder gone is no longer here." in words


def test_an_empty_batch_has_a_page(tmp_path):
    assert "0 heads from 0 photos" in page.page_html(tmp_path, BatchRecord())


def test_a_page_of_a_batch_at_work_says_so(tmp_path):
    begun = BatchRecord(started="2026-01-02T03:04:05+00:00", finished="2026-01-01T00:00:00+00:00")
    assert "still at work" in page.page_html(tmp_path, begun)
    begun.finished = "2026-01-02T05:00:00+00:00"
    assert "still at work" not in page.page_html(tmp_path, begun)


def test_the_viewer_comes_with_its_licenses_and_is_written_once(tmp_path, record):
    page.write_page(tmp_path, record)
    folder = tmp_path / "index_files"
    assert {path.name for path in folder.iterdir()} == set(page.VIEWER_FILES)
    assert (folder / "model-viewer.min.js").stat().st_size < 1_200_000
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "model-viewer.LICENSE.txt").write_text("damaged")
    page.write_page(tmp_path, record)
    assert "Apache License" in (folder / "model-viewer.LICENSE.txt").read_text()
    viewer = folder / "model-viewer.min.js"
    assert viewer.stat().st_mtime_ns == before[viewer]
    assert not list(tmp_path.rglob("*.part"))


def test_the_viewers_light_is_that_of_the_pictures():
    """One has no Blender to ask, the other no browser: the figures are in both."""
    script = (page.SOURCES / page.LIGHT_FILE).read_text("utf-8")
    studio = (Path(page.__file__).parents[1] / "render/lighting.py").read_text("utf-8")
    number = r"-?\d+(?:\.\d+)?"

    def numbers(text):
        return [float(one) for one in re.findall(number, text)]

    sources = re.findall(rf"^    \[\[(.+)\], \[(.+)\], ({number}), ({number})\],$", script, re.MULTILINE)
    setup = re.search(r"^PORTRAIT = LightSetup\((.+)\)$", studio, re.MULTILINE)[1]
    ambient, *strengths = numbers(setup)
    assert len(sources) == len(strengths) == 3
    for name, (toward, color, strength, angle), wanted in zip(
        ("KEY", "FILL", "RIM"), sources, strengths, strict=True
    ):
        source = re.search(rf"^{name} = Source\(\((.+?)\), \((.+?)\), .+, (.+)\)$", studio, re.MULTILINE)
        assert [numbers(toward), numbers(color), numbers(angle)] == [numbers(one) for one in source.groups()]
        assert float(strength) == wanted
    for name, value in (
        ("AMBIENT", ambient),
        ("LAMPS", numbers(re.search(r"^LAMPS = (.+)$", studio, re.M)[1])[0]),
    ):
        assert float(re.search(rf"{name} = ({number});", script)[1]) == value


def test_a_page_that_cannot_be_written_is_told(tmp_path, record):
    (tmp_path / "index.html").mkdir()
    with pytest.raises(PageError, match=r"index\.html cannot be written"):
        page.write_page(tmp_path, record)


def test_the_page_comes_with_the_package():
    import tomllib

    project = Path(page.__file__).parents[2] / "pyproject.toml"
    data = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]
    assert data["photobust_blender.batch"] == [f"{page.SOURCES.name}/*"]
