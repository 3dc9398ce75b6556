import pytest

from accel_opt.accelerators import registry
from accel_opt.accelerators.base import Accelerator
from accel_opt.accelerators.registry import Registry
from accel_opt.core.dims import Int
from accel_opt.core.errors import InputError, MissingPackageError, UnknownNameError


class Toy(Accelerator):
    name = "toy"
    params = {"strength": Int(1, 3)}  # noqa: RUF012

    def supports(self, pipe):
        return None

    def canonical(self, params, run):
        return self.parse(params)


class Impostor(Toy):
    name = "tome"


class Ambiguous(Toy):
    name = "ambiguous"
    params = {"ratio": Int(1, 3), "strength": Int(1, 3)}  # noqa: RUF012


class Entry:
    def __init__(self, name, load):
        self.name, self.load = name, load


def entries(monkeypatch, *found):
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    return Registry()


def test_built_in_names_come_in_the_order_of_the_table():
    assert registry.names()[:4] == ("deepcache", "tome", "tgate", "cfg_cutoff")


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match=r"did you mean 'tgate'.*Known:.*deepcache"):
        registry.get("t-gate")


def test_registering():
    table = Registry()
    table.register(Toy)
    assert table.get("toy").params
    assert table.owner_of("strength") == "toy"
    with pytest.raises(InputError, match="registered twice"):
        table.register(Toy())
    with pytest.raises(InputError, match="registered twice"):
        table.register(Impostor)
    with pytest.raises(InputError, match="no Accelerator"):
        table.register(int)


def test_whose_parameter_is_it():
    table = Registry()
    assert table.owner_of("warmup") == "tgate"
    assert table.owner_of("tome.ratio") == "tome"
    table.register(Toy)
    table.register(Ambiguous)
    assert table.owner_of("ratio") == "tome", "a built-in one has the bare name"
    assert table.owner_of("ambiguous.ratio") == "ambiguous"
    with pytest.raises(InputError, match=r"toy\.strength, ambiguous\.strength"):
        table.owner_of("strength")
    with pytest.raises(UnknownNameError):
        table.owner_of("warm_up")


def test_entry_points(monkeypatch):
    table = entries(monkeypatch, Entry("toy", lambda: Toy))
    assert table.names()[-1] == "toy"


def test_an_entry_point_that_takes_a_name_is_an_error(monkeypatch):
    table = entries(monkeypatch, Entry("tome", lambda: Impostor))
    for _ in range(2):
        with pytest.raises(InputError, match="registered twice"):
            table.names()


def test_an_entry_point_without_its_package_says_what_to_install(monkeypatch):
    def load():
        raise ModuleNotFoundError("No module named 'fastpack'", name="fastpack.hooks")

    table = entries(monkeypatch, Entry("fast", load))
    with pytest.raises(MissingPackageError, match="pip install fastpack"):
        table.names()


def test_other_failures_of_entry_points_propagate(monkeypatch):
    table = entries(monkeypatch, Entry("broken", lambda: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        table.names()
