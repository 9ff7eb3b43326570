"""Take a screenshot of `sister-keras app` with a real photo: docs/app.jpg. Needs chromium and chromium-driver.

python scripts/app_picture.py tagged-photo/final docs/app.jpg

scripts/tagged_photo.sh trains the model in tagged-photo/final. The photo is that of Grace Hopper in matplotlib's sample
data, a work of the US Navy and in the public domain.
"""

import io
import signal
import subprocess
import sys
from pathlib import Path

import matplotlib.cbook
from headless import headless_chromium
from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

PORT, WIDTH, HEIGHT = 7871, 1100, 2750


def main(run: str, out: Path) -> None:
    photo = str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    command = [sys.executable, "-m", "keras_sister", "app", run, "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:  # noqa: S603 - our own command
        try:
            url = app.stdout.readline().partition(" ")[0] if app.stdout else ""
            picture = screenshot(url, photo)
        finally:
            app.send_signal(signal.SIGINT)
    picture.thumbnail((800, 2000), Image.Resampling.LANCZOS)
    picture.save(out, quality=80)


def screenshot(url: str, photo: str) -> Image.Image:
    """The page after the photo was tagged and its category explained."""
    with headless_chromium(WIDTH, HEIGHT) as browser:

        def when_shown(css: str) -> webdriver.remote.webelement.WebElement:
            return WebDriverWait(browser, 60).until(lambda _: browser.find_elements("css selector", css))[0]

        browser.get(url)
        when_shown("#photo input[type=file]").send_keys(photo)
        when_shown("#person img")
        when_shown("#attribute input").send_keys("\b" * 30 + "category\n")
        browser.find_element("xpath", "//button[contains(., 'Show where')]").click()
        when_shown("#maps img")
        return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
