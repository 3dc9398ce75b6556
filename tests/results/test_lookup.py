from __future__ import annotations

import json

import pytest

from accel_opt import results
from accel_opt.core.errors import InputError
from accel_opt.results import MissingEntryError, Wanted, lookup

SD15 = {"model": "SD1.5", "scheduler": "DDIM", "steps": 50}


@pytest.mark.parametrize("steps", [50, "50"])
@pytest.mark.parametrize("scheduler", ["DDIM", "DDIMScheduler", "ddim"])
@pytest.mark.parametrize("model", ["SD1.5", "sd15", "runwayml/stable-diffusion-v1-5"])
def test_it_is_tolerant_where_a_person_would_be(old_file, model, scheduler, steps):
    found = lookup(old_file, model=model, scheduler=scheduler, steps=steps)
    assert found.key == "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"
    assert found.exact
    assert found.how == ""


def test_a_required_speedup_is_part_of_the_question(old_file):
    assert lookup(old_file, **SD15, speedup=3.04).entry.config["deepcache"]["cache_interval"] == 3
    with pytest.raises(MissingEntryError):
        lookup(old_file, **SD15, speedup=3.05)
    allowed = lookup(old_file, **SD15, speedup=3.05, allow=["speedup"])
    assert allowed.entry.speedup == 4.31
    assert not allowed.exact
    assert "another required speedup (the upper bound)" in allowed.how


def test_without_targets_the_fastest_target_set_answers(tmp_path, make_entry):
    path = tmp_path / "p.json"
    results.merge(path, [make_entry(3.0), make_entry(4.0, searched=("tome", "deepcache"))])
    data = json.loads(path.read_text())
    del data["('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"]
    path.write_text(json.dumps(data))
    found = lookup(path, **SD15)
    assert found.entry.speedup == 4.0
    assert not found.exact
    assert found.how == "targets deepcache, tome"


def test_the_fastest_can_be_asked_for_whatever_the_five_field_key_holds(tmp_path):
    path = tmp_path / "p.json"
    five = "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"
    six = "('SD1.5', 'DDIMScheduler', '50', None, 0.02, ['tome'])"
    path.write_text(
        json.dumps({five: {"cache_interval": 2, "speedup": 2}, six: {"ratio": 0.5, "speedup": 3}})
    )
    assert lookup(path, **SD15).key == five
    assert lookup(path, **SD15, fastest=True).key == six


def test_other_targets_or_thresholds_only_when_allowed(old_file):
    with pytest.raises(MissingEntryError):
        lookup(old_file, **SD15, targets=["tome"])
    assert lookup(old_file, **SD15, targets=["tome"], allow=["targets"]).entry.speedup == 4.31
    with pytest.raises(MissingEntryError):
        lookup(old_file, **SD15, max_score_loss=0.03)
    strict = lookup(old_file, **SD15, max_score_loss=0.03, allow=["threshold"])
    assert strict.entry.key.max_score_loss == 0.02
    assert "another threshold (0.02)" in strict.how


def test_the_accelerators_that_are_on_can_be_asked_for(old_file):
    found = lookup(old_file, **SD15, active=["tgate", "deepcache"])
    assert found.exact
    with pytest.raises(MissingEntryError, match=r"tome asked for, deepcache\+tgate there"):
        lookup(old_file, **SD15, active=["tome"])


def test_a_config_that_is_not_there_names_the_nearest_and_the_command(old_file):
    with pytest.raises(MissingEntryError) as caught:
        lookup(old_file, model="SD1.5", scheduler="DDIM", steps=25)
    error = caught.value
    assert error.nearest[0] == "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"
    assert "accel-opt search --model SD1.5 --scheduler DDIMScheduler --steps 25" in str(error)
    assert "\n" not in str(error)


def test_an_entry_that_cannot_be_read_says_why(old_file):
    with pytest.raises(InputError, match="ratio='much'"):
        lookup(old_file, model="SD2.1", scheduler="DDIM", steps=50)


def test_models_of_no_catalogue_stand_for_themselves(tmp_path):
    path = tmp_path / "p.json"
    key = "('my model', 'MyScheduler', '7', 'upbound_speedup', 0.02)"
    path.write_text(json.dumps({key: {"ratio": 0.5, "speedup": 1.5}}))
    assert lookup(path, model="my model", scheduler="MyScheduler", steps=7).key == key


def test_steps_that_are_no_number(old_file):
    with pytest.raises(InputError, match="steps='many'"):
        lookup(old_file, model="SD1.5", scheduler="DDIM", steps="many")


def test_missing_lists_what_a_grid_lacks(old_file):
    gaps = results.missing(old_file, results.grid())
    # One config of the 27 has an upper bound; SDXL's is there with its targets alone.
    assert len(results.grid()) == 27
    assert len(gaps) == 25
    assert gaps[0].command[:4] == ("accel-opt", "search", "--model", "SD1.5")
    assert len(results.grid(targets=results.GRID_TARGETS)) == 162


def test_everything_is_missing_from_a_file_that_is_not_there(tmp_path):
    assert len(results.missing(tmp_path / "none.json", results.grid())) == 27


def test_a_wanted_entry_with_accelerators_searches_them():
    wanted = Wanted("SDXL", "UniPC", 25, 2.5, 0.05, active=("tome", "deepcache"))
    assert " ".join(results.search_command(wanted.key)) == (
        "accel-opt search --model SDXL --scheduler UniPCMultistepScheduler --steps 25 "
        "--accelerators deepcache,tome --speedup 2.5 --max-score-loss 0.05"
    )


def test_the_search_of_several_named_accelerators_keeps_them_all_on(old_file):
    both = Wanted("SDXL", "UniPC", 25, active=("tome", "deepcache"))
    one = Wanted("SDXL", "UniPC", 20, active=("tome",))
    searched = Wanted("SDXL", "UniPC", 20, targets=("tome", "deepcache"))
    commands = [gap.command for gap in results.missing(old_file, [both, one, searched])]
    assert commands[0][-3:] == ("--accelerators", "deepcache,tome", "--require-all")
    assert commands[1][-2:] == ("--accelerators", "tome")
    assert commands[2][-2:] == ("--accelerators", "deepcache,tome")
    with pytest.raises(MissingEntryError, match=r"deepcache,tome --require-all$"):
        both.find(old_file)


def test_summary_counts(old_file):
    found = results.summarise(old_file)
    assert found.entries == 6
    assert len(found.unread) == 3
    assert found.models == ("PixArt-α", "SD1.5", "SD2.1", "SDXL")
    assert found.steps == (20, 25, 50)
    assert len(found.configs) == 4
    assert len(found.upper_bounds) == 3
