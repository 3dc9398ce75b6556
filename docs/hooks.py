"""mkdocs calls this: generated parts are put in, and every how-to guide is in the navigation.

Lines `<!-- generated: NAME -->` become what `generated.py` makes of NAME.
"""

import re
from pathlib import Path
from typing import Any

from generated import PARTS

MARK = re.compile(r"<!-- generated: ([\w-]+) -->")
GUIDES, TITLE = "how-to", "How to"


def on_config(config: Any) -> Any:
    """Adds guides that mkdocs.yml does not place, under the titles that they give themselves."""
    section = next(part[TITLE] for part in config.nav if TITLE in part)
    placed = {page for entry in section for page in entry.values()}
    for path in sorted(Path(config.docs_dir, GUIDES).glob("*.md")):
        page = f"{GUIDES}/{path.name}"
        if page not in placed:
            section.append(page)
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the generated parts in; an unknown name ends the build."""
    return MARK.sub(lambda found: PARTS[found[1]](), markdown)
