"""Takes docs/status.png: the status page of what `keeper demo --keep` leaves running. Run: .venv/bin/python scripts/status_picture.py"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1200, 1000
BLOCKS_S = 6
"""Of a chain with a block each second: what is shown has settled by then."""


def main() -> int:
    """The exit code."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        print("no Chromium is installed")
        return 1
    keeper = Path(sys.executable).with_name("keeper")
    with tempfile.TemporaryDirectory() as folder:
        command = [str(keeper), "demo", "--keep", "--dir", f"{folder}/demo"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
            try:
                assert demo.stdout is not None
                found = (re.search(r"http://127\.0\.0\.1:\d+/status", line) for line in demo.stdout)
                take(browser, next(filter(None, found))[0])
            finally:
                demo.send_signal(signal.SIGINT)
    return 0


def take(browser: str, address: str) -> None:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = running.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(address)
        expect(page.locator("#link")).to_have_text("Live", timeout=30_000)
        page.wait_for_timeout(BLOCKS_S * 1000)
        page.screenshot(path=ROOT / "docs" / "status.png")
        running.close()


if __name__ == "__main__":
    sys.exit(main())
