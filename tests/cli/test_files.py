"""The commands about files, tasks and programs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data"
UPPER = "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"
BASELINE = "Take an SD1.5 pipeline (DDIM, 50 steps) as the baseline, and achieve a {}x speedup"


@pytest.fixture
def params(tmp_path):
    path = tmp_path / "search_params.json"
    shutil.copy(DATA / "search_params_old.json", path)
    return path


def test_summary(cli, params):
    status, found, _ = cli("summary", params, "--json", parse=True)
    assert status == 0
    assert (found["entries"], len(found["configs"]), len(found["unread"])) == (6, 4, 3)
    status, out, err = cli("summary", params)
    assert status == 0
    assert "deepcache+tgate" in out
    assert "ratio='much'" in err


def test_tasks_go_to_stdout_or_into_a_file(cli, tmp_path):
    status, out, err = cli("tasks", "baselines")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 27
    assert lines[0] == BASELINE
    assert cli("tasks", "baselines", "--out", "tasks.py")[0] == 0
    assert (tmp_path / "tasks.py").read_text().startswith("tasks = [\n")
    status, found, _ = cli("tasks", "catalogue", "--category", "IV", "--json", parse=True)
    assert len(found) == 1134
    status, found, _ = cli("tasks", "catalogue", "--format", "gen", "--json", parse=True)
    assert found[-1]["path_to_gen_code"] == "gen_code/1325.py"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tasks", "lists"], "unknown task list 'lists'"),
        (["tasks", "catalogue", "--category", "VI"], "unknown category 'VI'"),
        (["tasks", "catalogue", "--format", "xml"], "unknown format 'xml'"),
        (["tasks", "baselines", "--format", "anno"], "tasks catalogue"),
        (["tasks", "baselines", "--out", "t.csv"], ".py, .json, .txt"),
        (["summary", "none.json"], "no file none.json"),
        (["missing", "--params", "p.json"], "--grid"),
        (["missing", "--params", "p.json", "--tasks", "none.py"], "no file none.py"),
        (["generate", "--params", "none.json", "--out", "o", "--task", "x"], "no file none.json"),
        (["annotate", "none", "--out", "o"], "no folder none"),
        (["derive-gen", "none.json", "--out", "o.json"], "no file none.json"),
        (["compare", "none.json", "none.json"], "no file none.json"),
    ],
)
def test_bad_input_is_one_line(cli, arguments, says):
    status, out, err = cli(*arguments)
    assert status == 2
    assert out == ""
    assert says in err.replace("\n", "")


def test_generate_annotate_derive_compare(cli, params, tmp_path):
    cli("tasks", "baselines", "--out", "tasks.json")
    arguments = ("--params", params, "--tasks", "tasks.json", "--out", "programs", "--json")
    status, found, err = cli("generate", *arguments, parse=True)
    assert status == 1  # most of the 27 have no entry
    assert len(found["missing"]) == 25
    assert "accel-opt missing" in err
    names = sorted(path.name for path in (tmp_path / "programs").iterdir())
    assert names[:3] == [f"{BASELINE.format(x)}.py" for x in ("4.0", "4.5", "5.0")]
    assert len(names) == 6

    status, found, err = cli("annotate", "programs", "--out", "a", "--verify", "--json", parse=True)
    assert status == 1
    assert found["entries"] == 6
    assert "medium target 4.5x is above the 4.31x" in found["out_of_reach"][0]
    assert cli("annotate", "programs", "--out", "b")[0] == 0
    assert cli("annotate", "programs", "--out", "b")[0] == 2  # not overwritten unasked
    assert cli("derive-gen", "a/anno_4_category.json", "--out", "a/gen.json")[0] == 0
    assert (tmp_path / "a" / "gen_code").is_dir()
    assert cli("derive-gen", "a/gen.json", "--out", "a/gen.json")[0] == 2
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "gen_code").touch()
    assert cli("derive-gen", "a/gen.json", "--out", "f/gen.json")[0] == 2

    status, found, _ = cli("compare", "a/anno_4_category.json", "a/gen.json", "--json", parse=True)
    assert (status, found["percentage"]) == (0, 100.0)
    other = json.loads((tmp_path / "a" / "gen.json").read_text("utf-8"))
    other[2]["difficulty"] = "easy"
    (tmp_path / "other.json").write_text(json.dumps(other))
    status, out, _ = cli("compare", "a/gen.json", "other.json")
    assert status == 1
    assert "5 of 6 entries match: 83.33 %" in out
    assert "194: field difficulty, from character 0" in out


def test_generate_one_task_or_one_key(cli, params, tmp_path):
    task = (
        "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, accelerated by DeepCache "
        "with 3.04x speedup"
    )
    assert cli("generate", "--params", params, "--task", task, "--out", "o")[0] == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == [f"{task}.py"]
    looser = ("generate", "--params", params, "--task", task.replace("3.04", "3.02"), "--out", "l")
    assert cli(*looser)[0] == 1
    status, found, err = cli(*looser, "--allow", "speedup", "--json", parse=True)
    assert status == 0
    (source,) = found["from"].values()
    assert source == (
        "('SD1.5', 'DDIMScheduler', '50', 3.04, 0.02) (another required speedup (3.04))"
    )
    assert f"from {source}" in err
    key = "('PixArt-α', 'DPMSolverMultistepScheduler', '20', None, 0.02, ['tgate'])"
    status, found, _ = cli(
        "generate", "--params", params, "--key", key, "--out", "k", "--json", parse=True
    )
    assert status == 0
    program = Path(found["written"][0])
    assert program.name == "PixArt-α_DPMSolverMultistepScheduler_20_tgate.py"
    assert "TgatePixArtAlphaLoader" in program.read_text("utf-8")
    status, _, err = cli("generate", "--params", params, "--key", UPPER[:-1], "--out", "k")
    assert status == 2
    assert "not a key" in err
    broken = "('SD2.1', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"
    assert "ratio='much'" in cli("generate", "--params", params, "--key", broken, "--out", "k")[2]
    status, _, err = cli(
        "generate", "--params", params, "--key", UPPER.replace("50", "7"), "--out", "k"
    )
    assert status == 2
    assert "Nearest" in err


def test_accelerators_that_a_text_names_must_be_the_entrys(cli, params):
    task = "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, accelerated by ToMe"
    status, found, _ = cli(
        "generate", "--params", params, "--task", task, "--out", "o", "--json", parse=True
    )
    assert status == 1
    assert "tome asked for, deepcache+tgate there" in found["missing"][task]


def test_missing_lists_and_writes_the_searches(cli, params, tmp_path):
    (tmp_path / "tasks.txt").write_text(
        f"{BASELINE}\n{BASELINE.format('8.5').replace('50', '25')}\n"
        "Generate a SDXL pipeline using the DDIM sampler with 20 steps, accelerated by T-Gate\n"
    )
    status, found, _ = cli(
        "missing", "--params", params, "--tasks", "tasks.txt", "--script", "fill.sh", "--json",
        parse=True,
    )  # fmt: skip
    assert status == 1
    assert (found["wanted"], len(found["missing"])) == (3, 2)
    assert found["missing"][0]["command"] == (
        "accel-opt search --model SD1.5 --scheduler DDIMScheduler --steps 25 --speedup 8.5"
    )
    text = (tmp_path / "fill.sh").read_text()
    assert text.count("accel-opt export --study ") == 2
    assert f"--out {params}" in text
    subprocess.run(["sh", "-n", tmp_path / "fill.sh"], check=True)
    status, out, _ = cli("missing", "--params", params, "--grid")
    assert status == 1
    assert "25 of 27 have no entry:" in out


def test_a_script_exports_from_the_studies_that_its_searches_make(cli, params, tmp_path):
    from accel_opt.core.spec import make_spec
    from accel_opt.search.defaults import resolved

    task = (
        "Generate a SDXL pipeline using the DDIM sampler with 20 steps, accelerated by DeepCache "
        "and ToMe with 1.5x speedup and precision loss <= 5%"
    )
    (tmp_path / "tasks.txt").write_text(task)
    arguments = ("missing", "--params", params, "--tasks", "tasks.txt", "--script", "fill.sh")
    status, out, _ = cli(*arguments)
    assert status == 1
    assert task in out  # as it was written
    asked = make_spec(
        model="SDXL", steps=20, accelerators="deepcache,tome", require_all=True, speedup=1.5,
        max_score_loss=0.05,
    )  # fmt: skip
    text = (tmp_path / "fill.sh").read_text()
    assert " --accelerators deepcache,tome --require-all --speedup 1.5 " in text
    assert f"accel-opt export --study {resolved(asked)[0].study} --out " in text


def test_nothing_missing_is_exit_status_0(cli, params, tmp_path):
    (tmp_path / "tasks.txt").write_text(BASELINE)
    assert cli("missing", "--params", params, "--tasks", "tasks.txt")[0] == 0


def test_import_takes_one_config_into_a_study(cli, params, tmp_path):
    status, _, err = cli("import", params, "--study", "mine")
    assert status == 2
    assert "say which with --model" in err.replace("\n", " ")
    arguments = ("import", params, "--study", "mine", "--model", "sd15", "--json")
    status, found, _ = cli(*arguments, parse=True)
    assert status == 0
    assert [item["speedup"] for item in found["added"]] == [4.31, 3.04, 3.04]
    assert found["command"].endswith("--steps 50 --study mine")
    assert cli(*arguments, parse=True)[1]["added"] == []
    status, rows, _ = cli("show", "trials", "--study", "mine", "--json", parse=True)
    assert status == 0
    assert [row["speedup"] for row in rows] == [4.31, 3.04, 3.04]
    assert {row["outcome"] for row in rows} == {"foreign"}
    assert all("measured elsewhere (search_params.json" in row["why"] for row in rows)
    status, rows, _ = cli("show", "studies", "--json", parse=True)
    assert [(row["study"], row["evaluations"], row["imported"]) for row in rows] == [("mine", 0, 3)]
    assert (tmp_path / "studies" / "mine" / "study.db").exists()
    status, _, err = cli("import", params, "--study", "mine", "--model", "SDXL")
    assert status == 2
    assert "is of SD1.5 DDIMScheduler 50" in err.replace("\n", " ")


def test_missing_can_run_the_searches(cli, params, tmp_path, monkeypatch):
    from accel_opt import results
    from accel_opt.core.config import Config

    ran = []

    def run_grid(cells, on_event, on_cell, collect):
        del on_event, on_cell
        for cell in cells:
            ran.append(cell.spec)
            key = results.EntryKey(
                cell.spec.model, "DDIMScheduler", cell.spec.steps, None, 0.02, cell.spec.targets
            )
            both = {"deepcache": {"cache_interval": 3, "cache_branch_id": 0}}
            config = Config(both | {"tome": {"ratio": 0.5, "max_downsample": 2}})
            results.merge(collect, [results.Entry(key, config, 1.3)])
        return []

    monkeypatch.setattr("accel_opt.facade.grid.run_grid", run_grid)
    task = (
        "Generate a SDXL pipeline using the DDIM sampler with 20 steps, accelerated by DeepCache "
        "and ToMe"
    )
    (tmp_path / "tasks.txt").write_text(f"{BASELINE}\n{task}\n{task}\n")
    arguments = ("missing", "--params", params, "--tasks", "tasks.txt", "--run", "--trials", "3")
    status, out, _ = cli(*arguments)
    assert status == 0
    assert "0 of 3 have no entry" in out
    (spec,) = ran
    assert (spec.model, spec.targets) == ("SDXL", ("deepcache", "tome"))
    assert (spec.require_all, spec.trials) == (True, 3)
