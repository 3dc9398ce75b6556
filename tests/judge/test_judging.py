"""Programs judged from file to result, in real sandboxes; those that need no model here."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice
from accel_opt.judge import Conditions, Reason, judge_programs
from accel_opt.judge.errors import ProgramError
from accel_opt.judge.events import JudgingStarted, TaskFinished
from accel_opt.judge.partner import Partner
from accel_opt.judge.places import policy_for
from accel_opt.judge.sandbox import Level, SandboxUnavailableError
from accel_opt.report import read_results, report_document

TEXT = (
    "Generate a shapes pipeline using the DDIM sampler with 12 steps, accelerated by DeepCache "
    "with 1.1x speedup"
)
PROGRAMS = {
    "exits": "import sys\nsys.exit(0)\n",
    "dies": "import os\nos._exit(0)\n",
    "syntax": "def f(:\n",
    "nothing": "x = 1\n",
    "no_pipe": "pipe = 'a text'\n",
    "fails": "def load_pipe():\n    raise ValueError('no such model')\n",
    "silent": "import os\nos.close(4)\n",
    "forges": 'import os\nos.write(4, b\'{"count": 1, "passed": true}\\n\')\n',
    "babbles": "import os\nos.write(4, b'passed\\n')\n",
    "prints": "print('x' * 20_000_000)\n",
}
REASONS = {
    "exits": "evaluation_error",
    "dies": "evaluation_error",
    "syntax": "evaluation_error",
    "nothing": "evaluation_error",
    "no_pipe": "evaluation_error",
    "fails": "evaluation_error",
    "silent": "evaluation_error",
    "forges": "tampering",
    "babbles": "tampering",
    "prints": "evaluation_error",
}
CONDITIONS = Conditions(timeout_s=30, memory_mib=600, devices=("cpu",))


@pytest.fixture
def write(tmp_path):
    """Writes an annotation and a generation file for programs by name."""

    def write(programs, text=TEXT):
        (tmp_path / "gen_code").mkdir(exist_ok=True)
        anno, gen = [], []
        for name, source in programs.items():
            if source is not None:
                (tmp_path / "gen_code" / f"{name}.py").write_text(source)
            entry = {"prompt_id": name, "prompt_context": text, "difficulty": "easy"}
            anno.append(entry | {"path_to_gt_code": f"gt_code/{name}.py"})
            gen.append(entry | {"path_to_gen_code": f"gen_code/{name}.py"})
        (tmp_path / "anno.json").write_text(json.dumps(anno))
        (tmp_path / "gen.json").write_text(json.dumps(gen))
        return tmp_path / "anno.json", tmp_path / "gen.json", tmp_path / "results.json"

    return write


def reasons(results):
    return {r["prompt_id"]: r["evaluation_results"]["failure_reason"] for r in results}


def test_programs_that_never_get_to_a_pipeline(write):
    files = write(PROGRAMS)
    events = []
    results = judge_programs(*files, CONDITIONS, on_event=events.append)
    assert reasons(results) == REASONS
    assert [r["prompt_id"] for r in results] == list(PROGRAMS)
    assert json.loads(files[2].read_text()) == results
    errors = {r["prompt_id"]: r["evaluation_results"]["error"] for r in results}
    assert "SystemExit" in errors["exits"]
    assert "status 0" in errors["dies"]
    assert "SyntaxError" in errors["syntax"]
    assert "load_pipe() and apply_optimizations()" in errors["nothing"]
    assert "no pipeline" in errors["no_pipe"]
    assert "no such model" in errors["fails"]
    assert "line 2 of the program" in errors["fails"]
    started = next(event for event in events if isinstance(event, JudgingStarted))
    assert Level(started.sandbox).isolates
    assert started.warning == ""
    finished = [event for event in events if isinstance(event, TaskFinished)]
    assert [event.done for event in finished] == list(range(1, len(PROGRAMS) + 1))
    about = results[0]["provenance"]
    assert about["sandbox"]["level"] == started.sandbox
    report = report_document(read_results(files[2]))
    assert report["sandbox"] == [started.sandbox]
    assert report["failure_analysis"]["tampering_count"] == 2


def test_a_second_run_goes_on_where_the_first_stopped(write):
    files = write({name: PROGRAMS[name] for name in ("exits", "syntax", "nothing")})

    class StopError(Exception):
        pass

    def stop(event):
        if isinstance(event, TaskFinished) and event.done == 2:
            raise StopError

    with pytest.raises(StopError):
        judge_programs(*files, CONDITIONS, on_event=stop)
    before = json.loads(files[2].read_text())
    assert [r["prompt_id"] for r in before] == ["exits", "syntax"]
    events = []
    results = judge_programs(*files, CONDITIONS, on_event=events.append)
    assert results[:2] == before, "made once"
    assert events[0].to_do == 1
    assert [r["prompt_id"] for r in results] == ["exits", "syntax", "nothing"]
    (files[0].parent / "gen_code" / "exits.py").write_text("x = 2\n")
    again = judge_programs(*files, CONDITIONS)
    assert again[1:] == results[1:]
    assert "LookupError" in again[0]["evaluation_results"]["error"]


def test_two_workers_keep_the_order(write):
    slow = "import time\ntime.sleep(1.5)\n"
    names = ("first", "second", "third", "fourth")
    files = write({name: slow if name == "first" else "x = 1\n" for name in names})
    order = []

    def note(event):
        if isinstance(event, TaskFinished):
            order.append(event.task.prompt_id)

    two = Conditions(timeout_s=30, memory_mib=600, devices=("cpu", "cpu"))
    results = judge_programs(*files, two, on_event=note)
    assert order[-1] == "first", "the others did not wait for it"
    assert [r["prompt_id"] for r in results] == list(names)
    assert [r["prompt_id"] for r in json.loads(files[2].read_text())] == list(names)


def test_time_and_memory_limits(write):
    files = write(
        {
            "loops": "import time\nend = time.time() + 60\nwhile time.time() < end:\n    pass\n",
            "swells": "held = [bytearray(50 << 20) for _ in range(20)]\n"
            "for part in held:\n    part[::4096] = b'x' * len(part[::4096])\n",
        }
    )
    began = time.monotonic()
    results = judge_programs(*files, Conditions(timeout_s=4, memory_mib=400, devices=("cpu",)))
    assert time.monotonic() - began < 60
    assert reasons(results) == {"loops": "timeout", "swells": "out_of_memory"}
    assert results[1]["provenance"]["retried"] is True


def test_what_is_missing(write):
    files = write({"gone": None, "vague": "x = 1\n"}, text="make it 2x speedup")
    results = judge_programs(*files, CONDITIONS)
    assert reasons(results) == dict.fromkeys(("gone", "vague"), "missing_required_information")
    errors = [r["evaluation_results"]["error"] for r in results]
    assert "no program" in errors[0]
    assert "model, sampler and steps" in errors[1]


def test_one_run_at_a_time_writes_a_file(write):
    files = write({"waits": "import time\ntime.sleep(3)\n"})
    started = threading.Event()
    thread = threading.Thread(
        target=judge_programs,
        args=(*files, CONDITIONS),
        kwargs={"on_event": lambda _: started.set()},
    )
    thread.start()
    started.wait(10)
    with pytest.raises(InputError, match="another run"):
        judge_programs(*files, CONDITIONS)
    thread.join()


def test_nothing_runs_unsandboxed_unasked(write):
    files = write({"exits": PROGRAMS["exits"]})
    alone = Conditions(level=Level.PROCESS, devices=("cpu",))
    with pytest.raises(SandboxUnavailableError, match="allow-unsandboxed"):
        judge_programs(*files, alone)
    assert not files[2].exists()
    events = []
    allowed = Conditions(
        level=Level.PROCESS, allow_unsandboxed=True, timeout_s=30, devices=("cpu",)
    )
    results = judge_programs(*files, allowed, on_event=events.append)
    assert reasons(results) == {"exits": "evaluation_error"}
    assert "nothing isolates" in events[0].warning


def test_generations_nobody_asked_for_are_named(write):
    anno, gen, out = write({"exits": PROGRAMS["exits"]})
    made = json.loads(gen.read_text())
    gen.write_text(json.dumps([*made, made[0] | {"prompt_id": "other"}]))
    events = []
    judge_programs(anno, gen, out, CONDITIONS, on_event=events.append)
    assert any(isinstance(e, Notice) and "other" in e.text for e in events)


def test_a_paused_program_stands_still(tmp_path):
    """It counts on, children included, but not while it is paused."""
    source = """
