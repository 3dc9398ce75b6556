import pytest

from accel_opt.testing import KINDS, tiny_pipeline


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """A folder of each pipeline class, as `save_pretrained` writes it."""
    root = tmp_path_factory.mktemp("tiny")
    for kind in KINDS:
        tiny_pipeline(kind).save_pretrained(root / kind)
    return {kind: root / kind for kind in KINDS}
