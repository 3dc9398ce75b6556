import json

import pytest

from accel_opt.core.errors import InputError
from accel_opt.prompts import load_prompts


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {i}" for i in range(40)) + "\n\n")
    return path


def test_parts_never_overlap_and_are_repeatable(file):
    one = load_prompts(str(file), 16, 20)
    assert (len(one.search), len(one.heldout)) == (16, 20)
    assert not set(one.search) & set(one.heldout)
    assert load_prompts(str(file), 16, 20) == one
    assert load_prompts(str(file), 16, 20).digest == one.digest
    assert load_prompts(str(file), 16, 20, seed=7).digest != one.digest


def test_embedded_captions():
    prompts = load_prompts("embedded", 64, 128)
    assert (len(prompts.search), len(prompts.heldout)) == (64, 128)
    assert not set(prompts.search) & set(prompts.heldout)


def test_embedded_captions_are_unseen_by_the_models_as_far_as_they_go():
    from accel_opt import shapes

    unseen = set(shapes.heldout_captions())
    prompts = load_prompts("embedded", 32, 240)
    assert set(prompts.search + prompts.heldout) <= unseen
    everything = load_prompts("embedded", 100, 400)
    assert len(set(everything.search + everything.heldout)) == 500


def test_jsonl(tmp_path):
    path = tmp_path / "prompts.jsonl"
    rows = ["one", {"prompt": "two"}, {"caption": "three"}, "four", "five", "six"]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    prompts = load_prompts(str(path), 2, 4)
    assert set(prompts.search + prompts.heldout) == {"one", "two", "three", "four", "five", "six"}
    path.write_text('{"words": "x"}\n')
    with pytest.raises(InputError, match="line 1"):
        load_prompts(str(path), 1, 1)
    path.write_text("".join(f'{{"words": "word {i}"}}\n' for i in range(5)))
    assert len(load_prompts(f"{path}:words", 2, 3).heldout) == 3


def test_texts_that_differ_in_spelling_only_are_one(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("a cat\nA cat.\na  cat\na dog\na bird\na fish\n")
    prompts = load_prompts(str(path), 2, 9)
    assert len(prompts.search + prompts.heldout) == 4


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("n_search", "n_heldout"), [(1, 39), (20, 20), (38, 2), (5, 100)])
def test_parts_never_overlap_whatever_is_asked(file, seed, n_search, n_heldout):
    prompts = load_prompts(str(file), n_search, n_heldout, seed=seed)
    assert len(prompts.search) == n_search
    assert len(prompts.heldout) == min(n_heldout, 40 - n_search)
    assert not set(prompts.search) & set(prompts.heldout)


def test_none_to_search_on(file):
    with pytest.raises(InputError, match="at least 1"):
        load_prompts(str(file), 0, 5)


def test_a_file_in_another_encoding(tmp_path):
    (tmp_path / "latin.txt").write_bytes("ein Bär\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot read prompts"):
        load_prompts(str(tmp_path / "latin.txt"), 1, 1)


def test_too_few_says_how_many_would_do(file):
    with pytest.raises(InputError, match="--prompts 20"):
        load_prompts(str(file), 100, 100)


@pytest.mark.parametrize("source", ["nothing", "missing.txt"])
def test_unknown_sources(source):
    with pytest.raises(InputError):
        load_prompts(source, 2, 2)
