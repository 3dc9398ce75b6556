"""Numbers in words, the same on every page: values with their intervals, verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from accel_opt.core.measurement import Best, Interval, Limit
from accel_opt.report.model import StudyReport, Trial, Winner

NOTHING = "–"
OUTCOMES = {
    "full": "fully measured",
    "hopeless": "stopped: loses too much",
    "dominated": "stopped: cannot beat the best",
    "slower": "stopped: slower than the baseline",
    "unchanged": "changes nothing",
    "failed": "failed",
}


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """A number with fixed digits; a dash for what is none."""
    return f"{value:{sign}.{digits}f}" if math.isfinite(value) else NOTHING


def times(value: float) -> str:
    """A speedup: 2.31×."""
    return f"{number(value)}×" if math.isfinite(value) else NOTHING


def loss(value: float, limit: Limit) -> str:
    """A loss in percent where it is relative, else in the metric's own unit."""
    if not math.isfinite(value):
        return NOTHING
    return f"{100 * value:+.2f} %" if limit.relative else f"{value:+.4g}"


def allowed(limit: Limit) -> str:
    """A limit: "2 %"."""
    return f"{100 * limit.limit:g} %" if limit.relative else f"{limit.limit:g}"


def spread(interval: Interval, scale: float = 1.0, digits: int = 2) -> str:
    """The interval alone: "2.28 .. 2.34"; empty where it is not known."""
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    return f"{scale * interval.low:.{digits}f} .. {scale * interval.high:.{digits}f}"


def loss_spread(interval: Interval, limit: Limit) -> str:
    """The interval of a loss in the unit of `loss`."""
    return spread(interval, 100 if limit.relative else 1, 2 if limit.relative else 4)


def seconds(value: float) -> str:
    """Seconds per prompt with three significant digits."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:#.3g}".rstrip(".") + " s" if value < 1000 else f"{value:.0f} s"


def seconds_spread(best: Best | Trial) -> str:
    """The interval of a setting's seconds, which the speedup's gives; empty without."""
    low, high = best.speedup.low, best.speedup.high
    if not (math.isfinite(best.latency_s) and math.isfinite(high) and low > 0):
        return ""
    # The latency is what was measured; the interval of the ratio says how sure it is.
    middle = best.latency_s * best.speedup.value
    return f"{middle / high:.3g} .. {middle / low:.3g} s"


def duration(value: float) -> str:
    """A time that a person waits: "42 s", "12 min", "3.4 h"."""
    if not math.isfinite(value):
        return NOTHING
    if value < 90:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def counts(trials: Iterable[Trial]) -> str:
    """How many evaluations ended in each way."""
    found = Counter(trial.outcome for trial in trials)
    return ", ".join(f"{n} {OUTCOMES.get(word, word)}" for word, n in found.most_common())


def verdict(report: StudyReport) -> str:
    """What came of a study, in one sentence."""
    if not report.trials:
        return f"Nothing of {report.subject} is measured yet."
    if report.winner is None:
        return (
            f"None of {len(report.trials)} settings makes {report.subject} faster within the "
            f"allowed loss of {allowed(report.limit)}."
        )
    return _found(report, report.winner)


def _found(report: StudyReport, winner: Winner) -> str:
    best = winner.best
    names = " with ".join(best.config.accelerators) or "Nothing"
    size = best.score_loss.value
    if size > 0:
        shown = loss(size, report.limit).lstrip("+")
        lost = f"{shown} {report.limit.metric} loss ({allowed(report.limit)} allowed)"
    else:
        lost = f"no measurable {report.limit.metric} loss"
    if winner.n_confirmed:
        sure = f"confirmed on {winner.n_confirmed} prompts that the search had not seen"
    elif report.rejected:
        sure = "but confirmation on held-out prompts did not bear it out"
    else:
        sure = "as found in the search; not confirmed on other prompts"
    beaten = [c for c in report.compared if not c.beats]
    more = "; it does not beat what needs no search" if beaten else ""
    return (
        f"{names} makes {report.subject} {times(best.speedup.value)} as fast "
        f"at {lost}, {sure}{more}."
    )
