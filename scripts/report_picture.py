"""Take pictures of a run: the top of its page, and of its contact sheet; docs/report.jpg and docs/suspicious.jpg.

sister-keras cv tagged-photo/street --segmenter selfie --trainable head --augment --folds 4 \\
    --backbone efficientnet-lite0 --person-backbone efficientnet-lite0 --out tagged-photo/runs/sister_a
python scripts/report_picture.py tagged-photo/runs/sister_a docs

scripts/tagged_photo.sh makes the synthetic photos in tagged-photo/street. Needs chromium, chromium-driver
and the extra review.
"""

import io
import sys
from pathlib import Path

from headless import headless_chromium
from PIL import Image

WIDTH, HEIGHT = 1100, 1490
SHEET = (800, 700)


def main(run: Path, out: Path) -> None:
    page = screenshot(run / "report.html")
    page.thumbnail((800, 2000), Image.Resampling.LANCZOS)
    page.save(out / "report.jpg", quality=80)
    with Image.open(run / "issues.jpg") as sheet:
        sheet.thumbnail((SHEET[0], 10 * SHEET[1]), Image.Resampling.LANCZOS)
        sheet.crop((0, 0, sheet.width, min(sheet.height, SHEET[1]))).save(out / "suspicious.jpg", quality=80)


def screenshot(page: Path) -> Image.Image:
    """The top of a page."""
    with headless_chromium(WIDTH, HEIGHT) as browser:
        browser.get(page.resolve().as_uri())
        return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
