"""The page in a real Chromium, once with the real engine, else with the tests' own."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from tests.chromium import Page, browser, difference, is_shown, webdriver
from tests.conftest import wait_for

Keys = webdriver.Keys

pytestmark = [pytest.mark.slow, pytest.mark.long]

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
STATE = "document.body.dataset.state === '{}'"
SHOWN = "(document.querySelector('#stage').dataset.shown || '').includes('{}')"
NOTICE = "document.querySelector('#notice-text').textContent.includes({!r})"
#: Pictures differ if their means do by this, 0..255.
CHANGED = 0.3


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    driver = browser(tmp_path_factory.mktemp("profile"), *CAMERA)
    yield driver
    driver.quit()


@pytest.fixture
def photo(tmp_path):
    """Makes photos by name."""

    def make(name, picture=None):
        path = tmp_path / name
        Image.fromarray(np.full((40, 40, 3), 90, np.uint8) if picture is None else picture).save(path)
        return str(path)

    return make


class TryPage(Page):
    """The page of a server."""

    def __init__(self, driver, server):
        super().__init__(driver)
        for kind in ("browser", "performance"):
            driver.get_log(kind)
        self.open(server.url)
        self.wait("document.body.dataset.ready !== undefined")

    def choose(self, path):
        self.find("#file").send_keys(path)

    def until(self, state):
        self.wait(STATE.format(state))

    def told(self, words):
        self.wait(NOTICE.format(words))

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def slide(self, shape, value):
        script = "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
        self.run(f"{script} s.dispatchEvent(new Event('input'))", f"[data-shape={shape}]", value)

    def differs(self, before, wanted=lambda picture: True):
        """Wait until the 3D view differs from a picture of it, and is as wanted; the new one."""
        return self.picture(lambda after: difference(before, after) > CHANGED and wanted(after))


def test_a_photo_becomes_a_head_that_can_be_turned(chromium, serve, photo, tmp_path):
    server = serve(patient=True)
    small = {"width": 800, "height": 600, "deviceScaleFactor": 1, "mobile": False}  # quicker to draw
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", small)
    page = TryPage(chromium, server)
    page.choose(photo("astronaut.png", astronaut()))
    page.wait(SHOWN.format("surface_1.glb") + "||" + SHOWN.format("head.glb"))
    page.until("done")
    page.wait(SHOWN.format("head.glb"))
    asked = page.requests()
    assert any("surface_1.glb" in url for url in asked), "the surface comes first"
    strangers = [url for url in asked if not url.startswith((server.url, "blob:", "data:", "chrome:"))]
    assert strangers == []

    # What it shows can be changed.
    picture = page.picture(is_shown)
    page.slide("jawOpen", 1)
    picture = page.differs(picture)
    page.click("#hair")
    picture = page.differs(picture)
    page.click("[name=look][value=clay]")
    picture = page.differs(picture, lambda clay: np.ptp(clay, axis=2).max() < 30)
    page.click("[name=look][value=confidence]")
    picture = page.differs(picture, lambda confidence: np.ptp(confidence, axis=2).max() > 100)
    page.wait_shown("#legend")
    page.wait("document.querySelector('#hair').disabled")
    page.click("[name=model][value=surface]")
    page.wait(SHOWN.format("surface"))
    page.differs(picture)
    page.wait("document.querySelector('#shapes').inert")

    # What it says, and what can be had.
    page.wait("document.querySelector('#photo-image').naturalWidth === 512")
    page.wait("document.querySelector('#verdict').textContent.includes('Good')")
    links = page.run("return [...document.querySelectorAll('#file-list a')].map(a => [a.href, a.download])")
    assert {name for _, name in links} >= {
        "astronaut head.glb",
        "astronaut surface.ply",
        "astronaut albedo.png",
    }
    for link, _ in links:
        size = page.driver.execute_async_script(
            "fetch(arguments[0]).then(a => a.blob()).then(b => arguments[1](b.size))", link
        )
        assert size > 10_000
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, select, a')]"
        ".filter(e => !(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label')))"
        ".map(e => e.outerHTML)"
    )
    assert nameless == [] and page.complaints() == []
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.wait("innerWidth === 360 && document.documentElement.scrollWidth <= 360")
        order = ["#stage", "#controls", "#verdict", "#downloads", "#photo"]
        tops = page.run("return arguments[0].map(s => document.querySelector(s).offsetTop)", order)
        assert tops == sorted(tops) and page.find("#downloads").is_displayed()
    finally:
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", small)
    page.wait("innerWidth === 800")
    page.picture()  # a page that is busy drawing anew is left before it can say so

    # Whoever leaves, leaves nothing.
    assert list(tmp_path.glob("photobust-page-*/page-*"))
    page.driver.get("about:blank")
    wait_for(lambda: not list(tmp_path.glob("photobust-page-*/page-*")), "the removal of what the page had")


def test_camera_tabs_faces_and_cancelling(chromium, serve, photo, fake_engine_python, tmp_path):
    server = serve("--engine-python", fake_engine_python, patient=True)
    page = TryPage(chromium, server)
    first = chromium.current_window_handle

    page.click("#camera")
    page.wait("document.activeElement.id === 'take'")
    page.keys(Keys.ENTER)
    page.until("done")
    page.wait("document.querySelector('#video').srcObject === null")  # the camera is off
    # The tests' engine draws no surface: the page says so and goes on.
    page.wait("document.querySelector('#stage-message').textContent.includes('cannot be shown')")

    # Several faces, with the keyboard alone. The next photo has an expression of its own.
    page.slide("jawOpen", 1)
    page.choose(photo("three.png"))
    page.until("choose")
    page.wait("document.activeElement.id === 'faces-title'")
    page.wait("document.querySelector('[data-shape=jawOpen]').value === '0'")
    page.keys(Keys.TAB, Keys.TAB, Keys.ENTER)
    page.until("done")
    pressed = "document.querySelector('#face-list [aria-pressed=true]')?.textContent"
    page.wait(f"{pressed} === 'Face 2'")
    page.wait("document.querySelectorAll('#face-list button:disabled').length === 1")
    names = page.run("return [...document.querySelectorAll('#face-list button')].map(b => b.ariaLabel)")
    assert names == [
        "Face 1, number 3 of 3 from the left",
        "Face 2, number 2 of 3 from the left",
        "Face 3: too small, number 1 of 3 from the left",
    ]

    # Two tabs at once: the second waits, until the first is cancelled.
    page.choose(photo("slow.png"))
    page.until("working")
    chromium.switch_to.new_window("tab")
    other = TryPage(chromium, server)
    other.choose(photo("good.png"))
    other.until("waiting")
    other.wait("document.querySelector('#status').textContent.includes('before this one')")
    second = chromium.current_window_handle
    chromium.switch_to.window(first)
    page.click("#cancel")
    page.told("Cancelled")
    page.wait("document.querySelector('#notice').dataset.kind === 'remark'")  # cancelling is no error
    page.wait_shown("#again")
    chromium.switch_to.window(second)
    other.until("done")
    chromium.close()
    chromium.switch_to.window(first)

    # What is no photo, pasted and dropped.
    (tmp_path / "notes.txt").write_text("noface")
    page.choose(photo("noface.png"))
    page.told("No face found in noface.png")
    page.wait_shown("#again", False)  # the same photo has no face the next time either
    page.wait("document.querySelector('#notice').dataset.kind === 'problem'")
    page.wait("!document.querySelector('#photo').hidden")
    page.choose(photo("unreadable.png"))
    page.told("unreadable.png ends too early")
    page.wait("document.querySelector('#photo').hidden")
    for event, given in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        script = (
            "const data = new DataTransfer(); data.items.add(new File(['x'], arguments[0]));"
            f"const event = new Event('{event}', {{bubbles: true, cancelable: true}});"
            f"event.{given} = data; document.body.dispatchEvent(event)"
        )
        page.run(script, f"good {event}.jpg")
        page.wait("document.querySelector('#file-list').textContent.includes('PLY')")
        page.until("done")
        page.wait(f"document.querySelector('#file-list a').download.startsWith('good {event} ')")
    page.run("const event = new Event('drop'); document.dispatchEvent(event)")
    page.told("no picture")
    page.run(
        "const list = new DataTransfer(); list.items.add(new File([new Uint8Array(65 << 20)], 'large.jpg'));"
        "document.querySelector('#file').files = list.files;"
        "document.querySelector('#file').dispatchEvent(new Event('change'))"
    )
    page.told("64 MB")

    # Several photos of one person.
    page.run(
        "const list = new DataTransfer();"
        "for (const name of ['good a.jpg', 'unlike.jpg', 'b.jpg']) list.items.add(new File(['x'], name));"
        "document.querySelector('#file').files = list.files;"
        "document.querySelector('#file').dispatchEvent(new Event('change'))"
    )
    page.wait("document.activeElement.id === 'several-title'")
    # No browser can show these files: their names are in the places of the pictures.
    page.wait("document.querySelectorAll('#several-list span').length === 3")
    names = page.run("return [...document.querySelectorAll('#several-list button')].map(b => b.ariaLabel)")
    assert names == ["Leave out good a.jpg", "Leave out unlike.jpg", "Leave out b.jpg"]
    page.click("#several-list li:last-child button")
    page.click("#together")
    page.until("done")
    page.wait("document.querySelector('#verdict').textContent.includes('unlike.jpg was not used')")
    page.wait_shown("#several", False)


def test_a_server_that_is_killed_and_started_again(chromium, serve, photo, fake_engine_python):
    # A port of its own: one of the usual ones could be another test's by the time it is asked for again.
    server = serve("--engine-python", fake_engine_python, "--port", 0, patient=True)
    page = TryPage(chromium, server)
    page.choose(photo("slow.png"))
    page.until("working")
    server.popen.kill()
    server.popen.wait()
    page.told("does not answer")
    page.wait("document.querySelector('#work').hidden")
    serve("--engine-python", fake_engine_python, "--port", server.port, patient=True)
    page.told("Drop the photo again")
    page.click("#again")
    page.until("working")
    page.choose(photo("good.png"))
    page.until("done")
    page.wait_shown("#notice", False)
    fetched = "fetch(document.querySelector('#file-list a').href).then(a => arguments[0](a.status))"
    assert page.driver.execute_async_script(fetched) == 200, "the link leads to the server before"
