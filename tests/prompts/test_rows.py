import os
import subprocess
import sys

import pytest

from accel_opt.core.errors import HubUnreachableError, InputError
from accel_opt.prompts import load_prompts, rows


def write(path, **columns):
    import pyarrow as pa
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """A folder of the schema of COCO 2017's captions on the hub, with two splits."""
    folder = tmp_path_factory.mktemp("coco2017")
    for split, n in (("train", 7), ("validation", 60)):
        write(
            folder / "data" / f"{split}-00000-of-00001.parquet",
            file_name=[f"{i:012}.jpg" for i in range(n)],
            image_id=list(range(n)),
            captions=[
                [f"A {split} photo \n of {i}. ", f"another caption of {i}"] for i in range(n)
            ],
        )
    return folder


def test_first_captions_of_the_validation_split_in_order(coco):
    prompts = load_prompts(f"{coco}:captions", 16, 30)
    assert prompts.search[:2] == ("A validation photo of 0.", "A validation photo of 1.")
    assert (len(prompts.search), len(prompts.heldout)) == (16, 30)
    assert not set(prompts.search) & set(prompts.heldout)


def test_the_usual_columns_need_no_name(coco):
    with_name, without = load_prompts(f"{coco}:captions", 4, 8), load_prompts(str(coco), 4, 8)
    assert with_name.digest == without.digest


def test_a_single_parquet_file(tmp_path):
    write(tmp_path / "mine.parquet", words=[f"prompt {i}" for i in range(12)])
    assert load_prompts(f"{tmp_path / 'mine.parquet'}:words", 4, 8).heldout[-1] == "prompt 11"
    with pytest.raises(InputError, match=r"say which column.*it has: words"):
        load_prompts(str(tmp_path / "mine.parquet"), 4, 8)
    with pytest.raises(InputError, match="no file"):
        load_prompts(str(tmp_path / "other.parquet"), 4, 8)


def test_a_data_set_without_the_column(coco):
    with pytest.raises(InputError, match=r"no column 'prompt'; it has: file_name, image_id, capt"):
        load_prompts(f"{coco}:prompt", 4, 8)


def test_a_column_that_is_no_text(coco):
    with pytest.raises(InputError, match="'image_id' holds int, no text"):
        load_prompts(f"{coco}:image_id", 4, 8)


def test_empty_rows_are_passed_over(tmp_path):
    captions = [["one"], [], [""], None, ["two"], ["three"], ["four"]]
    write(tmp_path / "data.parquet", captions=captions)
    prompts = load_prompts(str(tmp_path), 2, 2)
    assert prompts.search + prompts.heldout == ("one", "two", "three", "four")
    write(tmp_path / "data.parquet", captions=[[], None])
    with pytest.raises(InputError, match="holds no text"):
        load_prompts(str(tmp_path), 1, 2)


def test_offline_folders_work_and_the_hub_is_said_to_be_away(coco, tmp_path):
    code = (
        "import sys\n"
        "from accel_opt.prompts import load_prompts\n"
        "print(load_prompts(sys.argv[1], 8, 8).digest)\n"
        "try: load_prompts('coco', 8, 8)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(coco)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    digest, error = done.stdout.splitlines()
    assert digest == load_prompts(str(coco), 8, 8).digest
    assert error.startswith("HubUnreachableError phiyodr/coco2017")
    assert "HF_HUB_OFFLINE forbids" in error
    assert "embedded" in error


def test_a_dead_hub_is_given_up_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(rows, "reachable", lambda: False)
    with pytest.raises(HubUnreachableError, match="nor is the hub reachable"):
        load_prompts("owner/prompts-nobody-cached:prompt", 2, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [("Dataset 'a/b' is a gated dataset on the Hub.", "gated"), ("anything else", "cannot load")],
)
def test_what_the_hub_says_is_told_apart(monkeypatch, text, says):
    import datasets
    from huggingface_hub.errors import GatedRepoError

    class Response:
        status_code, headers, request, url = 403, {}, None, ""

    def fail(*arguments, **options):
        if "gated" in text:
            raise datasets.exceptions.DatasetNotFoundError(text) from GatedRepoError(
                text, response=Response()
            )
        raise datasets.exceptions.DatasetNotFoundError(text)

    monkeypatch.setattr(rows, "reachable", lambda: True)
    monkeypatch.setattr(datasets, "get_dataset_split_names", fail)
    with pytest.raises(InputError, match=says):
        load_prompts("a/b:prompt", 2, 2)


def test_a_configuration_stands_after_the_name(monkeypatch):
    import datasets

    asked = []
    table = [{"prompt": f"p{i}"} for i in range(9)]
    monkeypatch.setattr(rows, "reachable", lambda: True)
    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *a: asked.append(a) or ["x"])
    monkeypatch.setattr(
        datasets, "load_dataset", lambda *a, **o: asked.append((a, o["split"])) or table
    )
    assert load_prompts("owner/name/large:prompt", 3, 5).search == ("p0", "p1", "p2")
    assert asked == [("owner/name", "large"), (("owner/name", "large"), "x")]
