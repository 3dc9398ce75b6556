"""The note that a study carries: what was found so far, under what conditions, and how to go on.

It is written where optuna-dashboard reads a study's note, so that every dashboard, the stock
one included, says what is true: the feasible best, which "Best Trial" there does not show.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from accel_opt.core.command import resume_command
from accel_opt.core.measurement import Best, Interval, Limit
from accel_opt.core.spec import StudySpec
from accel_opt.search.conditions import CONDITIONS, SPEC
from accel_opt.search.confirm import Verdict, winner_of
from accel_opt.search.explain import outcomes
from accel_opt.search.ledger import Ledger, fill

if TYPE_CHECKING:
    import optuna

    from accel_opt.search.references import Comparison, Reference
    from accel_opt.search.study import SearchResult

REFERENCES = "accel_opt:references"
YOURS = "*Kept up to date by accel_opt. What is written below this line is yours and stays.*"
# optuna-dashboard's keys of a study's note: a version, and its text in pieces of this length.
_VERSION, _PIECE = "dashboard:note_ver", "dashboard:note_str:"
_LENGTH = 2045


def write_note(
    study: optuna.Study, ledger: Ledger, verdicts: Iterable[Verdict] = (), ended: str = ""
) -> None:
    """Writes a study's note anew; what a person wrote below it stays.

    Args:
        study: The study; one in memory gets none.
        ledger: What is known.
        verdicts: What confirmation said.
        ended: Why the search ended; empty while it goes on.
    """
    import optuna

    storage, study_id = study._storage, study._study_id  # noqa: SLF001 - the note has no public key
    if isinstance(storage, optuna.storages.InMemoryStorage):
        return
    attributes = storage.get_study_system_attrs(study_id)
    old = [text for key, text in sorted(attributes.items(), key=_place) if key.startswith(_PIECE)]
    theirs = "".join(map(str, old)).partition(YOURS)[2]
    text = _text(study, ledger, tuple(verdicts), ended) + YOURS + theirs
    pieces = [text[i : i + _LENGTH] for i in range(0, len(text), _LENGTH)]
    pieces += [""] * (len(old) - len(pieces))
    version = int(attributes.get(_VERSION, 0)) + 1
    for place, piece in enumerate(pieces):
        if attributes.get(f"{_PIECE}{place}") != piece:
            storage.set_study_system_attr(study_id, f"{_PIECE}{place}", piece)
    storage.set_study_system_attr(study_id, _VERSION, version)


def conclude(
    result: SearchResult,
    limits: tuple[Limit, ...],
    references: Sequence[Reference],
    comparisons: Sequence[Comparison],
) -> None:
    """Keeps what the winner was held against, for reports, and writes the note of the end."""
    study = result.study
    data = {
        "references": [asdict(reference) for reference in references],
        "comparisons": [asdict(comparison) for comparison in comparisons],
    }
    text = json.dumps(_finite(data), separators=(",", ":"))
    if study.user_attrs.get(REFERENCES) != text:
        study.set_user_attr(REFERENCES, text)
    write_note(study, fill(Ledger(limits), result.trials), result.verdicts, result.why_ended)


def read_references(study: optuna.Study) -> dict[str, list[dict[str, Any]]]:
    """What `conclude` kept, as plain values; empty lists without."""
    text = study.user_attrs.get(REFERENCES)
    return json.loads(text) if text else {"references": [], "comparisons": []}


def _text(study: optuna.Study, ledger: Ledger, verdicts: tuple[Verdict, ...], ended: str) -> str:
    attributes = study.user_attrs
    conditions: dict[str, Any] = json.loads(attributes.get(CONDITIONS, "[{}]"))[-1]
    spec = attributes.get(SPEC)
    resume = resume_command(StudySpec.model_validate_json(spec)) if spec else ""
    counts = ", ".join(f"{n} {word}" for word, n in outcomes(ledger.records).items())
    limits = ", ".join(f"{li.metric} loss at most {li.limit:g}" for li in ledger.limits)
    lines = [
        *_best_lines(ledger, verdicts),
        "",
        f"- **Evaluations**: {len(ledger.records)} ({counts or 'none yet'}).",
        f"- **State**: {ended or 'searching'}.",
        f"- **Limits**: {limits}.",
        "- A parameter one step beyond its mild end means off; `setting` says it in words.",
        *_reference_lines(read_references(study)["comparisons"]),
    ]
    if conditions:
        lines += ["", "| condition | |", "| --- | --- |"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in conditions.items()]
    if resume:
        lines += ["", "Go on with the search:", "", "```", resume, "```"]
    return "\n".join(lines) + "\n\n"


def _best_lines(ledger: Ledger, verdicts: tuple[Verdict, ...]) -> list[str]:
    confirmed = winner_of(verdicts)
    if confirmed is not None:
        word = f"confirmed on {confirmed.n_items} held-out items"
        return _headline(confirmed.best, word)
    record = ledger.best
    if record is None:
        return ["## No feasible setting so far"]
    word = "found in the search; confirmation did not bear it out" if verdicts else "not confirmed"
    return _headline(ledger.show(record), word)


def _headline(best: Best, word: str) -> list[str]:
    speed, loss = best.speedup, best.score_loss
    text = (
        f"Trial {best.trial}, {word}. Speedup {speed.value:.2f}x{_range(speed, 1, 2)}, score loss "
        f"{100 * loss.value:+.2f} %{_range(loss, 100, 2)}, {best.latency_s:.3g} s an item, "
        f"the baseline {best.baseline_latency_s:.3g} s."
    )
    title = f"## Best: {speed.value:.2f}x at {100 * loss.value:+.2f} % score loss"
    return [title, "", f"`{best.config}`", "", text]


def _reference_lines(comparisons: list[dict[str, Any]]) -> list[str]:
    if not comparisons:
        return []
    lines = ["", "**Beside what needs no search**"]
    for comparison in comparisons:
        word = "beats" if comparison["beats"] else "does NOT beat"
        lines.append(f"- {word} {comparison['text']}")
    return lines


def _range(interval: Interval, factor: float, digits: int) -> str:
    low, high = factor * interval.low, factor * interval.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f" ({low:.{digits}f} .. {high:.{digits}f})"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("|", r"\|").replace("\n", " ")


def _place(item: tuple[str, Any]) -> int:
    number = item[0].removeprefix(_PIECE)
    return int(number) if number.isdigit() else -1


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
