import json

import pytest

from accel_opt.cli.main import _run


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """Runs a command in this process, in an empty folder: status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, parse=False):
        capsys.readouterr()
        status = _run([str(a) for a in arguments], debug=False)
        out, err = capsys.readouterr()
        return (status, json.loads(out) if parse else out, err)

    return run
