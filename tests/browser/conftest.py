"""A real browser, where there is one; every test of this folder is marked `browser`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.report.demo import build
from tests.workers.conftest import cluster  # noqa: F401 - a fixture

CHROMIUM = os.environ.get("ACCEL_OPT_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; skips with the reason where it cannot be had."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield launched
        launched.close()


class Watched:
    """A page with everything it complained of and asked for.

    Attributes:
        page: Playwright's page.
        complaints: Errors of the console and of scripts.
        requests: Addresses that were asked for.
    """

    def __init__(self, page):
        self.page = page
        self.complaints = []
        self.requests = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture
def watched(browser):
    """A fresh page."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield Watched(page)
    context.close()


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The demo study: its storage's URL and its result."""
    return build(tmp_path_factory.mktemp("demo"), trials=16)
