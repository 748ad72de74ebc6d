"""A real Chromium, driven by tests: what a person would see and do."""

import io
import json
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from tests.conftest import PATIENCE_SECONDS, wait_for

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed (`make test` does it)"
)

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
#: WebGL in software: the machines that test have no graphics.
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
#: Seconds that selenium waits for the driver's answer to one command, 120 by itself: longer than a script may
#: take, so that the limit of the script is what ends one that hangs.
COMMAND_SECONDS = 2 * PATIENCE_SECONDS
#: Calls back when some frames have been drawn: on a busy machine a fifth of a second may pass without one.
FRAMES_LATER = """
let frames = 3;
const done = arguments[0], next = () => (frames-- ? requestAnimationFrame(next) : done());
next();
"""
#: Pictures of the 3D view that differ by less in the mean, 0..255, are the same one.
SAME = 0.05


def browser(folder, *options, webgl=True):
    if not CHROMIUM or not DRIVER:
        pytest.skip("no `chromium` and `chromedriver` here (apt-get install chromium chromium-driver)")
    settings = webdriver.ChromeOptions()
    settings.binary_location = CHROMIUM
    for option in (*OPTIONS, *(WEBGL if webgl else ("--disable-3d-apis",)), *options):
        settings.add_argument(option)
    settings.add_argument(f"--user-data-dir={folder}")
    settings.add_argument("--window-size=1200,900")
    settings.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(DRIVER, env={**os.environ, "HOME": str(folder)})
    driver = webdriver.Chrome(options=settings, service=service)
    # A page that draws in software answers late.
    driver.command_executor.client_config.timeout = COMMAND_SECONDS
    driver.set_script_timeout(PATIENCE_SECONDS)
    driver.set_page_load_timeout(PATIENCE_SECONDS)
    return driver


class Page:
    """A browser with a page in it."""

    def __init__(self, driver):
        self.driver = driver
        self.run = driver.execute_script

    def open(self, address):
        self.driver.get(address)
        self.folder = address.rpartition("/")[0] + "/"

    def wait(self, script, *arguments):
        """Until a script gives something true; gives it back."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found = self.run("return " + script, *arguments)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{script} stayed {found!r} for {PATIENCE_SECONDS} s")

    def wait_shown(self, selector, shown=True):
        """Until an element is displayed, or is not."""
        wait_for(lambda: self.find(selector).is_displayed() == shown, f"that {selector} is shown: {shown}")

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def keys(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def picture(self, wanted=lambda picture: True):
        """The 3D view as (H, W, 3) float, once it has come to rest and is as wanted: it is drawn some time
        after it was told to change. Between two pictures that are the same it was drawn anew.
        """
        before = None
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self.driver.execute_async_script(FRAMES_LATER)
            png = self.find("#stage model-viewer").screenshot_as_png
            after = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)
            if before is not None and difference(before, after) < SAME and wanted(after):
                return after
            before = after
            time.sleep(0.2)
        raise AssertionError("the 3D view never comes to rest, or not as it is wanted")

    def requests(self):
        """Addresses of all that was asked for since the browser's log was read last."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            entry["params"]["request"]["url"]
            for entry in entries
            if entry["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self):
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


def difference(one, other):
    """Mean difference of two pictures, 0..255; infinite if their sizes differ."""
    return np.abs(one - other).mean() if one.shape == other.shape else np.inf


def is_shown(picture):
    """Whether there is something in a picture of the 3D view."""
    return np.ptp(picture, axis=(0, 1)).max() > 100
