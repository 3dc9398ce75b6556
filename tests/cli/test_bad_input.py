"""One clear line, exit status 2, nothing lost."""

import os
import sqlite3

import pytest


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "--model", "SD1.6"], "unknown model 'SD1.6'"),
        (["search", "--scheduler", "DDIN"], "unknown scheduler 'DDIN'; did you mean 'DDIM'"),
        (["search", "--sampler", "DDIM"], "type --scheduler DDIM"),
        (["search", "--accelerators", "deepcash"], "did you mean 'deepcache'"),
        (["search", "--max-score-loss", "little"], "is no number"),
        (["search", "--max-score-loss", "0"], "max_score_loss=0"),
        (["search", "--steps", "0"], "steps=0"),
        (["search", "--steps", "many"], "many"),
        (["search", "--max-loss", "beauty=0.3"], "unknown metric 'beauty'"),
        (["search", "--max-loss", "ssim=7"], "limit ssim=7 is not between 0 and 1"),
        (["search", "--max-loss", "ssim=-1"], "limit ssim=-1 is not between 0 and 1"),
        (["search", "--max-loss", "psnr=30"], "limit psnr=30 is not between -100 and 0"),
        (["search", "--speedup", "2", "--latency", "1"], "two targets"),
        (["search", "missing.toml"], "no file missing.toml"),
        (["search", "--range", "tome.ratio"], "tome.ratio=0.1:0.7:0.1"),
        (["search", "--strategy", "luck"], "strategy='luck'"),
        (["show", "nothing"], "Known: accelerators"),
        (["show", "trials"], "--study NAME"),
        (["export", "--study", "nowhere"], "unknown study 'nowhere'"),
        (["sarch"], "sarch"),
        (["search", "--stepps", "3"], "--stepps"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_line(cli, arguments, says):
    status, out, err = cli(*arguments)
    assert (status, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_json_errors_are_json(cli):
    status, document, _ = cli("search", "--steps", "0", "--json", parse=True)
    assert status == 2
    assert "steps=0" in document["error"]


def test_a_database_that_is_none(cli, tmp_path):
    path = tmp_path / "study.db"
    path.write_text("not a database at all, but somebody's notes")
    status, _, err = cli("search", "--storage", f"sqlite:///{path}")
    assert status == 2
    assert "no SQLite database" in err
    assert path.read_text() == "not a database at all, but somebody's notes"


def test_a_database_of_something_else(cli, tmp_path):
    path = tmp_path / "study.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table version_info (version_info_id integer, x integer)")
        connection.execute("insert into version_info values (1, 2)")
    before = path.read_bytes()
    status, _, err = cli("search", "--storage", f"sqlite:///{path}")
    assert status == 2
    assert "left as it is" in err
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written(cli, tmp_path):
    (tmp_path / "studies").touch()
    status, _, err = cli("search")
    assert status == 2
    assert "cannot write" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(cli, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = cli("search")
    tmp_path.chmod(0o700)
    assert status == 2
    assert "cannot write" in err


def test_a_corrupt_result_file_is_kept(cli, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "search_params.json").write_text('{"half an ent')
    status, _, err = cli("search", "--out", folder)
    assert status == 2
    assert "search_params.json" in err
    assert (folder / "search_params.json").read_text() == '{"half an ent'
    assert not (folder / "study.db").exists()


def test_version_and_help(cli):
    assert cli("--version")[0] == 0
    for command in ("search", "show", "doctor", "export", "grid"):
        status, out, _ = cli(command, "--help")
        assert status == 0
        assert "Example: accel-opt" in out
