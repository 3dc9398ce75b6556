"""`search --frontier`: a table of the front, no winner, exit 0."""

SMALL = ("--accelerators", "deepcache", "--prompts", "8", "--steps", "6", "--trials", "6")


def test_a_front_is_shown_and_is_an_answer(cli):
    search = ("search", *SMALL, "--frontier", "--max-score-loss", "0.5", "--no-references")
    status, out, _ = cli(*search)
    assert status == 0
    assert "The front was found" in out
    assert "nothing was exported" in " ".join(out.split())
    status, document, _ = cli(*search, "--json", parse=True)
    assert status == 0
    front = document["pareto"]
    assert front
    speedups = [point["speedup"]["value"] for point in front]
    losses = [point["score_loss"]["value"] for point in front]
    assert speedups == sorted(speedups, reverse=True)
    assert losses == sorted(losses, reverse=True)
    assert document["params"] is None
    for point in front:
        assert f"{point['speedup']['value']:.2f}x" in out


def test_memory_is_refused_where_nothing_counts_it(cli):
    status, _, error = cli("search", *SMALL, "--objective", "memory", "--device", "cpu")
    assert status == 2
    assert "only CUDA devices tell their peak memory" in error
