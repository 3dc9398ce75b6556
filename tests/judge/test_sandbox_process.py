"""The long-lived form: JSON lines both ways, with the parent's limits and clock."""

import contextlib
import os
import sys
import threading
import time

import pytest

from accel_opt.judge.sandbox import (
    ChannelClosedError,
    ChannelError,
    ChannelTimeoutError,
    Ended,
    Limits,
    Policy,
    SandboxedProcess,
    SandboxError,
)
from accel_opt.judge.sandbox.channel import Channel

LIMITS = Limits(wall_s=20, memory_mib=300, tasks=60, disk_mib=100)
HEAD = """
import json, os, sys, time
incoming, outgoing = os.fdopen(3, "rb"), os.fdopen(4, "wb", buffering=0)
"""


@pytest.fixture
def start(tmp_path, level):
    started = []

    def begin(code: str, limits: Limits = LIMITS) -> SandboxedProcess:
        policy = Policy(level=level, allow_unsandboxed=True, limits=limits)
        command = [sys.executable, "-I", "-S", "-c", HEAD + code]
        started.append(SandboxedProcess(command, tmp_path, policy).start())
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def test_talk_and_files(start, tmp_path):
    code = """
for line in incoming:
    message = json.loads(line)
    if message["prompt"] == "stop":
        break
    with open(f"{message['seed']}.txt", "w") as file:
        file.write(message["prompt"])
    print("noise on stdout")
    outgoing.write(json.dumps({"files": [f"{message['seed']}.txt"]}).encode() + b"\\n")
"""
    process = start(code)
    for seed in range(3):
        process.send({"prompt": f"a red ring ü {seed}", "seed": seed})
        answer = process.receive(timeout_s=10)
        assert answer == {"files": [f"{seed}.txt"]}
        assert (tmp_path / answer["files"][0]).read_text() == f"a red ring ü {seed}"
    assert process.usage().wall_s > 0
    process.send({"prompt": "stop"})
    result = process.wait(10)
    assert result.ok
    assert result.stdout == b"noise on stdout\n" * 3
    assert process.usage() == result.usage


def test_the_client_of_the_program(tmp_path, level):
    code = """
from accel_opt_channel import Client
client = Client()
while message := client.receive():
    client.send({"got": message})
"""
    policy = Policy(level=level, allow_unsandboxed=True)
    with SandboxedProcess([sys.executable, "-c", code], tmp_path, policy) as process:
        process.send({"n": 1})
        assert process.receive(20) == {"got": {"n": 1}}


def test_receive_waits_no_longer_than_told(start):
    process = start("time.sleep(0.6); outgoing.write(b'{}\\n'); time.sleep(30)")
    began = time.monotonic()
    with pytest.raises(ChannelTimeoutError):
        process.receive(0.1)
    assert time.monotonic() - began < 0.4
    assert process.receive(5) == {}
    assert process.kill().ended is Ended.KILLED


def test_a_program_that_does_not_read(start):
    process = start("time.sleep(30)")
    with pytest.raises(ChannelTimeoutError):
        process.send({"x": "y" * 500_000}, timeout_s=0.2)
    with pytest.raises(ChannelError, match="broke before"):
        process.send({})


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (b"x" * 3_000_000, "longer"),
        (b"nonsense\n", "not a line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"a": NaN}\n', "NaN"),
        (b'{"a": ' + b"[" * 200_000 + b"\n", "not a line of JSON"),
        (b'{"a": ' + b"9" * 200_000 + b"}\n", "not a line of JSON"),
        (b"\xff\xfe\n", "not a line of JSON"),
    ],
    ids=["long", "nonsense", "list", "nan", "deep", "digits", "bytes"],
)
def test_what_is_no_message(line, match):
    reading, writing = os.pipe()
    channel = Channel(reading, os.open(os.devnull, os.O_WRONLY))
    thread = threading.Thread(target=write_all, args=(writing, line))
    thread.start()
    with pytest.raises(ChannelError, match=match):
        channel.receive(5)
    with pytest.raises(ChannelError, match="broke before"):
        channel.receive(5)
    channel.close()
    thread.join()


def write_all(handle: int, line: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(handle, "wb", buffering=0) as file:
        file.write(line)


@pytest.mark.parametrize("code", ["sys.exit(0)", "outgoing.close(); time.sleep(30)"])
def test_an_end_without_an_answer(start, code):
    process = start(code)
    with pytest.raises(ChannelClosedError):
        process.receive(10)
    with pytest.raises(ChannelError):
        process.send({"x": "y" * 1_000_000}, timeout_s=0.2)


def test_limits_hold_while_the_parent_does_nothing(start):
    process = start("held = [bytearray(64 << 20) for _ in range(20)]; time.sleep(30)")
    assert process.wait(10).ended is Ended.MEMORY


def test_wall_clock_ends_a_talk(start):
    process = start("time.sleep(30)", Limits(wall_s=0.5))
    with pytest.raises(ChannelClosedError):
        process.receive(10)
    assert process.wait(2).ended is Ended.WALL_TIME


def test_started_in_a_thread_that_ends(start):
    """A parent-death signal follows the thread that forked; ours must not."""
    found = []
    code = "time.sleep(0.4); outgoing.write(b'{}\\n'); time.sleep(30)"
    thread = threading.Thread(target=lambda: found.append(start(code)))
    thread.start()
    thread.join()
    assert found[0].receive(5) == {}


def test_two_at_once(start):
    first, second = (start("time.sleep(0.3); outgoing.write(b'{}\\n')") for _ in range(2))
    assert first.receive(5) == second.receive(5) == {}
    assert first.wait(5).ok
    assert second.wait(5).ok


def test_a_program_that_does_not_exist(tmp_path, level):
    policy = Policy(level=level, allow_unsandboxed=True)
    (tmp_path / "broken").write_text("#!/nonexistent/interpreter\n")
    (tmp_path / "broken").chmod(0o755)
    with pytest.raises(SandboxError, match="FileNotFoundError"):
        SandboxedProcess([str(tmp_path / "broken")], tmp_path, policy).start()


def test_nothing_before_the_start(tmp_path):
    process = SandboxedProcess(["true"], tmp_path)
    for call in (process.usage, process.kill, lambda: process.send({}), lambda: process.receive(1)):
        with pytest.raises(SandboxError):
            call()