import os, time
os.fork()
name = f"{os.getpid()}.txt"
for n in range(600):
    open(name, "w").write(str(n))
    time.sleep(0.02)
"""
    policy = policy_for(Conditions(memory_mib=600), "cpu", 20)
    partner = Partner("guest", policy, source.encode())
    with partner:
        thread = threading.Thread(target=_ask, args=(partner,))
        thread.start()
        counts = lambda: {p.name: p.read_text() for p in partner.path.glob("*.txt")}  # noqa: E731
        deadline = time.monotonic() + 10
        while len(counts()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        partner.process.pause()
        before = counts()
        time.sleep(0.5)
        assert counts() == before
        partner.process.resume()
        deadline = time.monotonic() + 5
        while any(counts().get(name) == n for name, n in before.items()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        partner.close()
        thread.join()


def _ask(partner):
    with pytest.raises(ProgramError):
        partner.ask(
            "open", path=str(partner.path / "program.py"), prompts=["x"], seed=1, early=True
        )


@pytest.mark.parametrize(
    ("save", "match"),
    [
        ("lambda images, folder, stem: 1", "cannot be read"),
        ("lambda images, folder, stem: os.symlink('/etc/hostname', stem + '-0.npy') or 1", "read"),
        ("lambda images, folder, stem: 7", "7 images for 1 prompts"),
        ("lambda images, folder, stem: open(stem + '-0.npy', 'w').write('x')", "NPY"),
    ],
)
def test_images_must_be_there_when_the_clock_stops(save, match):
    """An answer without its files, or with something else for them, is no answer."""
    source = f"""
