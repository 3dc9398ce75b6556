"""Data sets in a cache made up here, while the hub is away."""

import datasets
import pytest
from datasets.packaged_modules.parquet.parquet import Parquet
from huggingface_hub import HfApi, constants

from accel_opt.core.errors import HubUnreachableError
from accel_opt.prompts import cache, load_prompts, rows

SHA = "c" * 40


@pytest.fixture
def parquet(tmp_path):
    """The captions' file of COCO 2017, ten rows of it."""
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "validation-00000-of-00001.parquet"
    captions = [[f"A photo of {i}.", f"another caption of {i}"] for i in range(10)]
    parquet.write_table(pa.table({"image_id": list(range(10)), "captions": captions}), path)
    return path


@pytest.fixture(autouse=True)
def caches(monkeypatch, tmp_path):
    """Empty caches, and a hub whose address nothing listens on."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(rows, "reachable", lambda: False)


def prepare(parquet, tmp_path, source="phiyodr/coco2017"):
    """What `datasets.load_dataset(source)` leaves."""
    name = source.split("/")[1]
    files = {"validation": [str(parquet)]}
    root = tmp_path / "datasets"
    Parquet(
        cache_dir=str(root), dataset_name=name, data_files=files, hash=SHA
    ).download_and_prepare()
    # Files that are named outright become part of a configuration's name, those of a repository
    # do not; and its owner stands before its name.
    (made,) = (root / name).iterdir()
    made.rename(root / name / "default")
    (root / name).rename(root / source.replace("/", "___"))


def fetch(parquet, tmp_path, source="phiyodr/coco2017"):
    """What `hf download --repo-type dataset` leaves."""
    repository = tmp_path / "hub" / f"datasets--{source.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(SHA)
    data = repository / "snapshots" / SHA / "data"
    data.mkdir(parents=True)
    (data.parent / "README.md").write_text("# Captions\n")
    if parquet is not None:
        (repository / "blobs").mkdir()
        parquet.rename(repository / "blobs" / "1234")
        (data / parquet.name).symlink_to(repository / "blobs" / "1234")


@pytest.mark.parametrize("leave", [prepare, fetch])
def test_a_cached_data_set_needs_no_hub(parquet, tmp_path, leave, monkeypatch):
    leave(parquet, tmp_path)
    assert cache.is_cached(rows.COCO)
    asked = []
    # What `datasets` asks first, and tries for most of a minute while the hub is away.
    monkeypatch.setattr(HfApi, "hf_hub_download", lambda self, *a, **k: asked.append(k))
    prompts = load_prompts("coco", 3, 4)
    assert prompts.search == ("A photo of 0.", "A photo of 1.", "A photo of 2.")
    assert not asked
    assert not datasets.config.HF_HUB_OFFLINE, "put back"


def test_names_are_as_their_owners_write_them(parquet, tmp_path):
    prepare(parquet, tmp_path, "Owner/prompts")
    assert cache.is_cached("Owner/prompts")
    assert cache.is_cached("Owner/prompts/default")
    assert not cache.is_cached("Owner/prompts/large")
    assert len(load_prompts("Owner/prompts:captions", 3, 4).heldout) == 4


def test_what_was_only_streamed_is_not_cached(tmp_path):
    fetch(None, tmp_path)
    assert not cache.is_cached(rows.COCO)
    with pytest.raises(HubUnreachableError, match="HF_HOME"):
        load_prompts("coco", 3, 4)


def test_nothing_is_cached():
    assert not cache.is_cached(rows.COCO)
