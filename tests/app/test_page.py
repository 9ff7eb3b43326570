"""The command and its page: over HTTP, and in a browser where there is one."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import requests
from click.testing import CliRunner
from PIL import Image

from cli.main import main

from ..exports import SCHEMA

if not find_spec("gradio"):
    pytest.skip("the app needs gradio, of the extra 'app'", allow_module_level=True)


@pytest.fixture(scope="module")
def page(sister, tmp_path_factory):
    """The page of a run, opened by the command; closed by Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    corrections, temporary = tmp_path_factory.mktemp("app") / "corrections", tmp_path_factory.mktemp("temporary")
    arguments = ["--corrections", str(corrections), "--port", str(port), "--max-megabytes", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "app", str(sister.folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "no_proxy": "127.0.0.1", "TMPDIR": str(temporary)},
    ) as child:
        try:
            url = child.stdout.readline().partition(" ")[0]
            yield url, corrections
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == 130
            assert not list(temporary.rglob("*.jpg"))  # no photo that was sent stays behind
        finally:
            child.kill()


def upload(url: str, photo: Path) -> requests.Response:
    with photo.open("rb") as contents:
        return requests.post(f"{url}gradio_api/upload", files={"files": (photo.name, contents)}, timeout=30)


def call(url: str, function: str, photo: Path, *values: str) -> tuple[str, list]:
    """Call a function of the page as Gradio's clients do: the last event, and what came with it."""
    (path,) = upload(url, photo).json()
    file = {"path": path, "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}
    start = requests.post(f"{url}gradio_api/call/{function}", json={"data": [file, *values]}, timeout=30)
    stream = requests.get(f"{url}gradio_api/call/{function}/{start.json()['event_id']}", timeout=60).text
    event, data = [line.partition(": ")[2] for line in stream.strip().splitlines()][-2:]
    return event, json.loads(data)


def open_picture(url: str, file: dict) -> Image.Image:
    response = requests.get(f"{url}gradio_api/file={file['path']}", stream=True, timeout=30)
    response.raise_for_status()
    with Image.open(response.raw) as picture:
        return picture.convert("RGB")


def test_it_tags_explains_and_keeps_corrections(page, photos):
    url, corrections = page
    event, (person, note, tags) = call(url, "tag", photos[0])
    assert event == "complete"
    assert [row[0] for row in tags["data"]] == SCHEMA.names
    assert "not calibrated" in note
    assert "not a photo of the run" not in note  # it is a final model, for any photo
    shown = open_picture(url, person)
    assert shown.size == (320, 320)
    assert (np.asarray(shown) == 0).all(axis=-1).any()  # the run's background is black
    _, (picture,) = call(url, "heat_map", photos[0], "neckline")
    assert open_picture(url, picture).size[1] > 2 * 256  # two towers
    for tag in ("neckline = other", "collar = yes", "neckline = round"):
        _, (said,) = call(url, "keep", photos[0], tag)
        assert f"Kept {tag} in" in said
    (file,) = corrections.glob("*.json")
    (task,) = json.loads(file.read_text())
    served = task["data"]["photo"].removeprefix("/data/local-files/?d=")  # below the folder that Label Studio serves
    assert (corrections.parent / served).read_bytes() == photos[0].read_bytes()
    results = task["annotations"][0]["result"]
    assert {r["from_name"]: r["value"]["choices"] for r in results} == {"collar": ["yes"], "neckline": ["round"]}


def test_mistakes_are_messages(page, photos, tmp_path):
    url, _ = page
    large = tmp_path / "large.png"
    contents = {
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image"),
        "empty.jpg": (b"", "empty"),
        "page.jpg": (b"<html>", "an HTML page"),
        "damaged.png": (photos[3].read_bytes()[:2000], ""),
    }
    for name, (stored, reason) in contents.items():
        (tmp_path / name).write_bytes(stored)
        for function, values in (("tag", ()), ("heat_map", ("collar",))):
            event, said = call(url, function, tmp_path / name, *values)
            assert event == "error"
            assert said["error"].startswith(f"{name}: {reason}")  # without the folder in which the server keeps it
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)).save(large)
    assert upload(url, large).status_code == 413
    assert call(url, "keep", photos[0], "collar = perhaps")[0] == "error"


def test_only_this_computer_is_served(page, sister):
    url, _ = page
    port = urllib.parse.urlsplit(url).port
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:] + Path("/proc/net/tcp6").read_text().splitlines()[1:]
    addresses = [line.split()[1].split(":") for line in listening if line.split()[3] == "0A"]
    assert [address for address, at in addresses if int(at, 16) == port] == ["0100007F"]
    taken = CliRunner().invoke(main, ["app", str(sister.folder), "--port", str(port)])
    assert taken.exit_code == 1
    assert "--port" in taken.stderr


@pytest.fixture
def browser(tmp_path):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no browser: install chromium and chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    arguments = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1600")
    for argument in (*arguments, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def until(condition, seconds: float = 30):
    """What `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def test_in_a_browser_no_request_leaves_and_no_error_is_logged(browser, page, photos, tmp_path):
    url, corrections = page
    browser.get(url)

    def text() -> str:
        return browser.find_element("tag name", "body").text

    until(lambda: "Keep as a correction" in text())
    field = until(lambda: browser.find_elements("css selector", "#photo input[type=file]"))[0]
    field.send_keys(str(photos[1]))
    until(lambda: "not calibrated" in text())
    for attribute in SCHEMA:
        assert attribute.name in text()
    until(lambda: browser.find_elements("css selector", "#person img"))
    browser.find_element("xpath", "//button[contains(., 'Show where')]").click()
    until(lambda: browser.find_elements("css selector", "#maps img"))
    browser.find_element("css selector", "#right input").send_keys("female\n")
    browser.find_element("xpath", "//button[contains(., 'Keep as')]").click()
    until(lambda: "Kept gender = female" in text())
    browser.find_element("css selector", "#photo [aria-label='Remove Image']").click()
    until(lambda: not browser.find_elements("css selector", "#maps img"))  # nothing of a photo that is gone
    assert "Kept gender" not in text()
    tasks = [json.loads(file.read_text())[0]["data"]["photo-name"] for file in corrections.glob("*.json")]
    assert photos[1].name in tasks
    browser.save_screenshot(str(tmp_path / "page.png"))

    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {urllib.parse.urlsplit(at).hostname for at in sent if at.startswith(("http", "ws"))} == {"127.0.0.1"}
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
