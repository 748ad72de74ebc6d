"""The page of a batch in a real Chromium, opened from disk and served: what a person would see and do."""

import base64
import contextlib
import functools
import http.server
import json
import re
import shutil
import threading

import numpy as np
import pytest

from blender_addon.batch.page import VIEWER_FOLDER, write_page
from blender_addon.batch.record import BatchRecord
from blender_addon.errors import printable
from tests.blender_addon.page_samples import (
    HOSTILE,
    add_failure,
    add_head,
    document,
    make_many,
    write_master,
)
from tests.chromium import Page, browser, difference, is_shown, webdriver
from tests.conftest import wait_for

Keys = webdriver.Keys
TITLE = "document.querySelector('#large-title').textContent === arguments[0]"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    driver = browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium):
    """A browser without an open page, and with empty logs."""
    chromium.get("about:blank")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)
    return BatchPage(chromium)


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    return write_master(tmp_path_factory.mktemp("master") / "head")


@pytest.fixture(scope="module")
def batch(tmp_path_factory, master):
    """Heads with hostile names and of all verdicts, and a photo without a face."""
    out = tmp_path_factory.mktemp("out #1 ü%")
    record = BatchRecord(started="2026-01-02T03:04:05+00:00", finished="2026-01-02T04:05:06+00:00")
    make_many(out, record, master, 10)
    for name in HOSTILE:
        add_head(out, record, master, name)
    add_failure(record, "wall <b>.jpg", "no face was found in this photo.")
    write_page(out, record)
    return out


@pytest.fixture(params=["disk", "served"])
def address(request, batch):
    """Where the page is."""
    if request.param == "disk":
        yield (batch / "index.html").as_uri()
    else:
        with served(batch) as address:
            yield address


