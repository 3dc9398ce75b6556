"""How a search grows with workers and with trials; one command, results with the machine's name.

    python studies/benchmarks/scale/scale.py [--quick] [--out results.json]

Workers are forked from one process that has imported everything, so that their start does not
count; the evaluator sleeps. Throughput is trials over the seconds from the first trial's start to
the last one's end; overhead is what a trial takes beside its evaluator.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
import traceback
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import optuna  # noqa: E402

from accel_opt.core.events import TrialFinished  # noqa: E402
from accel_opt.core.provenance import processor, versions  # noqa: E402
from accel_opt.search.lifecycle import create_study  # noqa: E402
from accel_opt.search.storage import open_storage  # noqa: E402
from accel_opt.search.study import work  # noqa: E402
from tests.search import tables  # noqa: E402
from tests.workers.postgres import Cluster, missing  # noqa: E402

SECONDS = 0.5
WORKERS = (1, 2, 4, 8, 16, 32)
SIZES = (100, 1000, 5000)
AROUND = 50
BAR_WORKERS, BAR_SPEEDUP, BAR_OVERHEAD = 8, 7.2, 2.0


def plan(trials, strategy):
    return tables.plan(
        trials=trials, n_items=4, batch_size=4, strategy=strategy, confirm=False,
        stop_early=False, infeasible_after=10**9, min_gain=1e-9, conditions={"kind": "sleeping"},
    )  # fmt: skip


def sleeper(seconds):
    def evaluate(config, batch):
        if seconds:
            time.sleep(seconds)
        return tables.evaluate(config, batch)

    return evaluate


def fork_worker(url, name, trials, strategy, seconds):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work(
                tables.space(), sleeper(seconds), plan(trials, strategy), storage=url,
                study_name=name,
            )  # fmt: skip
            status = 0
        except BaseException:  # noqa: BLE001 - said, and the worker ends
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def throughput(url, workers, each, strategy):
    """Trials per second of so many workers, and the processor seconds that they took a trial."""
    trials, name = workers * each, f"{strategy}-{workers}"
    create_study(open_storage(url), name, plan(trials, strategy))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    pids = [fork_worker(url, name, trials, strategy, SECONDS) for _ in range(workers)]
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in pids)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    study = optuna.load_study(study_name=name, storage=open_storage(url))
    done = [t for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
    settings = {t.user_attrs["setting"] for t in done}
    # GP may find that nothing is worth another trial; no setting is ever tried twice.
    assert len(done) == len(settings)
    assert strategy == "gp" or len(done) == trials
    # Steady state: from when every worker has begun until the first of them runs out of work.
    starts = sorted(t.datetime_start for t in done)
    ends = sorted(t.datetime_complete for t in done)
    first, last = starts[workers - 1], ends[-workers]
    within = [t for t in done if first < t.datetime_complete <= last]
    seconds = (last - first).total_seconds()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "strategy": strategy,
        "workers": workers,
        "trials": len(done),
        "trials_per_s": round(len(within) / seconds, 3),
        "wall_trials_per_s": round(len(done) / (ends[-1] - starts[0]).total_seconds(), 3),
        "cpu_s_per_trial": round(cpu / len(done), 4),
    }


def growth(url, sizes):
    """Seconds of overhead per trial around each size: one study, searched on and on."""
    found, n = [], 0
    for size in sizes:
        n = max(n, size - AROUND)
        work(tables.space(), sleeper(0), plan(n, "random"), storage=url, study_name="growing")
        for strategy, more in (("random", 2 * AROUND), ("gp", 12)):
            overhead = timed(url, n + more, strategy)
            n += more
            wall, cpu = (statistics.median(row) for row in zip(*overhead, strict=True))
            row = {
                "strategy": strategy,
                "trials_in_study": size,
                "overhead_s_per_trial": round(wall, 5),
                "overhead_cpu_s_per_trial": round(cpu, 5),
            }
            found.append(row)
    return found


def timed(url, goal, strategy):
    """Seconds from the end of one trial to the end of the next, without the evaluator's.

    Returns:
        For each trial, seconds on the wall, and of this process's processor time.
    """
    moments, spent = [], []

    def evaluate(config, batch):
        begun = now()
        result = tables.evaluate(config, batch)
        spent.append(now() - begun)
        return result

    def tell(event):
        if isinstance(event, TrialFinished):
            moments.append(now())

    work(
        tables.space(), evaluate, plan(goal, strategy), storage=url, study_name="growing",
        on_event=tell,
    )  # fmt: skip
    gaps = [b - a for a, b in pairwise(moments)]
    return [tuple((gap - own).tolist()) for gap, own in zip(gaps, spent[1:], strict=True)]


def now():
    """Seconds of the wall's clock, and of this process's processor time."""
    return np.array([time.perf_counter(), time.process_time()])


def measure(kind, url_of, part, *, each, workers, sizes):
    rows = {}
    if part in ("throughput", "all"):
        rows["throughput"] = []
        for strategy in ("random", "gp"):
            chosen = workers if strategy == "random" else [n for n in workers if n in (1, 8)]
            for n in chosen:
                row = throughput(url_of(f"t{strategy}{n}"), n, each, strategy)
                rows["throughput"].append(row)
                print(kind, row, flush=True)
    if part in ("growth", "all"):
        rows["overhead"] = growth(url_of("growth"), sizes)
        for row in rows["overhead"]:
            print(kind, row, flush=True)
    return rows


def bars(rows):
    """Whether each bar is met; throughput with the random strategy, as the bars say."""
    found = {}
    plain = [r for r in rows.get("throughput", ()) if r["strategy"] == "random"]
    rate = {r["workers"]: r["trials_per_s"] for r in plain}
    if {1, BAR_WORKERS} <= set(rate):
        found["8 workers over 1"] = round(rate[BAR_WORKERS] / rate[1], 2)
        found["8 workers over 1 met"] = rate[BAR_WORKERS] >= BAR_SPEEDUP * rate[1]
    for strategy in ("random", "gp"):
        mine = [r for r in rows.get("overhead", ()) if r["strategy"] == strategy]
        for name in ("overhead_s_per_trial", "overhead_cpu_s_per_trial"):
            if mine:
                ratio = mine[-1][name] / mine[0][name]
                words = f"{strategy}: {name}, {mine[-1]['trials_in_study']} trials over"
                found[f"{words} {mine[0]['trials_in_study']}"] = round(ratio, 2)
                found[f"{words} {mine[0]['trials_in_study']} met"] = ratio <= BAR_OVERHEAD
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="1 and 8 workers, up to 300 trials")
    parser.add_argument("--part", choices=("throughput", "growth", "all"), default="all")
    parser.add_argument("--storage", choices=("journal", "postgresql", "all"), default="all")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))  # noqa: S108
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    each, workers, sizes = (8, (1, 8), (100, 300)) if options.quick else (16, WORKERS, SIZES)
    folder = options.folder / f"accel_opt-scale-{os.getpid()}"
    folder.mkdir(parents=True)
    load = os.getloadavg()
    kinds = [("journal", lambda name: f"journal:///{folder / name}.log")]
    cluster = None
    if options.storage == "postgresql":
        kinds.clear()
    if options.storage != "journal" and not missing():
        cluster = Cluster(connections=200)
        cluster.start()
        kinds.append(("postgresql", cluster.url))
    try:
        for kind, url_of in kinds:
            found = measure(kind, url_of, options.part, each=each, workers=workers, sizes=sizes)
            result = keep(options.out, kind, found, load[0])
    finally:
        if cluster is not None:
            cluster.close()
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    print(json.dumps(result["bars"], indent=1))
    met = [v for row in result["bars"].values() for name, v in row.items() if name.endswith("met")]
    sys.exit(0 if all(met) else 1)


def keep(out, kind, found, load):
    """Writes what was measured into the file of results; other parts of it stay."""
    old = json.loads(out.read_text()) if out.exists() else {}
    rows = {name: dict(part) for name, part in old.get("storages", {}).items()}
    rows.setdefault(kind, {}).update(found)
    loads = dict(old.get("load_of_machine", {}))
    for part in found:
        loads[f"{kind} {part}"] = [round(load, 2), round(os.getloadavg()[0], 2)]
    result = {
        "machine": processor(),
        "load_of_machine": loads,
        "seconds_of_evaluator": SECONDS,
        "versions": versions(("accel_opt", "optuna", "torch")),
        "bars": {name: bars(row) for name, row in rows.items()},
        "storages": rows,
    }
    out.write_text(json.dumps(result, indent=1) + "\n")
    return result


if __name__ == "__main__":
    main()
