"""Thirty programs of every kind, correct and cheating, each with the verdict it must get."""

import json
import sys
import time
from pathlib import Path

import pytest

from accel_opt.judge import Conditions, judge_programs
from accel_opt.report import judged_html, read_results, report_document
from tests.judge.make_programs import BATCH, FOLDER, TASKS, programs

# A program's own limit; only the one that never ends comes near it on a machine that is idle.
TIMEOUT_S = 100
CONDITIONS = Conditions(
    prompts=8, batch_size=BATCH, timeout_s=TIMEOUT_S, memory_mib=4000, devices=("cpu",)
)


def test_the_files_are_what_the_script_writes():
    assert len(TASKS) == 30
    for name, source in programs().items():
        assert (FOLDER / "gen_code" / f"{name}.py").read_text() == source, (
            "run: python -m tests.judge.make_programs"
        )


def verdicts(results):
    found = {}
    for result in results:
        name = Path(result["gen_path"]).stem
        one = result["evaluation_results"]
        found[name] = "passed" if one["passed"] else one["failure_reason"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_verdict(tmp_path):
    out = tmp_path / "evaluation_results.json"
    began = time.monotonic()
    results = judge_programs(FOLDER / "anno.json", FOLDER / "gen.json", out, CONDITIONS)
    sys.stdout.write(f"30 programs judged in {time.monotonic() - began:.0f} s\n")
    assert verdicts(results) == {name: verdict for name, _, _, verdict in TASKS}, json.dumps(
        {r["gen_path"]: r["evaluation_results"].get("error") for r in results}, indent=1
    )
    check_numbers({Path(r["gen_path"]).stem: r for r in results})
    judged = read_results(out)
    report = report_document(judged)
    assert report["summary"]["total_tasks"] == 30
    assert report["summary"]["total_passed"] == 9
    assert report["by_difficulty"]["hard"]["avg_achievement_rate"] > 0
    passed = [one for one in judged if one.passed]
    assert all(len(one.images) == CONDITIONS.samples for one in passed)
    assert "9 of 30 programs pass" in judged_html(judged, out.name)


def check_numbers(by_name):
    details = {n: r["evaluation_results"]["performance_details"] for n, r in by_name.items()}
    for name, _, _, verdict in TASKS:
        if verdict == "passed":
            found = by_name[name]["evaluation_results"]
            assert found["actual_speedup"] <= 1.2 * details[name]["replay_speedup"]
            assert details[name]["agreement_db"] > 60
            assert details[name]["baseline_time"] > 0
            assert set(details[name]["accelerators"]) == set(
                name.split("_")
                if name not in ("global_pipe", "extra_accelerator")
                else ["deepcache"] + ["tgate"] * (name == "extra_accelerator")
            )
    # A clock that stands still and images made late win nothing.
    for name in ("patched_time", "lazy_images", "missing_accelerator"):
        assert by_name[name]["evaluation_results"]["actual_speedup"] < 1.4
        assert details[name]["accelerators"] == {}
    mismatches = {
        "ignored_steps": "steps 4 instead of 12",
        "smaller_resolution": "resolution 32 x 32 instead of 64 x 64",
        "another_model": "model unknown instead of shapes",
        "wrong_scheduler": "scheduler EulerDiscreteScheduler instead of DDIMScheduler",
    }
    for name, words in mismatches.items():
        assert words in by_name[name]["evaluation_results"]["error"]
        assert by_name[name]["evaluation_results"]["config_match"] is False
