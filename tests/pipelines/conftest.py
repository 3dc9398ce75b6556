import pytest

from accel_opt.testing import FLOW_KINDS, FLOW_SCHEDULER, KINDS, tiny_pipeline


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """A folder of each pipeline class, as `save_pretrained` writes it."""
    root = tmp_path_factory.mktemp("tiny")
    for kind in KINDS:
        tiny_pipeline(kind).save_pretrained(root / kind)
    for kind in FLOW_KINDS:
        tiny_pipeline(kind, FLOW_SCHEDULER).save_pretrained(root / kind)
    return {kind: root / kind for kind in (*KINDS, *FLOW_KINDS)}