@contextlib.contextmanager
def served(folder):
    handler = functools.partial(Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()


#: How far a viewer's light is turned about the vertical, radians.
LIGHT_TURN = (
    "(viewer => viewer[Object.getOwnPropertySymbols(viewer).find(one => one.description === 'scene')])"
    "(document.querySelector('model-viewer')).environmentRotation.y"
)


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class BatchPage(Page):
    """A browser with a page of heads in it."""

    def titles(self):
        """Of the cards that are shown, in their order."""
        return self.run(
            "return [...document.querySelectorAll('.card')].filter(c => c.checkVisibility())"
            ".map(c => c.querySelector('h2').textContent)"
        )

    def shows(self, wanted):
        """Until the titles of the cards that are shown are as wanted."""
        wait_for(lambda: wanted(self.titles()), "the cards that are wanted")

    def look(self, title):
        """Open a head's large view by its button."""
        self.run(
            "[...document.querySelectorAll('.card')]"
            ".find(card => card.querySelector('h2').textContent === arguments[0])"
            ".querySelector('.open').click()",
            title,
        )

    def look_at(self, title):
        """The same, and wait for the model."""
        self.look(title)
        self.loaded()

    def loaded(self):
        self.wait("document.querySelector('#stage').dataset.state === 'loaded'")

    def close(self):
        self.find("#close").click()
        self.closed()

    def closed(self):
        """Wait until the large view is gone with all it held: its event comes a moment after it is closed."""
        self.wait("!document.querySelector('#large').open")
        self.wait("!document.querySelector('model-viewer, #pictures img')")

    def message(self):
        self.wait("document.querySelector('#stage .message:not(.busy)')")
        return self.find("#stage .message").text


def test_pictures_load_and_hostile_names_do_nothing(page, address):
    page.open(address)
    assert set(page.titles()) == {
        *(f"head {k}" for k in range(10)),
        *(printable(name) for name in HOSTILE),
        "wall <b>.jpg",
    }
    # As a person scrolls: pictures load when they come near.
    page.run(
        "for (const image of document.images) image.loading = 'eager';scrollTo(0, document.body.scrollHeight)"
    )
    page.wait("[...document.images].every(image => image.complete)")
    sizes = page.run("return [...document.querySelectorAll('.card img')].map(i => [i.naturalWidth, i.alt])")
    assert len(sizes) == 2 * (10 + len(HOSTILE))
    assert all(width > 0 and alternative for width, alternative in sizes)
    assert page.run("return window.hacked") is None
    assert page.complaints() == []


def test_the_viewer_turns_and_asks_nobody(page, address):
    page.open(address)
    page.look_at(HOSTILE[0])
    start = page.picture(is_shown)
    assert np.abs(page.picture() - start).mean() < 0.1, "it turns by itself"
    viewer = page.find("#stage model-viewer")
    webdriver.ActionChains(page.driver).drag_and_drop_by_offset(viewer, 150, 0).perform()
    page.picture(lambda dragged: difference(start, dragged) > 2)
    page.find("#views [data-orbit='-90']").click()
    theta = "document.querySelector('model-viewer').getCameraOrbit().theta"
    page.wait(f"Math.abs({theta} + Math.PI / 2) < 0.02")
    # The studio's light, not the viewer's own, and it came along.
    assert page.run("return document.querySelector('model-viewer').environmentImage").startswith("blob:")
    page.wait(f"Math.abs({LIGHT_TURN} + Math.PI / 2) < 0.02")
    page.run("document.querySelector('#large-title').focus()")
    page.keys(Keys.ARROW_RIGHT)
    page.wait(f"{theta} > -Math.PI / 2 + 0.2")
    radius = "document.querySelector('model-viewer').getCameraOrbit().radius"
    far = page.run("return " + radius)
    page.keys("+")
    page.wait(f"{radius} < arguments[0] * 0.9", far)
    page.keys("n")
    page.loaded()
    asked = page.requests()
    assert sum(url.endswith("view.js") for url in asked) == 2
    strangers = [url for url in asked if not url.startswith((page.folder, "blob:", "data:"))]
    assert strangers == []
    assert page.run("return window.hacked") is None and page.complaints() == []


def test_filters_search_and_order(page, address, batch):
    page.open(address)
    everything = page.titles()
    assert everything[:10] == [f"head {k}" for k in np.random.default_rng(7).permutation(10)]
    page.find("#filters [data-f='poor']").click()
    page.shows(lambda titles: set(titles) == {"head 4", "head 9"})
    page.wait(
        "document.querySelector('#shown').textContent === arguments[0]", f"Showing 2 of {len(everything)}."
    )
    page.find("#filters [data-f='failed']").click()
    page.shows(lambda titles: titles == ["wall <b>.jpg"])
    page.find("#filters [data-f='']").click()
    page.shows(lambda titles: titles == everything)

    page.keys("/")
    page.wait("document.activeElement.id === 'query'")
    page.keys("SÖHNE")
    page.shows(lambda titles: titles == ["Jürgen O'Neil & Söhne"])
    page.find("#query").send_keys(Keys.CONTROL + "a", Keys.DELETE)
    page.keys("no such name")
    page.shows(lambda titles: titles == [])
    page.wait("document.querySelector('#shown').textContent.includes('Nothing fits')")
    page.driver.refresh()  # the address keeps it
    page.wait("document.querySelector('#query')?.value === 'no such name'")
    page.shows(lambda titles: titles == [])
    page.find("#query").clear()
    page.run("document.querySelector('#query').dispatchEvent(new Event('input'))")

    def figure(name, key):
        face = json.loads((batch / name / "face.json").read_text())
        return face["quality"]["expected_error_mm"] if key == "e" else abs(face["pose"]["yaw"])

    heads = [f"head {k}" for k in range(10)]
    page.find("#sort option[value='e']").click()
    page.shows(lambda titles: titles[:10] == sorted(heads, key=lambda name: figure(name, "e")))
    page.find("#direction").click()
    # What has no figure stays last.
    page.shows(lambda titles: titles[:10] == sorted(heads, key=lambda name: -figure(name, "e")))
    page.shows(lambda titles: titles[-1] == "wall <b>.jpg")
    page.find("#direction").click()
    page.find("#sort option[value='y']").click()
    by_yaw = sorted(heads, key=lambda name: figure(name, "y"))
    page.shows(lambda titles: [name for name in titles if name in heads] == by_yaw)
    page.find("#sort option[value='n']").click()
    page.shows(lambda titles: [name for name in titles if name in heads] == heads)
    page.find("#sort option[value='']").click()
    page.shows(lambda titles: titles == everything)
    assert page.complaints() == []


def test_everything_can_be_done_with_the_keyboard(page, batch):
    page.open((batch / "index.html").as_uri())
    first, second = page.titles()[:2]
    page.run("document.querySelector('.open').focus()")
    page.keys(Keys.ENTER)
    page.wait("document.querySelector('#large').open")
    page.loaded()
    page.wait(TITLE, first)
    page.keys("n")
    page.loaded()
    page.wait(TITLE, second)
    page.loaded()
    assert page.run("return document.querySelectorAll('model-viewer').length") == 1
    side = page.find("#side").text
    assert "Files" in side and "face.json" in side and "head.npz" in side
    slider = page.find("#pictures input[type=range]")
    before = page.find("#pictures .turn img").get_property("src")
    slider.send_keys(Keys.ARROW_RIGHT)
    page.wait(
        "document.querySelector('#pictures .turn img').src === arguments[0]",
        before.replace("000.png", "001.png"),
    )
    page.run("document.querySelector('#large-title').focus()")
    page.keys(Keys.ESCAPE)
    page.closed()
    page.wait(
        "document.activeElement.closest('.card')?.querySelector('h2').textContent === arguments[0]", second
    )
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, select, a')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).map(e => e.outerHTML)"
    )
    assert nameless == [] and page.complaints() == []


