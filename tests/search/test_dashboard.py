"""The dashboard's view of a study: the feasible best, constraints, images, nothing to break."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.search import search
from accel_opt.search.dashboard import Storages, application, server, study_path
from tests.search.tables import evaluate, plan, space
from tests.search.test_artifacts import painting  # noqa: F401 - a fixture


def deceptive(config, batch):
    """The fastest settings are the worst: the stock dashboard would show one of them."""
    found = evaluate(config, batch)
    if config.get("deepcache", {}).get("cache_branch_id") != 0:
        return found
    return dataclasses.replace(found, scores={"clip": tuple(0.9 * s for s in found.scores["clip"])})


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'study.db'}"


def call(app, path, method="GET", host="127.0.0.1:8080", body=b""):
    said = {}

    def start_response(status, headers, error=None):
        said.update(status=int(status.split()[0]), headers=dict(headers))

    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": host,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    content = b"".join(app(environ, start_response))
    return said["status"], said["headers"], content


def detail(app, study=1):
    status, _, content = call(app, f"/api/studies/{study}?after=0")
    assert status == 200
    return json.loads(content)


def test_the_best_shown_is_the_feasible_best(url):
    asked = plan(trials=None, strategy="enumerate", confirm=False, stop_early=False)
    result = search(space("deepcache"), deceptive, asked, storage=url)
    fastest = max(result.study.trials, key=lambda trial: trial.value)
    shown = detail(application(Storages(url)))
    assert [trial["number"] for trial in shown["best_trials"]] == [result.best.trial]
    assert fastest.number != result.best.trial
    for trial, record in zip(shown["trials"], result.trials, strict=True):
        assert len(trial["constraints"]) == 2
        assert all(c <= 0 for c in trial["constraints"]) == record.feasible(asked.limits)
    names = {attribute["key"] for attribute in shown["trials"][0]["user_attrs"]}
    assert {"setting", "outcome", "speedup", "clip_loss", "feasible"} <= names
    assert not names & {"record", "lease"}
    assert shown["note"]["body"].startswith("## Best")


def test_the_best_shown_is_the_confirmed_one(url):
    result = search(space(), evaluate, plan(trials=12), storage=url)
    assert result.best.confirmed
    shown = detail(application(Storages(url)))
    assert shown["best_trials"][0]["number"] == result.best.trial
    names = [attribute["key"] for attribute in shown["user_attrs"]]
    assert not any(name.startswith("accel_opt") for name in names)


def test_stopped_trials_are_never_the_best(url):
    result = search(space(), evaluate, plan(trials=12, confirm=False), storage=url)
    assert {record.outcome for record in result.trials} > {"full"}
    shown = detail(application(Storages(url)))
    assert shown["best_trials"][0]["number"] == result.best.trial


def test_the_front_of_two_objectives_is_the_feasible_one(url):
    asked = plan(trials=12, frontier=True, confirm=False)
    result = search(space(), evaluate, asked, storage=url)
    shown = detail(application(Storages(url)))
    best = {trial["number"] for trial in shown["best_trials"]}
    assert best == {one.trial for one in result.pareto}
    assert any(max(trial["constraints"]) > 0 for trial in shown["trials"])


def test_it_works_while_a_search_runs(url):
    seen = []
    asked = plan(trials=5, confirm=False)
    search(space(), evaluate, plan(trials=1, confirm=False), storage=url)
    app = application(Storages(url))

    def looked_at(config, batch):
        shown = detail(app)
        seen.append([trial["state"] for trial in shown["trials"]])
        assert shown["best_trials"][0]["state"] == "Complete"
        return evaluate(config, batch)

    search(space(), looked_at, asked, storage=url)
    assert seen[0] == ["Complete", "Running"]


def test_without_a_feasible_trial_the_least_bad_is_marked(url):
    def harsh(config, batch):
        found = evaluate(config, batch)
        bad = tuple(0.9 * s for s in found.scores["clip"])
        return dataclasses.replace(found, scores={"clip": bad})

    search(space(), harsh, plan(trials=4, confirm=False), storage=url)
    best = detail(application(Storages(url)))["best_trials"][0]
    assert best["user_attrs"][0]["key"] == "no trial is feasible so far"
    assert any(value > 0 for value in best["constraints"])


def test_the_stock_dashboard_tells_the_truth_in_note_and_attributes(url):
    from optuna_dashboard import wsgi

    result = search(space(), evaluate, plan(trials=8), storage=url)
    shown = detail(wsgi(url))
    assert shown["note"]["body"].startswith(f"## Best: {result.best.speedup.value:.2f}x")
    for trial, record in zip(shown["trials"], result.trials, strict=True):
        said = {attribute["key"]: attribute["value"] for attribute in trial["user_attrs"]}
        assert said["setting"] == str(record.config)
        assert said["outcome"].startswith(record.outcome)
        feasible = json.loads(said["measured"])["feasible"]
        assert feasible == record.feasible(plan().limits)


def test_images_are_served(painting, url):  # noqa: F811
    search(space(), painting, plan(trials=2, confirm=False), storage=url)
    app = application(Storages(url))
    trial = detail(app)["trials"][0]
    assert [a["filename"] for a in trial["artifacts"]] == ["0-baseline.png", "0-setting.png"]
    where = f"/artifacts/1/{trial['trial_id']}/{trial['artifacts'][0]['artifact_id']}"
    status, headers, content = call(app, where)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/studies/1"),
        ("POST", "/api/studies/1/rename"),
        ("POST", "/api/trials/1/tell"),
        ("POST", "/api/studies"),
    ],
)
def test_nothing_can_be_changed_or_deleted(url, method, path):
    result = search(space(), evaluate, plan(trials=2, confirm=False), storage=url)
    before = len(result.study.trials)
    status, _, content = call(application(Storages(url)), path, method, body=b"{}")
    assert status == 403
    assert "reading" in json.loads(content)["reason"]
    assert len(result.study.trials) == before


def test_notes_can_be_written_on_this_machine_only(url):
    search(space(), evaluate, plan(trials=2, confirm=False), storage=url)
    app = application(Storages(url))
    version = detail(app)["note"]["version"]
    body = json.dumps({"version": version + 1, "body": "mine"}).encode()
    assert call(app, "/api/studies/1/note", "PUT", body=body)[0] == 204
    assert detail(app)["note"]["body"] == "mine"
    opened = application(Storages(url), "0.0.0.0")  # noqa: S104 - what is tested
    assert call(opened, "/api/studies/1/note", "PUT", "host:80", body)[0] == 403
    assert call(opened, "/api/studies", host="machine.example:8080")[0] == 200


def test_other_names_for_this_machine_are_refused(url):
    search(space(), evaluate, plan(trials=2, confirm=False), storage=url)
    app = application(Storages(url))
    assert call(app, "/api/studies", host="evil.example:8080")[0] == 403
    assert call(app, "/api/studies", host="localhost")[0] == 200


def test_all_databases_below_studies_in_one_dashboard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storages = Storages(None)
    for name in ("one", "two"):
        storage = f"sqlite:///studies/{name}/study.db"
        search(space(), evaluate, plan(trials=2, confirm=False), storage=storage, study_name=name)
        app = application(storages)  # the second search starts while the first is shown
    (tmp_path / "studies" / "two" / "other.db").write_text("somebody's notes")
    listed = json.loads(call(app, "/api/studies")[2])["study_summaries"]
    assert [study["study_name"] for study in listed] == ["one", "two"]
    for study in listed:
        shown = detail(app, study["study_id"])
        assert shown["name"] == study["study_name"]
        assert len(shown["trials"]) == 2
    second = detail(app, listed[1]["study_id"])["trials"][0]["trial_id"]
    body = json.dumps({"version": 1, "body": "odd"}).encode()
    where = f"/api/studies/{listed[1]['study_id']}/{second}/note"
    assert call(app, where, "PUT", body=body)[0] == 204
    assert detail(app, listed[1]["study_id"])["trials"][0]["note"]["body"] == "odd"
    alone = application(Storages("sqlite:///studies/two/study.db"))
    assert detail(alone)["trials"][0]["note"]["body"] == "odd"
    assert study_path(storages, "two") == f"/dashboard/studies/{listed[1]['study_id']}"
    with pytest.raises(UnknownNameError, match="one"):
        study_path(storages, "tow")


def test_a_port_in_use_and_no_study_are_said(url, tmp_path, monkeypatch):
    search(space(), evaluate, plan(trials=1, confirm=False), storage=url)
    with (
        server(Storages(url), "127.0.0.1", 0) as first,
        pytest.raises(InputError, match="--port"),
    ):
        server(Storages(url), "127.0.0.1", first.server_port)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--storage"):
        server(Storages(None), "127.0.0.1", 0)


def test_artifacts_of_a_foreign_study_are_images_or_nothing(painting, url, tmp_path):  # noqa: F811
    """A database may come from anybody: no page, no link and no other file is served."""
    import optuna

    result = search(space(), painting, plan(trials=2, confirm=False), storage=url)
    folder, trial = tmp_path / "artifacts", result.study.trials[0]
    page, link, other = (f"0000000{n}-0000-4000-8000-000000000000" for n in (1, 2, 3))
    (folder / page).write_text("<script>alert(1)</script>")
    (folder / link).symlink_to("/etc/hostname")
    (folder / "plain").write_text("no id")
    storage = optuna.storages.RDBStorage(url)
    for name, mimetype in ((page, "text/html"), (link, "image/png"), (other, "image/svg+xml")):
        meta = {"artifact_id": name, "filename": "x.png", "mimetype": mimetype, "encoding": None}
        for key in (f"artifacts:{name}", "artifacts:unlike"):
            # Trials that have finished take nothing from Optuna; a foreign database may have it.
            with storage.engine.begin() as connection:
                connection.exec_driver_sql(
                    "insert or replace into trial_system_attributes (trial_id, key, value_json) "
                    "values (?, ?, ?)",
                    (trial._trial_id, key, json.dumps(json.dumps(meta))),
                )
        storage.set_study_system_attr(result.study._study_id, f"artifacts:{name}", json.dumps(meta))
    app = application(Storages(url))
    shown = json.dumps(detail(app))
    assert page not in shown
    assert other not in shown
    for name in (page, link, other, "plain"):
        status, headers, content = call(app, f"/artifacts/1/{trial._trial_id}/{name}")
        assert status != 200 or not content
        assert b"script" not in content
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
        status, _, content = call(app, f"/artifacts/1/{name}")
        assert status != 200 or not content
