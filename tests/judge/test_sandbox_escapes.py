"""Attacks on what is outside: at every level that isolates, none gets through."""

import json

import pytest

from accel_opt.judge.sandbox import (
    Ended,
    Level,
    Limits,
    Policy,
    available_levels,
    planning,
    process,
    run,
    user,
)

ESCAPES = (
    "write_outside",
    "read_secrets",
    "sockets",
    "dns",
    "kill_others",
    "trace_others",
    "regain_rights",
    "shared_memory",
)


@pytest.mark.parametrize("name", ESCAPES)
def test_no_escape(arena, isolating, name):
    result = arena.attack(name, isolating)
    said = result.stdout.decode() + result.stderr.decode()
    assert "ESCAPED" not in said
    assert result.ended is Ended.EXIT, said
    assert result.exit_code == 0, said
    arena.assert_untouched()


@pytest.mark.parametrize("level", [Level.BWRAP, Level.NAMESPACES])
@pytest.mark.parametrize("name", ["write_outside", "read_secrets", "kill_others", "trace_others"])
@pytest.mark.parametrize("fallen", [("landlock", "user"), ("seccomp",)], ids="+".join)
def test_no_wall_stands_alone(arena, monkeypatch, level, name, fallen):
    """With a file tree of its own a program is held without Landlock, filter or own user too."""
    if available_levels()[level]:
        pytest.skip(f"level {level} does not work here: {available_levels()[level]}")

    def make_plan(*arguments):
        spec = planning.make_plan(*arguments)
        spec |= {"landlock": {"landlock": 0}, "seccomp": {"seccomp": False}}.get(fallen[0], {})
        if "user" in fallen and spec["user"] is not None:
            spec["user"] = None
            user.hand_over(arena.own, None)
        return spec

    monkeypatch.setattr(process, "make_plan", make_plan)
    result = arena.attack(name, level)
    assert b"ESCAPED" not in result.stdout
    assert result.exit_code == 0, result.stderr
    arena.assert_untouched()


@pytest.mark.parametrize("name", ["write_outside", "read_secrets", "sockets", "kill_others"])
def test_attacks_are_real(arena, name):
    """Without isolation they succeed: else the tests above would show nothing.

    The machine itself is no target here, as nothing would hold the attacks back.
    """
    arena.about |= {"system": [], "settings": [], "private": [], "beyond": None}
    if name == "write_outside":
        arena.about |= {"outside": str(arena.own), "home": str(arena.own)}
        (arena.own / "kept").write_text("kept")
    policy = Policy(level=Level.PROCESS, allow_unsandboxed=True, limits=Limits(wall_s=8))
    result = run(arena.command(name), arena.own, policy)
    assert b"ESCAPED" in result.stdout


def test_environment_is_small_even_unsandboxed(arena, level):
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    policy = Policy(level=level, allow_unsandboxed=True, environment=(("MINE", "1"),))
    result = run([*arena.command("exit_early")[:3], "-c", code], arena.own, policy)
    found = json.loads(result.stdout)
    assert found["MINE"] == "1"
    assert found["HOME"] == str(arena.own)
    assert "INNOCENT" not in found
    assert not {n for n in found if "TOKEN" in n or "SECRET" in n}


def test_model_cache_can_be_read_and_not_changed(arena, isolating):
    cache = arena.root / "cache" / "hub"
    cache.mkdir(parents=True)
    (cache / "weights").write_text("w" * 100)
    code = """
import os, sys
cache = sys.argv[1]
print(len(open(cache + "/weights").read()))
for call in (
    lambda: open(cache + "/weights", "a"),
    lambda: open(cache + "/new", "w"),
    lambda: os.unlink(cache + "/weights"),
    lambda: os.chmod(cache, 0o777),
):
    try:
        call()
        print("ESCAPED")
    except OSError:
        pass
"""
    policy = Policy(level=isolating, read_only=(cache,))
    result = run([*arena.command("exit_early")[:3], "-c", code, str(cache)], arena.own, policy)
    assert result.stdout == b"100\n"
    assert (cache / "weights").read_text() == "w" * 100
    assert sorted(p.name for p in cache.iterdir()) == ["weights"]


def test_own_folder_inside_a_shown_one(arena, isolating):
    shown = arena.root / "shown"
    own = shown / "deep" / "own"
    own.mkdir(parents=True)
    code = "import sys\nopen('x', 'w').close()\n"
    code += "try: open(sys.argv[1] + '/y', 'w')\nexcept OSError: print('held')"
    policy = Policy(level=isolating, read_only=(shown,))
    result = run([*arena.command("exit_early")[:3], "-c", code, str(shown)], own, policy)
    assert result.stdout == b"held\n", result.stderr
    assert (own / "x").exists()
    assert not (shown / "y").exists()
