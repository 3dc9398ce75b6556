"""The judge's rules, apart from any running program."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from accel_opt import shapes
from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.core.measurement import BatchMeasurement
from accel_opt.judge.agreement import check_agreement, psnr
from accel_opt.judge.bench import Bench
from accel_opt.judge.claim import read_claim
from accel_opt.judge.draw import Draw, pool
from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.measuring import Measured
from accel_opt.judge.model import Conditions, Outcome
from accel_opt.judge.one import Judge
from accel_opt.judge.pairs import read_pairs, target_of
from accel_opt.judge.places import devices_for
from accel_opt.judge.results import ResultsFile, document, fingerprint
from accel_opt.judge.truth import differences, identity, of_claim, of_text
from accel_opt.judge.verdict import verdict
from accel_opt.report import read_results, report_document

SAID = {
    "pipeline": "StableDiffusionPipeline",
    "model": str(shapes.pipeline_folder()),
    "scheduler": "DDIMScheduler",
    "scheduler_config": {"beta_start": 0.00085, "trained_betas": None},
    "steps": 12,
    "accelerators": {"deepcache": {"cache_interval": 3, "cache_branch_id": 0}},
    "arguments": {"guidance_scale": 4.0},
    "size": [64, 64],
    "chunks": [2],
    "generator": "cpu",
    "output": "pil",
    "device": "cpu",
    "dtype": "float32",
    "inference": True,
    "excuses": [],
    "found_in": "load_pipe()",
}
TEXT = "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, with 2.0x speedup"


def claim(**changes):
    return read_claim(SAID | changes)


@pytest.fixture
def files(tmp_path):
    """An annotation and a generation file with three tasks."""
    (tmp_path / "gen_code").mkdir()
    anno, gen = [], []
    for key, difficulty in (("1", "easy"), ("2", None), ("3", "hard")):
        (tmp_path / "gen_code" / f"{key}.py").write_text(f"# {key}")
        entry = {"prompt_id": key, "prompt_context": TEXT}
        entry |= {} if difficulty is None else {"difficulty": difficulty}
        anno.append(entry | {"path_to_gt_code": f"gt_code/{key}.py"})
        gen.append(entry | {"path_to_gen_code": f"gen_code/{key}.py"})
    (tmp_path / "anno.json").write_text(json.dumps(anno))
    (tmp_path / "gen.json").write_text(json.dumps(gen))
    return tmp_path / "anno.json", tmp_path / "gen.json"


@pytest.fixture
def task(files):
    return read_pairs(*files)[0][0]


def test_pairs(files):
    tasks, extra = read_pairs(*files)
    assert [task.prompt_id for task in tasks] == ["1", "2", "3"]
    assert [task.difficulty for task in tasks] == ["easy", "medium", "hard"]
    assert all(task.target == 2.0 and task.target_named for task in tasks)
    assert all(task.max_score_loss == 0.02 for task in tasks)
    assert tasks[0].gen_file is not None
    assert tasks[0].gt_file is None, "there is no such file"
    assert extra == []


def test_pairs_that_make_no_sense(files):
    anno, gen = files
    entries = json.loads(anno.read_text())
    anno.write_text(json.dumps([entries[0] | {"difficulty": "brutal"}]))
    with pytest.raises(InputError, match=r"brutal.*easy, medium, hard"):
        read_pairs(anno, gen)
    anno.write_text(json.dumps([entries[0], entries[0]]))
    with pytest.raises(InputError, match="twice"):
        read_pairs(anno, gen)
    anno.write_text(json.dumps(entries[:2]))
    tasks, extra = read_pairs(anno, gen)
    assert len(tasks) == 2
    assert "prompt_id 3" in extra[0]


def test_a_generation_that_is_not_there(files):
    anno, gen = files
    gen.write_text("[]")
    assert [task.gen_file for task in read_pairs(anno, gen)[0]] == [None] * 3


@pytest.mark.parametrize(
    ("text", "target"),
    [("with 8.5x speedup", 8.5), ("a 3x speedup", 3.0), ("2.x  speedup", 2.0), ("fast", None)],
)
def test_target_of_a_text(text, target):
    assert target_of(text) == target


def test_no_target_is_ten_and_said_so(files):
    anno, gen = files
    entries = json.loads(anno.read_text())
    anno.write_text(json.dumps([entries[0] | {"prompt_context": "make it fast"}]))
    task = read_pairs(anno, gen)[0][0]
    assert task.target == 10.0
    assert "10" in document(task, Outcome())["target_note"]


def test_a_loss_that_the_text_states(files):
    anno, gen = files
    entries = json.loads(anno.read_text())
    text = TEXT + " and precision loss not exceeding 5%"
    anno.write_text(json.dumps([entries[0] | {"prompt_context": text}]))
    assert read_pairs(anno, gen)[0][0].max_score_loss == 0.05
    assert read_pairs(anno, gen, max_score_loss=0.1)[0][0].max_score_loss == 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"pipeline": "__import__('os')"},
        {"steps": "12"},
        {"steps": 10**9},
        {"size": [64]},
        {"device": "cpu; rm"},
        {"dtype": "object"},
        {"chunks": [0]},
        {"accelerators": {"deepcache": {"cache_interval": "3"}}},
        {"scheduler_config": {"a": {"b": 1}}},
        {"passed": True},
    ],
    ids=str,
)
def test_claims_of_another_form_are_refused(wrong):
    with pytest.raises(ProgramError):
        claim(**wrong)


def test_models_are_known_by_all_their_names():
    assert identity(str(shapes.pipeline_folder())) == identity("shapes") == "shapes"
    current = identity("stable-diffusion-v1-5/stable-diffusion-v1-5")
    assert identity("runwayml/stable-diffusion-v1-5") == identity("SD1.5") == current
    cached = "/cache/models--stabilityai--stable-diffusion-xl-base-1.0/snapshots/abc"
    assert identity(cached) == identity("SDXL")
    assert identity("PixArt-alpha/PixArt-XL-2-1024-MS") != identity("PixArt-alpha")
    assert identity("") == ""


def test_differences_are_named():
    truth = of_claim(claim())
    assert differences(truth, claim()) == []
    other = claim(model="", scheduler="EulerDiscreteScheduler", steps=6, size=[32, 64])
    found = differences(truth, other)
    assert found == [
        "model unknown instead of shapes",
        "scheduler EulerDiscreteScheduler instead of DDIMScheduler",
        "steps 6 instead of 12",
        "resolution 32 x 64 instead of 64 x 64",
    ]


def test_truth_of_a_text():
    truth = of_text(TEXT)
    assert truth is not None
    assert (truth.scheduler, truth.steps, truth.size) == ("DDIMScheduler", 50, (512, 512))
    assert truth.model == identity("SD1.5")
    assert of_text("make SD1.5 fast") is None


def test_agreement():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 250, (3, 16, 16, 3)).astype("uint8")
    assert check_agreement(images, images, "float32") == 100.0
    assert check_agreement(images + 1, images, "float32") > 45
    assert psnr(images + 1, images)[0] == pytest.approx(48.13, abs=0.01)
    with pytest.raises(ProgramError) as caught:
        check_agreement(images[::-1], images, "float32")
    assert caught.value.reason is Reason.TAMPERING
    with pytest.raises(ProgramError) as caught:
        check_agreement(images[:, :8], images, "float32")
    assert caught.value.reason is Reason.OUTPUT_INVALID


def test_draws_are_fresh():
    draw, other = Draw([str(n) for n in range(40)]), Draw([str(n) for n in range(40)])
    one = [draw.batch(4) for _ in range(10)]
    assert sorted(text for texts, _ in one for text in texts) == sorted(str(n) for n in range(40))
    two = [other.batch(4) for _ in range(10)]
    assert [texts for texts, _ in one] != [texts for texts, _ in two]
    assert len({seed for _, seed in one + two}) == 20
    assert len(pool("embedded")) > 100


def measured(speedup=2.0, loss=0.0, replay=2.0):
    """Four batches whose numbers scatter a little around these."""
    found = Measured(agreement_db=[100.0] * 4)
    for number, jitter in enumerate((1.0, 1.01, 0.99, 1.0)):
        base = (30.0 + number, 31.0)
        scores = tuple(score * (1 - loss) for score in base)
        found.rounds.append(
            BatchMeasurement((jitter / speedup,), (1.0,), {"clip": scores}, {"clip": base})
        )
        found.replayed.append(BatchMeasurement((1 / replay,), (1.0,)))
        found.beside.append(BatchMeasurement((jitter / speedup,), (1 / replay,)))
    return found


@pytest.mark.parametrize(
    ("difficulty", "numbers", "reason", "achievement"),
    [
        ("easy", {}, None, None),
        ("medium", {"speedup": 1.5, "replay": 1.5}, Reason.SPEEDUP, None),
        ("hard", {"speedup": 1.5, "replay": 1.5}, None, 0.75),
        ("hard", {"speedup": 3.0, "replay": 3.0}, None, 1.0),
        ("easy", {"loss": 0.03}, Reason.QUALITY, None),
        ("hard", {"loss": 0.03}, Reason.QUALITY, None),
        ("easy", {"loss": 0.03, "speedup": 1.2, "replay": 1.2}, Reason.QUALITY, None),
        ("easy", {"loss": -0.03}, None, None),
        ("easy", {"speedup": 3.0, "replay": 2.0}, Reason.TAMPERING, None),
        ("hard", {"speedup": 3.0, "replay": 2.0}, Reason.TAMPERING, None),
        ("easy", {"speedup": 2.1, "replay": 2.0}, None, None),
    ],
)
def test_verdicts(task, difficulty, numbers, reason, achievement):
    task = replace(task, difficulty=difficulty, target=1.9 if difficulty == "easy" else 2.0)
    found = verdict(task, claim(), measured(**numbers), "scorer")
    assert found.reason is reason
    assert found.passed is (reason is None)
    assert found.achievement == (None if achievement is None else pytest.approx(achievement))
    assert found.speedup == pytest.approx(numbers.get("speedup", 2.0), rel=0.01)
    assert found.loss == pytest.approx(numbers.get("loss", 0.0), abs=1e-6)
    low, high = found.details["speedup_interval"]
    assert low < found.speedup < high


def test_noise_accuses_nobody(task):
    found = measured()
    for number, seconds in enumerate((0.3, 0.6, 0.3, 0.6)):
        found.beside[number] = BatchMeasurement((seconds,), (0.5,))
    assert found.log_excess.log_interval().value > 1.1
    found.beside[0] = BatchMeasurement((0.15,), (0.5,))
    outcome = verdict(task, claim(), found, "scorer")
    assert outcome.reason is Reason.UNVERIFIED
    assert "unsteady" in outcome.error
    assert outcome.unsteady


def test_unsteady_times_are_taken_once_more(task, monkeypatch):
    outcomes = [Outcome(reason=Reason.UNVERIFIED, unsteady=True), Outcome(passed=True)]
    judge = Judge(Bench(Conditions(), "cpu"))
    monkeypatch.setattr(judge, "_tried", lambda *_: outcomes.pop(0))
    stages = []
    outcome = judge.judge(task, lambda stage, *_: stages.append(stage))
    assert outcome.passed
    assert outcome.about["retried"]
    assert stages == ["again, as the times were unsteady"]


def test_what_cannot_be_repeated_is_unverified_and_never_passes(task):
    found = measured(speedup=3.0, replay=2.0)
    compiled = claim(excuses=["the denoiser is compiled"])
    outcome = verdict(task, compiled, found, "scorer")
    assert outcome.reason is Reason.UNVERIFIED
    # Not even where images and times are those of the config that it shows.
    outcome = verdict(task, compiled, measured(), "scorer")
    assert (outcome.passed, outcome.reason) == (False, Reason.UNVERIFIED)
    assert "compiled" in outcome.error


def test_results_are_kept_in_order_and_go_on(files, tmp_path):
    tasks, _ = read_pairs(*files)
    prints = {task.prompt_id: fingerprint(task, Conditions()) for task in tasks}
    out = tmp_path / "results.json"
    about = [{"fingerprint": prints[task.prompt_id]} for task in tasks]
    file = ResultsFile(out, tasks, prints)
    for i in (2, 0):
        file.add(tasks[i].prompt_id, document(tasks[i], Outcome(passed=i == 2, about=about[i])))
        assert [r["prompt_id"] for r in json.loads(out.read_text())] == ["1", "3"][-(2 - i // 2) :]
    again = ResultsFile(out, tasks, prints)
    assert again.done == {"1", "3"}
    assert again.passed == 1
    assert ResultsFile(out, tasks, prints, anew=True).done == frozenset()
    again.add("2", document(tasks[1], Outcome(passed=True, speedup=2.0, about=about[1])))
    results = read_results(out)
    assert [one.prompt_id for one in results] == ["1", "2", "3"]
    assert report_document(results)["summary"]["total_passed"] == 2


def test_another_program_or_other_conditions_are_judged_again(files, tmp_path):
    tasks, _ = read_pairs(*files)
    before = fingerprint(tasks[0], Conditions())
    assert fingerprint(tasks[0], Conditions(prompts=64)) != before
    tasks[0].gen_file.write_text("# changed")
    assert fingerprint(tasks[0], Conditions()) != before
    out = tmp_path / "results.json"
    made = document(tasks[0], Outcome(about={"fingerprint": before}))
    foreign = {"prompt_id": "2", "passed": True, "difficulty": "easy"}
    other = {"prompt_id": "99", "passed": True}
    out.write_text(json.dumps([made, foreign, other]))
    prints = {task.prompt_id: fingerprint(task, Conditions()) for task in tasks}
    file = ResultsFile(out, tasks, prints)
    assert file.done == {"2"}, "results of other tools stand"
    file.add("1", made)
    assert [r["prompt_id"] for r in json.loads(out.read_text())] == ["1", "2", "99"]


def test_a_file_that_is_no_results(files, tmp_path):
    out = tmp_path / "results.json"
    out.write_text("{")
    with pytest.raises(CorruptFileError, match="overwrite"):
        ResultsFile(out, [], {})
    assert out.read_text() == "{"


def test_numbers_in_results_are_finite(task):
    one = Measured(agreement_db=[100.0])
    part = measured()
    one.rounds, one.replayed, one.beside = part.rounds[:1], part.replayed[:1], part.beside[:1]
    outcome = verdict(task, claim(), one, "scorer")
    json.dumps(document(task, outcome), allow_nan=False)
    assert math.isfinite(outcome.speedup)


@pytest.mark.parametrize(("jobs", "device"), [(0, None), (2, "cpu"), (99, None)])
def test_one_program_a_device(jobs, device):
    with pytest.raises(InputError, match="jobs"):
        devices_for(jobs, device)
    assert devices_for(1, "cpu") == ("cpu",)


@pytest.mark.parametrize("wrong", [{"prompts": 1}, {"timeout_s": 0}, {"memory_mib": 1}], ids=str)
def test_conditions_that_make_no_sense(wrong):
    with pytest.raises(InputError):
        Conditions(**wrong)
