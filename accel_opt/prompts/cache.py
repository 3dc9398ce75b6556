"""Data sets that are on this machine already, in the cache of `datasets` or of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from accel_opt.core.weight_files import snapshot_of

_DATA = (".parquet", ".jsonl", ".json", ".csv", ".arrow")


def is_cached(source: str) -> bool:
    """Whether a data set can be read without the hub.

    Args:
        source: "owner/name" or "owner/name/configuration".
    """
    return is_prepared(source) or fetched(source) is not None


def is_prepared(source: str) -> bool:
    """Whether `datasets.load_dataset` has once read it in full; streaming leaves nothing."""
    import datasets
    from datasets.naming import camelcase_to_snakecase

    owner, name, configuration = _parts(source)
    root = Path(datasets.config.HF_DATASETS_CACHE).expanduser()
    # Below a data set: configuration, version, hash.
    folder = root / f"{owner}___{camelcase_to_snakecase(name)}"
    return any(folder.glob(f"{configuration or '*'}/*/*/*.arrow"))


def fetched(source: str) -> Path | None:
    """The folder of the hub's cache into which its files were fetched; None without data.

    A data set that was only ever streamed leaves its description there, and nothing to read.
    """
    owner, name, _ = _parts(source)
    folder = snapshot_of(f"{owner}/{name}", "dataset")
    if folder is None or not any(
        path.suffix in _DATA and path.is_file() for path in folder.rglob("*")
    ):
        return None
    return folder


@contextmanager
def without_the_hub() -> Iterator[None]:
    """Keeps `datasets` from asking a hub that is away: it tries for most of a minute."""
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


def _parts(source: str) -> tuple[str, str, str]:
    owner, _, rest = source.partition("/")
    name, _, configuration = rest.partition("/")
    return owner, name, configuration
