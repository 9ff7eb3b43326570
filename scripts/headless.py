"""A browser without a window, for the scripts that take pictures of pages. Needs chromium and chromium-driver."""

import shutil

from selenium import webdriver


def headless_chromium(width: int, height: int) -> webdriver.Chrome:
    """A browser whose window has this size in pixels; use it as a context manager."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    size = f"--window-size={width},{height}"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", size):
        options.add_argument(argument)
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
