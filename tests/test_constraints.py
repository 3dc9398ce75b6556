"""constraints.txt names one exact version of everything that is asked for or comes with it."""

import re
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^;\s]+)$")


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [PIN.match(line) for line in lines if not line.startswith("#")]
    assert all(found), "every line is name==version"
    return {canonicalize_name(match[1]): match[2] for match in found}


def asked():
    """Requirements of the package and of its extras, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


def test_what_is_asked_for_is_pinned_within_its_bounds():
    known = pins()
    assert not asked().keys() - known.keys()
    for name, requirement in asked().items():
        assert requirement.specifier.contains(known[name], prereleases=True), name


def installed_with(name, seen):
    """Names of all distributions that an installed one needs here, itself included."""
    if name in seen:
        return
    try:
        needs = metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return
    seen.add(name)
    for text in needs:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            installed_with(canonicalize_name(requirement.name), seen)


@pytest.mark.parametrize("name", sorted(asked()))
def test_what_comes_with_it_is_pinned_too(name):
    seen = set()
    installed_with(name, seen)
    assert not seen - pins().keys() - {"pip", "setuptools"}
