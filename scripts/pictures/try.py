"""Make the picture of the page of `photobust serve`: the server is started, and Chromium gives it a photo.

python scripts/pictures/try.py [PHOTO]      the README's shows portraits/female_24.jpg of the data folder
"""

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.benchmark.browser import CHROMIUM_OPTIONS
from scripts.benchmark.web_app import TIMEOUT_S, PageProcess, wait

WIDTH = 1280
HEIGHT = 860
#: Bytes that the picture may have.
LARGEST = 200_000
QUALITY = 88
#: Seconds until the view has come to rest.
REST_S = 3.0


def photograph(photo: Path) -> Image.Image:
    """The page with a photo's head in it."""
    settings = webdriver.ChromeOptions()
    settings.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile, PageProcess() as server:
        for option in (*CHROMIUM_OPTIONS, "--hide-scrollbars", f"--user-data-dir={profile}"):
            settings.add_argument(option)
        service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "HOME": profile})
        with webdriver.Chrome(options=settings, service=service) as driver:
            driver.set_script_timeout(TIMEOUT_S)
            size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get(server.url)
            wait(driver, "document.body.dataset.ready !== undefined")
            driver.find_element("css selector", "#file").send_keys(str(photo))
            wait(driver, "(document.querySelector('#stage').dataset.shown || '').includes('head.glb')")
            time.sleep(REST_S)
            return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", type=Path, nargs="?", help="the photo (default: scikit-image's astronaut)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures/try.jpg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photo = options.photo
        if photo is None:
            photo = Path(folder) / "astronaut.png"
            Image.fromarray(astronaut()).save(photo)
        photograph(photo.absolute()).save(options.out, quality=QUALITY, optimize=True)
    size = options.out.stat().st_size
    print(f"{options.out} ({size / 1000:.0f} kB)")
    return int(size > LARGEST)


if __name__ == "__main__":
    sys.exit(main())
