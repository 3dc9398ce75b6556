"""The code blocks of README and docs, with what their pages say about testing them.

On the lines before a block a page may say, in comments that readers do not see:

    <!-- not run: REASON -->          it is only parsed (a GPU, the hub, a server, minutes)
    <!-- test adds: OPTIONS -->       to each accel-opt command of the block
    <!-- test replaces: OLD => NEW -->
    <!-- given: FILE from PATH -->    a file of the repository is copied first
    <!-- ends with: 1 -->             the commands' exit status, 0 without; "0 or 1" is fine, too

Blocks of a page run in order, in one folder, and its Python blocks share their names.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = ("bash", "html", "json", "python", "text", "toml")
_DIRECTIVE = re.compile(
    r"<!-- (not run|test adds|test replaces|given|ends with): (.+?) -->", re.DOTALL
)
_FENCE = re.compile(r"^```(.*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: File, relative to the repository.
        line: Line of its first character, from 1.
        language: The word after the fence.
        text: As people read it.
        said: Directives before it.
    """

    page: str
    line: int
    language: str
    text: str
    said: tuple[tuple[str, str], ...] = field(default=())

    @property
    def name(self) -> str:
        """For messages: page and line."""
        return f"{self.page}:{self.line}"

    @property
    def skipped(self) -> str:
        """Why it is only parsed; empty when it runs."""
        return next((value for key, value in self.said if key == "not run"), "")

    def values(self, key: str) -> list[str]:
        """What the page says under a key."""
        return [value for name, value in self.said if name == key]

    @property
    def tested(self) -> str:
        """The text as it is tested.

        Raises:
            ValueError: It replaces what is not there.
        """
        text = self.text
        for value in self.values("test replaces"):
            old, _, new = value.partition(" => ")
            if old not in text:
                raise ValueError(f"{self.name} replaces {old!r}, which is not there")
            text = text.replace(old, new)
        return text

    @property
    def statuses(self) -> set[int]:
        """Exit statuses that are right."""
        said = self.values("ends with")
        return {int(word) for word in said[0].split(" or ")} if said else {0}

    def commands(self) -> list[list[str]]:
        """The words of each command; lines that end with a backslash go on."""
        lines = self.tested.replace("\\\n", " ").splitlines()
        found = [words for line in lines if (words := shlex.split(line, comments=True))]
        more = [word for value in self.values("test adds") for word in shlex.split(value)]
        return [words + more if "accel-opt" in words else words for words in found]


def pages() -> list[Path]:
    """README, the docs, and what stands beside the examples."""
    folders = sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "examples").rglob("*.md"))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *folders]


def blocks(path: Path) -> list[Block]:
    """The blocks of a page.

    Raises:
        ValueError: A block never ends, or has no language that is known.
    """
    page = str(path.relative_to(ROOT))
    found, said, open_at, language = [], [], 0, ""
    body: list[str] = []
    comment = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if open_at and fence:
            text = "\n".join(body) + "\n"
            found.append(Block(page, open_at + 1, language, text, tuple(said)))
            open_at, said, body = 0, [], []
        elif open_at:
            body.append(line)
        elif fence:
            open_at, language = number, fence[1].strip()
            if language not in LANGUAGES:
                raise ValueError(f"{page}:{number}: a block of {language!r}; write {LANGUAGES}")
        elif comment or line.startswith("<!--"):
            comment += line + "\n"
            if "-->" in line:
                said += [
                    (key, " ".join(value.split())) for key, value in _DIRECTIVE.findall(comment)
                ]
                comment = ""
        elif line.strip():
            said = []
    if open_at:
        raise ValueError(f"{page}:{open_at}: a block that never ends")
    return found
