"""Makes every picture and number of README and docs anew, from one real search.

python docs/pictures.py                 # searches the embedded model, three to five minutes
python docs/pictures.py --folder DIR    # the same in DIR, which is kept; a study there goes on

It needs Chromium (apt-get install chromium) for the pictures of pages.
"""

import argparse
import contextlib
import io
import os
import re
import tempfile
import time
from pathlib import Path

from page_pictures import Browser, dashboard_picture, report_picture, svg_picture
from result_picture import result_picture
from rich.console import Console

from accel_opt.cli.live import LiveView
from accel_opt.cli.search_result import print_result
from accel_opt.core import events
from accel_opt.core.spec import make_spec
from accel_opt.facade.main_job import run
from accel_opt.search.read import read_study

DOCS = Path(__file__).parent.resolve()
IMAGES = DOCS / "images"
# Pages that show what a search ends with.
PAGES = (DOCS.parent / "README.md", DOCS / "tutorials" / "first-search.md")
_RESULT = re.compile(
    r"(<!-- result of docs/pictures.py -->\n).*?(\n<!-- end of result -->)", re.DOTALL
)


class Recorder:
    """Keeps the last live view that showed a search at work, as a terminal draws it."""

    def __init__(self) -> None:
        self.view, self.frame = LiveView(), ""

    def __call__(self, event: events.Event) -> None:
        """Takes an event; frames are drawn in mid-trial, when there is most to see."""
        self.view.take(event)
        if isinstance(event, events.Notice | events.TrialFinished | events.ConfirmFinished):
            print(f"[{time.strftime('%H:%M:%S')}] {event}"[:160])
        if isinstance(event, events.BatchDone) and self.view.best is not None:
            console = Console(
                record=True, width=104, height=24, file=io.StringIO(), force_terminal=True
            )
            console.print(self.view)
            self.frame = console.export_svg(title="accel-opt search")


def search(folder: Path) -> tuple[object, str]:
    """The main job in a folder: its outcome, and a picture of its live view."""
    recorder = Recorder()
    with contextlib.chdir(folder):
        return run(make_spec(), on_event=recorder), recorder.frame


def final_table(outcome, folder: Path) -> str:
    """What `accel-opt search` prints at its end, with paths as seen from the folder."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        print_result(outcome)
    text = printed.getvalue().replace(f"{folder}/", "")
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def write_result(page: Path, table: str, minutes: float) -> None:
    """Puts the table between a page's marks, and the minutes it took where they are named."""
    text = page.read_text(encoding="utf-8")
    if not _RESULT.search(text):
        raise SystemExit(f"{page} has no place for the result")
    block = f"```text\n{table}\n```"
    text = _RESULT.sub(lambda found: f"{found[1]}{block}{found[2]}", text)
    about = f"<!-- minutes -->{max(1, round(minutes))} minutes<!-- end -->"
    page.write_text(re.sub(r"<!-- minutes -->.*?<!-- end -->", about, text), encoding="utf-8")


def make(folder: Path) -> None:
    """Searches, draws, writes."""
    started = time.monotonic()
    outcome, frame = search(folder)
    minutes = (time.monotonic() - started) / 60
    IMAGES.mkdir(exist_ok=True)
    spec = outcome.spec
    with contextlib.chdir(folder):
        study = read_study(spec.study, spec.storage)
        result_picture(study, outcome, IMAGES / "result.png")
        with Browser() as browser:
            if frame:
                svg_picture(browser, frame, IMAGES / "terminal.png")
            report_picture(browser, spec, IMAGES / "report.png")
            dashboard_picture(browser, spec, study, IMAGES / "dashboard.png")
    for page in PAGES:
        write_result(page, final_table(outcome, folder), minutes)
    if not outcome.result.best.confirmed:
        print("nothing was confirmed, and the pages say so")
    print(f"{IMAGES} and {len(PAGES)} pages are from a search of {minutes:.1f} minutes")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the study is kept")
    folder = parser.parse_args().folder
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        make(folder.resolve())
        return
    with tempfile.TemporaryDirectory() as place:
        make(Path(place))


if __name__ == "__main__":
    main()