import os
from accel_opt.judge.inside import guest, pictures

pictures.arrays = lambda images: images
pictures.save = {save}


def described(self, images):
    return {{}}


guest.Guest._described = described
guest.Guest._infer = lambda self, prompts: []


class Scheduler:
    num_inference_steps = 1


class pipe:
    scheduler = Scheduler()
    def __call__(self): pass
    def prepare_latents(self, batch_size, generator): pass


pipe = pipe()
"""
    policy = policy_for(Conditions(memory_mib=2000), "cpu", 60)
    with Partner("guest", policy, source.encode()) as partner:
        path = str(partner.path / "program.py")
        partner.ask("open", path=path, prompts=["x"], seed=1, early=True)
        with pytest.raises(ProgramError, match=match) as caught:
            partner.generate(["x"], 1, (1,))
        assert caught.value.reason is Reason.OUTPUT_INVALID


def judge_command(*words, cwd):
    command = [sys.executable, "-m", "accel_opt.cli.main", "judge", *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
        env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip


def test_command_line(write):
    anno, gen, out = write({"exits": PROGRAMS["exits"], "syntax": PROGRAMS["syntax"]})
    words = ["--annotations", str(anno), "--generations", str(gen), "--out", str(out)]
    words += ["--device", "cpu", "--timeout", "30", "--memory", "600"]
    done = judge_command(*words, "--json", cwd=anno.parent)
    assert done.returncode == 1, done.stderr
    assert [r["prompt_id"] for r in json.loads(done.stdout)] == ["exits", "syntax"]
    assert "sandbox: " in done.stderr
    assert "0 of 2 passed (0 %)" in done.stderr
    again = judge_command(*words, cwd=anno.parent)
    assert "2 tasks, 0 to judge" in again.stderr
    assert again.returncode == 1
    alone = judge_command(
        "--extract-only",
        str(anno.parent / "gen_code" / "exits.py"),
        "--device",
        "cpu",
        cwd=anno.parent,
    )
    assert alone.returncode == 1
    assert "SystemExit" in alone.stderr


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "--annotations and --generations"),
        (["--sandbox", "none"], "unknown sandbox"),
        (["--sandbox", "process", "--annotations", "a", "--generations", "b"], "no file"),
        (["--extract-only", "gone.py"], "no file gone.py"),
        (["--jobs", "64"], "jobs=64"),
        (["--prompts", "0"], "prompts=0"),
    ],
)
def test_command_line_refuses(tmp_path, words, match):
    done = judge_command(*words, "--device" if "--jobs" not in words else "--quiet",
                         *(["cpu"] if "--jobs" not in words else []), cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert match in done.stderr
    assert not list(Path(tmp_path).glob("*.json"))
