"""Measures the page of a large batch in Chromium: writing it, opening it, filtering, sorting, the 3D view.

    python scripts/benchmark/page.py heads/ --heads 500

`heads/` is a batch's folder with at least one head; its heads are taken over and over under other names, as
hard links, into a temporary folder in it. Needs chromium, chromium-driver and selenium.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from blender_addon.batch.page import write_page
from blender_addon.batch.record import BatchRecord, HeadRecord, PhotoRecord
from scripts.benchmark.browser import CHROMIUM_OPTIONS

VERDICTS = ("good", "good", "good", "check", "poor")
#: Seconds that the browser may take for anything.
TIMEOUT_S = 120.0
#: Runs a click and the two frames after it, after which it is on the screen; returns the milliseconds.
TIMED = """
const done = arguments[arguments.length - 1], start = performance.now();
%s;
requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
"""
CLICKS = {
    "filter": "document.querySelector('#filters [data-f=\"check\"]').click()",
    "show all": "document.querySelector('#filters [data-f=\"\"]').click()",
    "search": "{ const q = document.querySelector('#query'); q.value = '_12';"
    "q.dispatchEvent(new Event('input')); q.value = ''; q.dispatchEvent(new Event('input')); }",
    "sort": "{ const s = document.querySelector('#sort'); s.value = 'e';"
    "s.dispatchEvent(new Event('change')); }",
}


def multiply(source: Path, out: Path, count: int) -> BatchRecord:
    """Fill `out` with `count` heads by hard links; each has a face.json and figures of its own."""
    originals = [head.parent for head in sorted(source.glob("*/face.json"))]
    if not originals:
        raise SystemExit(f"There is no head in {source}: name the folder of a batch.")
    record = BatchRecord(engine={"version": "0"}, started="2000-01-01", finished="2000-01-02")
    for k in range(count):
        original = originals[k % len(originals)]
        name = f"{original.name}_{k:04d}"
        shutil.copytree(original, out / name, copy_function=_link)
        face = json.loads((original / "face.json").read_text("utf-8"))
        verdict = VERDICTS[k % len(VERDICTS)]
        face.setdefault("quality", {}).update(verdict=verdict, expected_error_mm=0.8 + (k * 37 % 200) / 100)
        (out / name / "face.json").unlink()
        (out / name / "face.json").write_text(json.dumps(face), "utf-8")
        photo = f"/photos/{name}.jpg"
        record.photos[photo] = PhotoRecord(photo, photo, heads=[HeadRecord(name, [], 0, 0)], seconds=1.0)
    return record


def _link(source: str, target: str) -> None:
    os.link(source, target)


def measure(page: Path) -> dict[str, Any]:
    """Milliseconds of what a person does with the page; how much it loads; megabytes of the page's script."""
    from selenium import webdriver

    settings = webdriver.ChromeOptions()
    settings.binary_location = shutil.which("chromium") or "chromium"
    settings.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="photobust-profile-") as profile:
        for option in (*CHROMIUM_OPTIONS, f"--user-data-dir={profile}"):
            settings.add_argument(option)
        driver = webdriver.Chrome(settings, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            return _measured(driver, page)
        finally:
            driver.quit()


def _measured(driver: Any, page: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    start = time.perf_counter()
    driver.get(page.as_uri())
    found["open, until loaded"] = 1000 * (time.perf_counter() - start)
    timing = "const [t] = performance.getEntriesByType('navigation'); return t.domContentLoadedEventEnd"
    found["open, until it can be used"] = driver.execute_script(timing)
    time.sleep(2)  # lazy pictures come after the page
    asked = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    found["pictures loaded at first"] = sum(
        message["method"] == "Network.requestWillBeSent"
        and message["params"]["request"]["url"].endswith(".png")
        for message in asked
    )
    for name, click in CLICKS.items():
        found[name] = driver.execute_async_script(TIMED % click)
    for name in ("first 3D view", "next 3D view"):
        start = time.perf_counter()
        driver.execute_script(
            "document.querySelector('#stage').dataset.state = '';"
            "document.querySelector(document.querySelector('#large').open ? '#next' : '.open').click()"
        )
        while driver.execute_script("return document.querySelector('#stage').dataset.state") != "loaded":
            if time.perf_counter() - start > TIMEOUT_S:
                raise SystemExit("The 3D view does not load: has the batch been made with the step view?")
            time.sleep(0.02)
        found[name] = 1000 * (time.perf_counter() - start)
    found["memory of the script, MB"] = (
        driver.execute_script("return performance.memory.usedJSHeapSize") / 1e6
    )
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("batch", type=Path, help="a batch's folder, with heads in it")
    parser.add_argument("--heads", type=int, default=500, help="how many (default: 500)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=".photobust-", dir=options.batch.absolute()) as folder:
        out = Path(folder)
        record = multiply(options.batch, out, options.heads)
        start, busy = time.perf_counter(), time.process_time()
        page = write_page(out, record)
        found = {
            "write the page": 1000 * (time.perf_counter() - start),
            "write the page, processor": 1000 * (time.process_time() - busy),
            "page, MB": page.stat().st_size / 1e6,
            **measure(page),
        }
    for name, value in found.items():
        print(f"{name:32}{value:10.1f}{'' if 'MB' in name or 'pictures' in name else ' ms'}")


if __name__ == "__main__":
    main()