def test_models_that_cannot_be_shown_are_told(page, tmp_path, master):
    record = BatchRecord()
    folders = {
        name: add_head(tmp_path, record, master, name) for name in ("cut", "gone", "other", "never", "ok")
    }
    script = (folders["cut"] / "view.js").read_bytes()
    for name in folders:
        (folders[name] / "view.js").unlink()  # they are one file with several names
    (folders["cut"] / "view.js").write_bytes(script[: len(script) // 2])
    (folders["other"] / "view.js").write_bytes(
        re.sub(rb'"model": "\w{40}', b'"model": "' + b"A" * 40, script)
    )
    (folders["gone"] / "view.js").write_bytes(script)
    (folders["ok"] / "view.js").write_bytes(script)
    (folders["never"] / "surface.glb").write_bytes(b"large")
    write_page(tmp_path, record)
    (folders["gone"] / "view.js").unlink()
    page.open((tmp_path / "index.html").as_uri())

    for name, words in (
        ("cut", "damaged"),
        ("gone", "no view.js"),
        ("other", "damaged"),
        ("never", "no light"),
    ):
        page.look(name)
        assert words in page.message()
        if name == "never":
            assert page.find("#stage .message a").get_attribute("href").endswith("never/surface.glb")
        page.close()
    page.look_at("ok")  # and what is sound is shown after all that
    page.close()
    shutil.rmtree(tmp_path / VIEWER_FOLDER)
    page.driver.refresh()
    page.look("ok")
    assert "index_files" in page.message()


def test_a_served_page_shows_the_large_model_where_there_is_no_light_one(page, tmp_path, master):
    record = BatchRecord()
    folder = add_head(tmp_path, record, master, "one #1")
    call = (folder / "view.js").read_text()
    (folder / "view.js").unlink()
    (folder / "head.glb").write_bytes(base64.b64decode(re.search(r'"model": "([^"]+)"', call)[1]))
    write_page(tmp_path, record)
    with served(tmp_path) as address:
        page.open(address)
        page.look_at("one #1")
        assert page.folder + "one%20%231/head.glb" in page.requests()
        assert page.complaints() == []


def test_a_browser_without_webgl_is_told(tmp_path, batch):
    driver = browser(tmp_path / "profile", webgl=False)
    try:
        page = BatchPage(driver)
        page.open((batch / "index.html").as_uri())
        page.find(".open").click()
        assert "no WebGL" in page.message()
        assert page.complaints() == []
    finally:
        driver.quit()


def test_five_hundred_heads_load_few_pictures(page, tmp_path, master):
    record = BatchRecord()
    make_many(tmp_path, record, master, 500)
    write_page(tmp_path, record)
    page.open((tmp_path / "index.html").as_uri())
    page.wait("[...document.querySelectorAll('.card img')].some(image => image.naturalWidth)")
    asked = page.requests()
    assert 0 < sum(url.endswith(".png") for url in asked) < 100
    assert not any(url.endswith((".js", ".glb", ".mp4")) for url in asked)
    page.find("#filters [data-f='check']").click()
    page.shows(lambda titles: len(titles) == 100)
    page.find("#sort option[value='e']").click()
    page.find("#filters [data-f='']").click()
    page.shows(lambda titles: len(titles) == 500)
    assert page.complaints() == []


def test_the_last_picture_of_a_long_page_comes_when_one_gets_there(page, tmp_path, master):
    record = BatchRecord()
    make_many(tmp_path, record, master, 120)
    write_page(tmp_path, record)
    page.open((tmp_path / "index.html").as_uri())
    last = "document.querySelector('.card:last-child img')"
    assert page.run(f"return {last}.naturalWidth") == 0
    page.run(f"{last}.scrollIntoView()")
    page.wait(f"{last}.naturalWidth > 0")


def test_verdicts_are_told_in_words(page, tmp_path, master):
    record = BatchRecord()
    reason = "The face is turned 70° away: the far side is a guess."
    quality = document(verdict="poor", expected_error_mm=2.6, error_spread_mm=[1.9, 3.4], reasons=[reason])
    folder = add_head(tmp_path, record, master, "turned", quality=quality["quality"])
    (folder / "view.js").unlink()  # words are quicker without
    write_page(tmp_path, record)
    page.open((tmp_path / "index.html").as_uri())
    card = page.find(".card").text
    assert "Poor" in card and "2.6 mm (1.9–3.4)" in card and reason in card
    page.look("turned")
    page.wait("document.querySelector('#large-badge').textContent.includes('Poor')")
    page.wait("document.querySelector('#side').textContent.includes(arguments[0])", reason)


def test_the_page_prints_without_its_tools(page, batch, tmp_path):
    page.open((batch / "index.html").as_uri())
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) < 6
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not page.find("#tools").is_displayed() and page.find(".card h2").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_narrow_screens_need_no_scrolling_sideways(page, batch):
    page.open((batch / "index.html").as_uri())
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.wait("innerWidth === 360 && document.documentElement.scrollWidth <= 360")
        page.look("head 1")
        page.wait("document.querySelector('#large-body').scrollWidth <= 360")
        assert page.find("#close").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
