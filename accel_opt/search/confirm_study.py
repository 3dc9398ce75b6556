"""Confirming a study that exists: `python -m accel_opt.search.confirm`, and `accel-opt confirm`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from accel_opt.core.errors import AccelOptError, UnknownNameError
from accel_opt.core.events import OnEvent, ignore
from accel_opt.core.measurement import Evaluate
from accel_opt.search import verdicts as kept
from accel_opt.search.conditions import check_conditions, epoch_of, plan_of
from accel_opt.search.confirm import Verdict, confirm, winner_of
from accel_opt.search.confirm_plan import ConfirmPlan, Earlier, plan_confirmation
from accel_opt.search.evaluators import at_rest, opened
from accel_opt.search.ledger import Ledger
from accel_opt.search.lifecycle import read_ledger
from accel_opt.search.note import write_note
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Space
from accel_opt.search.storage import open_storage
from accel_opt.search.strategies.expected import expected_losses

if TYPE_CHECKING:
    import optuna


def confirm_study(
    storage: str,
    study_name: str,
    evaluate: Evaluate | str,
    plan: SearchPlan | None = None,
    on_event: OnEvent = ignore,
) -> list[Verdict]:
    """Measures the best settings of a study again.

    Args:
        storage: URL of the database.
        study_name: Name of the study.
        evaluate: Measures one batch; by name, it runs in a process of its own.
        plan: How to confirm; None takes what the study was searched with.
        on_event: Told of every look.

    Returns:
        What was said of each candidate; empty when nothing is feasible.

    Raises:
        UnknownNameError: There is no such study.
        StudyMismatchError: The plan's conditions are not those of the study.
    """
    import optuna

    opened_storage = open_storage(storage)
    names = optuna.study.get_all_study_names(opened_storage)
    if study_name not in names:
        raise UnknownNameError("study", study_name, names, "See: accel-opt show studies")
    study = optuna.load_study(study_name=study_name, storage=opened_storage)
    if plan is not None:
        check_conditions(study, plan)
    asked = plan or plan_of(study)
    epoch = epoch_of(study)
    ledger = read_ledger(study, asked, epoch)
    verdicts = confirmed(study, ledger, asked, evaluate, epoch=epoch, on_event=on_event)[1]
    write_note(study, ledger, verdicts, "confirmed anew" if verdicts else "nothing to confirm")
    return verdicts


def confirmed(
    study: optuna.Study,
    ledger: Ledger,
    plan: SearchPlan,
    evaluate: Evaluate | str,
    *,
    epoch: int,
    on_event: OnEvent,
    space: Space | None = None,
) -> tuple[ConfirmPlan | None, list[Verdict]]:
    """Plans, looks, and keeps verdicts in the study; what was looked at is not asked again.

    Returns:
        What was planned, None where no look was worth it; and all verdicts of the study under
        the present conditions, earlier ones first.
    """
    expected = expected_losses(space, ledger) if space is not None else None
    known = kept.read(study, epoch)
    confirmation = plan_confirmation(ledger, plan, expected, _earlier(known))
    if confirmation is None:
        return None, list(known.values())
    fresh = isinstance(evaluate, str)
    with at_rest(evaluate), opened(evaluate, plan.trial_timeout_s, fresh=fresh) as measure:
        verdicts = confirm(
            confirmation,
            measure,
            plan,
            ledger,
            on_event=on_event,
            keep=lambda verdict: kept.keep(study, verdict, epoch),
        )
    return confirmation, [*known.values(), *verdicts]


def _earlier(known: Mapping[str, Verdict]) -> Earlier | None:
    if not known:
        return None
    winner = winner_of(known.values())
    spent = sum(verdict.alpha for verdict in known.values())
    return Earlier(frozenset(known), winner.best.key if winner else "", spent)


def main(arguments: list[str] | None = None) -> int:
    """Prints one JSON line per look; 0 when one holds, 1 when none does, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m accel_opt.search.confirm")
    parser.add_argument("--storage", required=True, help="such as sqlite:///studies/my/study.db")
    parser.add_argument("--study", required=True)
    parser.add_argument("--evaluate", required=True, metavar="MODULE:FUNCTION")
    options = parser.parse_args(arguments)
    try:
        verdicts = confirm_study(options.storage, options.study, options.evaluate)
    except AccelOptError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for verdict in verdicts:
        line = {
            "config": verdict.best.config.to_dict(),
            "confirmed": verdict.confirmed,
            "speedup": verdict.best.speedup.value,
            "score_loss": verdict.best.score_loss.value,
            "n_items": verdict.n_items,
            "reason": verdict.reason,
        }
        sys.stdout.write(json.dumps(line) + "\n")
    return 0 if any(verdict.confirmed for verdict in verdicts) else 1
