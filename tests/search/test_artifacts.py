"""Images are kept with their trials, the baseline's once; the note says what is true."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import optuna
import pytest
from PIL import Image

from accel_opt.core.events import Notice
from accel_opt.search import search
from accel_opt.search.artifacts import pictures
from accel_opt.search.note import YOURS, write_note
from tests.search.tables import evaluate, plan, space


@pytest.fixture
def painting(tmp_path):
    """The analytic world with pictures: the harsher the setting, the darker."""

    def save(name, shade):
        path = tmp_path / "samples" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(path)
        return str(path)

    def measured(config, batch):
        found = evaluate(config, batch)
        if batch.index:
            return found
        shade = int(config.key[:2], 16)
        files = {"accelerated-0": save(config.key, shade), "baseline-0": save("baseline", 200)}
        return dataclasses.replace(found, artifacts=files)

    return measured


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'study.db'}"


def test_every_trial_shows_its_images_and_the_baseline_is_stored_once(painting, url, tmp_path):
    result = search(space(), painting, plan(trials=5, confirm=False), storage=url)
    found = pictures(result.study)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert list(found[0]) == ["baseline-0", "accelerated-0"]
    assert len({files["baseline-0"] for files in found.values()}) == 1
    assert len(list((tmp_path / "artifacts").iterdir())) <= 6


def test_artifacts_are_what_optuna_knows(painting, url, tmp_path):
    import optuna

    result = search(space(), painting, plan(trials=2, confirm=False), storage=url)
    trial = result.study.trials[1]
    metas = optuna.artifacts.get_all_artifact_meta(trial, storage=result.study._storage)
    assert [meta.filename for meta in metas] == ["0-baseline.png", "0-setting.png"]
    assert {meta.mimetype for meta in metas} == {"image/png"}
    store = optuna.artifacts.FileSystemArtifactStore(tmp_path / "artifacts")
    with store.open_reader(metas[0].artifact_id) as file:
        assert Image.open(file).getpixel((0, 0)) == (200, 200, 200)


def test_a_search_in_memory_keeps_nothing(painting):
    result = search(space(), painting, plan(trials=2, confirm=False))
    assert pictures(result.study) == {}


def test_files_that_vanish_cost_a_notice_only(url):
    def forgetful(config, batch):
        return dataclasses.replace(evaluate(config, batch), artifacts={"accelerated-0": "/gone"})

    events = []
    result = search(
        space(), forgetful, plan(trials=3, confirm=False), storage=url, on_event=events.append
    )
    assert len(result.trials) == 3
    said = [event.text for event in events if isinstance(event, Notice)]
    assert len(said) == 1
    assert "not kept" in said[0]


def test_the_note_says_the_feasible_best_and_keeps_what_a_person_wrote(url):
    from optuna_dashboard import get_note, save_note

    conditions = {"device": "a | b", "steps": 20}
    result = search(space(), evaluate, plan(trials=6, conditions=conditions), storage=url)
    note = get_note(result.study)
    assert note.startswith(f"## Best: {result.best.speedup.value:.2f}x")
    assert str(result.best.config) in note
    assert "confirmed on" in note
    assert "6 evaluations, as asked" in note
    assert r"| device | a \| b |" in note
    save_note(result.study, note + "\n\nlooks good to me")
    search(space(), evaluate, plan(trials=8, conditions=conditions), storage=url)
    again = get_note(result.study)
    assert "8 evaluations, as asked" in again
    assert again.endswith("looks good to me")
    assert again.count(YOURS) == 1


def test_the_note_follows_every_trial_that_is_told(url):
    """Also those that others told, and those that change nothing but the count."""
    from optuna_dashboard import get_note

    seen = []

    def slowly(config, batch):
        if batch.index == 0:
            note = get_note(optuna.load_study(study_name="search", storage=url))
            seen.append(int(note.partition("**Evaluations**: ")[2].split()[0]))
            time.sleep(1.1)
        return evaluate(config, batch)

    search(space(), slowly, plan(trials=4, confirm=False), storage=url)
    assert seen == [0, 1, 2, 3]


def test_a_note_that_grows_shorter_leaves_nothing_behind(url):
    from optuna_dashboard import get_note

    from accel_opt.core.measurement import Limit
    from accel_opt.search.ledger import Ledger

    result = search(space(), evaluate, plan(trials=4, confirm=False), storage=url)
    write_note(result.study, Ledger((Limit("clip", 0.02),)), ended="x" * 7000)
    write_note(result.study, Ledger((Limit("clip", 0.02),)))
    note = get_note(result.study)
    assert note.startswith("## No feasible setting so far")
    assert note.endswith(YOURS)


def test_a_result_is_a_table_in_a_notebook():
    result = search(space(), evaluate, plan(trials=6))
    table = result._repr_html_()
    assert table.startswith("<table>")
    assert str(result.best.config) in table
    assert "confirmed" in table
    assert f"{result.best.speedup.value:.2f}x" in table
    nothing = dataclasses.replace(result, best=None, why_ended="<b>")
    assert "No feasible setting" in nothing._repr_html_()
    assert "&lt;b&gt;" in nothing._repr_html_()


def test_a_study_whose_database_is_no_file_says_where_its_images_lie(tmp_path, monkeypatch):
    import optuna

    from accel_opt.search.artifacts import FOLDER, _chosen, folder_of

    monkeypatch.chdir(tmp_path)
    journal = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    )
    study = optuna.create_study(storage=journal, study_name="a/b")
    assert folder_of(study) is None
    assert FOLDER not in study.user_attrs  # reading writes nothing
    chosen = _chosen(study, None)
    assert chosen == tmp_path / "studies" / "a-b" / "artifacts"
    assert folder_of(study) == chosen
    # A study of others says where to read, and never where to write.
    study.set_user_attr(FOLDER, "/etc")
    assert _chosen(study, tmp_path / "mine") == tmp_path / "mine" / "artifacts"
