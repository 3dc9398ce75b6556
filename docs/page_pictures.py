"""Pictures of pages, taken by a headless Chromium."""

import os
import shutil
import threading
from pathlib import Path

from accel_opt.facade.study_report import study_report
from accel_opt.report import study_html
from accel_opt.search.dashboard import Storages, server, study_path

SIZE = {"width": 1180, "height": 820}


class Browser:
    """A headless Chromium, as a context manager."""

    def __enter__(self):
        from playwright.sync_api import sync_playwright

        path = os.environ.get("ACCEL_OPT_CHROMIUM") or shutil.which("chromium")
        if path is None:
            raise SystemExit("no Chromium: apt-get install chromium, or set ACCEL_OPT_CHROMIUM")
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        self.page = self._browser.new_page(viewport=SIZE)
        self.page.set_default_timeout(180_000)
        return self

    def __exit__(self, *error):
        self._browser.close()
        self._playwright.stop()


def svg_picture(browser: Browser, svg: str, path: Path) -> None:
    """A drawing with nothing around it; its fonts are this machine's."""
    browser.page.set_content(f"<body style='margin:0;width:1180px'>{svg}</body>")
    browser.page.locator("svg").first.screenshot(path=path)


def report_picture(browser: Browser, spec, path: Path) -> None:
    """The head of a study's report."""
    file = Path("report.html").resolve()
    file.write_text(study_html(study_report(spec.study, spec.storage)), encoding="utf-8")
    browser.page.goto(file.as_uri())
    browser.page.screenshot(path=path)


def dashboard_picture(browser: Browser, spec, study, path: Path) -> None:
    """The best trial in the dashboard, with its images."""
    storages = Storages(spec.storage)
    best = next((v.best.trial for v in study.verdicts if v.confirmed), study.ledger.best.number)
    with server(storages, "127.0.0.1", 0) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        where = f"http://127.0.0.1:{served.server_port}{study_path(storages, spec.study)}"
        browser.page.goto(f"{where}/trials?numbers={best}")
        browser.page.locator("img[src*='/artifacts/']").first.wait_for()
        browser.page.wait_for_timeout(1500)
        browser.page.screenshot(path=path)
        served.shutdown()
        thread.join()
