"""What `accel-opt search` says at its end: a table for people, a document for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from accel_opt.cli.output import clean, results
from accel_opt.core.measurement import Best, Interval
from accel_opt.core.secrets import without_password

if TYPE_CHECKING:
    from accel_opt.facade.main_job import Outcome

_NO_WINNER = (
    "The front was found, not confirmed, and has no one winner: nothing was exported. "
    "A search with --max-score-loss, and without --frontier, confirms and exports one setting."
)
_NO_INTERVAL = 100
_WORDS = {
    "full": "fully measured",
    "hopeless": "stopped: quality hopeless",
    "dominated": "stopped: cannot beat the best",
    "slower": "stopped: slower than the baseline",
    "unchanged": "stopped: no effect",
    "failed": "failed",
}


def as_document(outcome: Outcome) -> dict[str, Any]:
    """The `--json` document."""
    result = outcome.result
    return {
        "best": None if result.best is None else _best(result.best),
        "confirmed": result.confirmed is not None,
        "ended": result.ended,
        "why_ended": result.why_ended,
        "evaluations": len(result.trials),
        "outcomes": dict(Counter(record.outcome for record in result.trials)),
        "verdicts": [
            {"setting": v.best.config.to_dict(), "confirmed": v.confirmed, "reason": v.reason}
            for v in result.verdicts
        ],
        "pareto": [_best(best) for best in result.pareto],
        "references": [asdict(reference) for reference in outcome.references],
        "comparisons": [asdict(comparison) for comparison in outcome.comparisons],
        "conditions": outcome.conditions,
        "study": outcome.spec.study,
        "storage": without_password(str(outcome.spec.storage)),
        "params": outcome.params,
        "keys": outcome.keys,
        "program": outcome.program,
        "resume": outcome.resume,
    }


def print_result(outcome: Outcome) -> None:
    """Prints the final table and where everything lies."""
    console = results()
    result = outcome.result
    console.print()
    if result.best is None:
        console.print(Text(f"No feasible setting: {result.why_ended}."))
    elif outcome.spec.frontier:
        console.print(_front(outcome))
        if outcome.params is None:
            console.print(Text(_NO_WINNER))
    else:
        console.print(_table(outcome, result.best))
        _verdict(outcome, result.best)
        for comparison in outcome.comparisons:
            word = "Beats" if comparison.beats else "Does NOT beat"
            console.print(Text(f"{word} {comparison.text}."))
    storage = without_password(str(outcome.spec.storage))
    counts = Counter(record.outcome for record in result.trials)
    trials = ", ".join(f"{n} {_WORDS.get(word, word)}" for word, n in counts.most_common())
    rows = [
        ("trials", f"{len(result.trials)} ({trials})"),
        ("ended", result.why_ended),
        ("study", f"{outcome.spec.study} in {storage}"),
    ]
    if outcome.params:
        rows += [("result", str(outcome.params)), ("program", f"python {outcome.program}")]
    name = outcome.spec.study
    rows += [
        ("look", f"accel-opt dashboard --study {name} --storage {storage}"),
        ("page", f"accel-opt report --study {name} --storage {storage}"),
        ("resume", outcome.resume),
    ]
    grid = Table.grid(padding=(0, 2))
    for label, text in rows:
        grid.add_row(Text(label, style="bold"), Text(clean(text), overflow="fold"))
    console.print(grid)


def _title(outcome: Outcome) -> str:
    spec = outcome.spec
    return f"{spec.model}, {spec.scheduler}, {spec.steps} steps on {outcome.conditions['device']}"


def _front(outcome: Outcome) -> Table:
    """The settings that nothing measured beats in both speed and quality, fastest first."""
    table = Table(title=_title(outcome), title_justify="left")
    for column in ("setting", "speedup", "score loss", "seconds per prompt"):
        table.add_column(column, overflow="fold")
    for best in sorted(outcome.result.pareto, key=lambda one: -one.speedup.value):
        row = (_times(best.speedup), _percent(best.score_loss), f"{best.latency_s:.3g} s")
        table.add_row(Text(clean(str(best.config))), *row)
    return table


def _table(outcome: Outcome, best: Best) -> Table:
    spec = outcome.spec
    table = Table(title=_title(outcome), title_justify="left", show_header=best.confirmed)
    table.add_column("best setting")
    if best.confirmed and best.found_speedup and best.found_score_loss:
        table.add_column("found in the search")
        table.add_column("confirmed, held-out prompts")
        table.add_row("speedup", _times(best.found_speedup), _times(best.speedup))
        table.add_row("score loss", _percent(best.found_score_loss), _percent(best.score_loss))
    else:
        table.add_column("found in the search, not confirmed")
        table.add_row("speedup", _times(best.speedup))
        table.add_row("score loss", _percent(best.score_loss))
    filler = [""] * (len(table.columns) - 2)
    latency = f"{best.latency_s:.3g} s, baseline {best.baseline_latency_s:.3g} s"
    table.add_row("seconds per prompt", *filler, latency)
    table.add_section()
    for name, parameters in best.config.items():
        text = ", ".join(f"{p}={v}" for p, v in parameters.items())
        table.add_row(Text(clean(name)), *filler, Text(clean(text)))
    for name in spec.accelerators:
        if name not in best.config:
            table.add_row(Text(clean(name)), *filler, "off")
    return table


def _verdict(outcome: Outcome, best: Best) -> None:
    from accel_opt.search.confirm import winner_of

    console, result = results(), outcome.result
    verdict = winner_of(result.verdicts)
    if verdict:
        console.print(
            Text(
                f"Confirmed on {verdict.n_items} held-out prompts with other seeds: even the upper "
                "bound of its loss is within the limit. That it loses nothing is not said: a loss "
                f"below {100 * verdict.detectable:.2f} % could not have been told from none."
            )
        )
    elif result.verdicts:
        for verdict in result.verdicts:
            console.print(Text(f"Not confirmed: {verdict.best.config}: {verdict.reason}"))
        console.print(Text("Nothing was exported; --no-confirm exports what the search found."))
    if not best.stable:
        console.print(Text("The speedup is unstable: its interval stayed wider than 1.5 %."))


def _best(best: Best) -> dict[str, Any]:
    return {
        "setting": best.config.to_dict(),
        "key": best.key,
        "speedup": _interval(best.speedup),
        "score_loss": _interval(best.score_loss),
        "losses": {name: _interval(loss) for name, loss in best.losses.items()},
        "latency_s": best.latency_s,
        "baseline_latency_s": best.baseline_latency_s,
        "trial": best.trial,
        "confirmed": best.confirmed,
        "found_speedup": best.found_speedup and _interval(best.found_speedup),
        "found_score_loss": best.found_score_loss and _interval(best.found_score_loss),
    }


def _interval(interval: Interval) -> dict[str, float | int]:
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}


def _times(interval: Interval) -> str:
    if not interval.high < _NO_INTERVAL * interval.value:  # a single block says nothing of noise
        return f"{interval.value:.2f}x (timed too rarely for an interval)"
    return f"{interval.value:.2f}x ({interval.low:.2f} .. {interval.high:.2f})"


def _percent(interval: Interval) -> str:
    low, value, high = (100 * x for x in (interval.low, interval.value, interval.high))
    return f"{value:+.2f} % ({low:+.2f} .. {high:+.2f})"
