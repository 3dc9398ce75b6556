"""report.json and the page of judged programs, from the results file alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.report import judged_html, judged_markdown, read_results, report_document
from tests.report.test_study_page import EVIL, checked


def result(prompt_id, difficulty, *, passed=False, reason=None, **measured):
    return {
        "prompt_id": prompt_id,
        "difficulty": difficulty,
        "gt_path": f"gt_code/{prompt_id}.py",
        "gen_path": f"gen_code/{prompt_id}.py",
        "prompt_context": f"task {prompt_id} with 2.0x speedup",
        "target_speedup": 2.0,
        "evaluation_results": {
            "config_match": reason != "config_mismatch",
            "actual_speedup": None,
            "quality_loss": None,
            "passed": passed,
            "achievement_rate": None,
            "failure_reason": reason,
            "quality_threshold": 0.02,
            "performance_details": {},
        }
        | measured,
    }


RESULTS = [
    result("192", "easy", passed=True, actual_speedup=2.2, quality_loss=0.01),
    result("193", "easy", reason="speedup_target_not_met", actual_speedup=1.5, quality_loss=0.0),
    result("194", "medium", reason="config_mismatch"),
    result(
        "195", "medium", reason="quality_threshold_exceeded", actual_speedup=3.0, quality_loss=0.09
    ),
    result("196", "hard", passed=True, actual_speedup=1.8, quality_loss=0.01, achievement_rate=0.9),
    result("197", "hard", passed=True, actual_speedup=1.0, quality_loss=0.0, achievement_rate=0.5),
    result("198", "hard", reason="speedup_target_not_met", actual_speedup=1.1, quality_loss=0.01),
    result("199", "hard", reason="evaluation_error", error="ImportError: tgate"),
    result("200", "medium", reason="timeout"),
    result("201", "easy", reason="missing_required_information"),
    result("202", "easy", reason="out_of_memory"),
    result("203", "easy", reason="tampering") | {"provenance": {"sandbox": {"level": "bwrap"}}},
    result("204", "easy", reason="unverified"),
    result("205", "medium", reason="output_invalid"),
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "evaluation_results.json"
    path.write_text(json.dumps(RESULTS))
    return path


def test_report_json_is_what_the_specification_says(file):
    document = report_document(read_results(file))
    assert document["summary"] == {
        "total_tasks": 14,
        "total_passed": 3,
        "overall_pass_rate": pytest.approx(3 / 14),
    }
    assert document["by_difficulty"] == {
        "easy": {"total": 6, "passed": 1, "pass_rate": pytest.approx(1 / 6)},
        "medium": {"total": 4, "passed": 0, "pass_rate": 0.0},
        "hard": {
            "total": 4,
            "passed": 2,
            "pass_rate": 0.5,
            "avg_achievement_rate": pytest.approx(0.7),
        },
    }
    assert document["failure_analysis"] == {
        "config_mismatch_count": 1,
        "speed_fail_count": 1,
        "quality_fail_count": 1,
        "error_count": 3,
        "timeout_count": 1,
        "tampering_count": 1,
        "unverified_count": 1,
        "output_invalid_count": 1,
    }
    assert document["sandbox"] == ["bwrap"]
    details = document["task_details"]
    assert [task["prompt_id"] for task in details] == [str(i) for i in range(192, 206)]
    assert details[7]["error"] == "ImportError: tgate"
    json.dumps(document, allow_nan=False)


def test_older_flat_results_are_read(file):
    flat = []
    for item in RESULTS:
        whole = dict(item)
        flat.append(whole | whole.pop("evaluation_results"))
    nested = report_document(read_results(file))
    file.write_text(json.dumps(flat))
    assert report_document(read_results(file)) == nested


def test_no_results_are_no_division(file):
    file.write_text("[]")
    document = report_document(read_results(file))
    assert document["summary"]["overall_pass_rate"] == 0.0
    checked(judged_html([], "nothing"))


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", '[{"difficulty": "brutal"}]'])
def test_what_is_no_results_file_is_said(file, text):
    file.write_text(text)
    with pytest.raises(CorruptFileError, match="evaluation_results"):
        read_results(file)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="accel-opt judge"):
        read_results(tmp_path / "none.json")


def test_the_page(file):
    folder = file.parent / "images" / "192"
    folder.mkdir(parents=True)
    for name in ("baseline-0.png", "accelerated-0.png", "other.png"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / name)
    results = read_results(file)
    assert [len(one.images) for one in results][:2] == [1, 0]
    page = judged_html(results, file.name)
    checked(page)
    assert "3 of 14 programs pass (21 %)" in page
    assert "70 % of the target on average" in page
    assert "ImportError: tgate" in page
    assert page.count("data:image/jpeg") == 2
    text = judged_markdown(results, file.name)
    assert "| easy | 1 | 6 | 17 % |" in text


def test_what_comes_from_the_file_is_text_and_leads_nowhere(file):
    item = result("../../etc", "easy", reason=EVIL, error=EVIL) | {
        "prompt_context": EVIL,
        "gen_path": EVIL,
    }
    strange = result(EVIL, "hard", passed=True, actual_speedup="fast", quality_loss=float("nan"))
    file.write_text(json.dumps([item, strange]))
    results = read_results(file)
    assert all(one.images == () for one in results)
    page = judged_html(results, EVIL)
    checked(page)
    assert EVIL not in page
