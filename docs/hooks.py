"""mkdocs calls this: lines `<!-- generated: NAME -->` become what `generated.py` makes of NAME."""

import re
from typing import Any

from generated import PARTS

MARK = re.compile(r"<!-- generated: ([\w-]+) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the generated parts in; an unknown name ends the build."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)
