"""A file imports lower floors or its own room; rooms on one floor ignore each other."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "accel_opt"
FLOORS = (
    {"core", "shapes"},
    {"accelerators", "pipelines", "metrics", "prompts"},
    {"measure", "results"},
    {"search", "codegen", "tasks"},
    {"judge", "report"},
    {"cli", "testing", "facade", "__init__"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# The façade, the command line and the contract suites stand on one floor and may know the façade.
TOP = len(FLOORS) - 1
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_rooms(path: Path) -> set[tuple[str, int]]:
    """Rooms imported anywhere in a file, in functions and under TYPE_CHECKING included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] + [module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "accel_opt" and len(parts) > 1 and parts[1] in FLOOR_OF:
                found.add((parts[1], node.lineno))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = room_of(path)
    assert room in FLOOR_OF, f"{path} is in no room of the house"
    for other, line in imported_rooms(path):
        if other == room:
            continue
        low, high = FLOOR_OF[other], FLOOR_OF[room]
        assert low < high or low == high == TOP, f"{path}:{line}: {room} imports {other}"


def test_every_room_is_on_a_floor():
    rooms = {p.name for p in PACKAGE.iterdir() if p.is_dir() and not p.name.startswith("__")}
    assert rooms <= set(FLOOR_OF)
