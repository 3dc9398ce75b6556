"""The whole search: open or resume a study, search, confirm, and say what came of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, SearchFinished, SearchStarted, ignore
from accel_opt.core.measurement import Best, Evaluate
from accel_opt.core.secrets import masked
from accel_opt.search.conditions import settle
from accel_opt.search.confirm import Verdict, winner_of
from accel_opt.search.confirm_plan import ConfirmPlan
from accel_opt.search.confirm_study import confirmed
from accel_opt.search.evaluators import opened
from accel_opt.search.foreign import seeded
from accel_opt.search.leases import Leases
from accel_opt.search.ledger import Ledger
from accel_opt.search.lifecycle import close_leftovers, create_study, read_ledger
from accel_opt.search.locks import lock_of
from accel_opt.search.note import write_note
from accel_opt.search.notebook import result_table_html
from accel_opt.search.pareto import front
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record
from accel_opt.search.session import Session, target_reached
from accel_opt.search.sharing import Sharing
from accel_opt.search.space import Space
from accel_opt.search.storage import check_shareable, is_shared, open_storage, refused
from accel_opt.search.strategies import Ending, make

if TYPE_CHECKING:
    import optuna

# What a file system says when a Journal cannot grow.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@dataclass(frozen=True)
class SearchResult:
    """What a search came to.

    Attributes:
        best: The confirmed winner; where nothing was confirmed, or confirmation was not asked
            for, the best found (its `confirmed` is then False); None when nothing was feasible.
        found: The best feasible setting of the search itself.
        confirmed: The confirmed winner, or None.
        verdicts: What confirmation said of each candidate it looked at.
        confirm_plan: What confirmation had fixed beforehand; None when it did not run.
        pareto: Feasible settings that no other beats in both speed and first loss, fastest first.
        trials: Every evaluation, in order.
        ended: A word for why the search ended: "exhausted", "trials", "timeout", "target",
            "converged", "infeasible", "failures".
        why_ended: The same for people.
        study: The Optuna study.
        sampler_s: Processor seconds that choosing took, for each setting of this run.
        fresh_process: Whether confirmation ran in a process of its own.
        strategy: Name of the strategy in force.
    """

    best: Best | None
    found: Best | None
    confirmed: Best | None
    verdicts: tuple[Verdict, ...]
    confirm_plan: ConfirmPlan | None
    pareto: list[Best]
    trials: list[Record]
    ended: str
    why_ended: str
    study: optuna.Study
    sampler_s: tuple[float, ...] = ()
    fresh_process: bool = False
    strategy: str = ""

    def _repr_html_(self) -> str:
        return result_table_html(self)


def search(
    space: Space,
    evaluate: Evaluate | str,
    plan: SearchPlan,
    *,
    storage: str | None = None,
    study_name: str = "search",
    on_event: OnEvent = ignore,
    ended: Ending | None = None,
) -> SearchResult:
    """Searches a space, or goes on with a search of the same name.

    On a Journal or PostgreSQL others may search the same study at the same time.

    Args:
        space: What is searched.
        evaluate: Measures one batch of one setting: a callable, or "module:function", which
            alone can be killed when it hangs and confirmed in a fresh process.
        plan: Limits, budget, target, strategy.
        storage: URL of the database; None keeps the study in memory.
        study_name: Name of the study; an existing one is resumed.
        on_event: Told of every step.
        ended: Why workers elsewhere ended the search; only what comes after it is done here.

    Raises:
        InputError: The storage cannot be opened, or something asked for cannot be done.
        StudyMismatchError: The study was made for something else.
    """
    if plan.objective == "flops" and space.work is None:
        raise InputError("the objective 'flops' needs a space that counts work; use 'speedup'")
    with clear_errors(storage):
        study = create_study(open_storage(storage), study_name, plan)
        with (
            opened(evaluate, plan.trial_timeout_s, fresh=False) as measure,
            joined(study, space, plan, measure, on_event) as session,
        ):
            on_event(_started(session, storage))
            ending = ended or session.run()
        result = _result(session, ending)
        if plan.confirm and not plan.frontier:
            result = _confirmed(result, session, evaluate)
        write_note(study, session.ledger, result.verdicts, result.why_ended)
    on_event(SearchFinished(result.why_ended, result.best, len(result.trials)))
    return result


def work(
    space: Space,
    evaluate: Evaluate | str,
    plan: SearchPlan,
    *,
    storage: str,
    study_name: str,
    on_event: OnEvent = ignore,
) -> Ending:
    """As `search`, for one of several workers: searches until a rule ends it, and no more.

    Returns:
        Why it ended.

    Raises:
        InputError: The storage cannot be opened or shared, or the study was measured under
            other conditions.
    """
    check_shareable(storage, 2)
    with clear_errors(storage):
        study = create_study(open_storage(storage), study_name, plan)
        with (
            opened(evaluate, plan.trial_timeout_s, fresh=False) as measure,
            joined(study, space, plan, measure, on_event) as session,
        ):
            on_event(_started(session, storage))
            return session.run()


@contextmanager
def joined(
    study: optuna.Study, space: Space, plan: SearchPlan, measure: Evaluate, on_event: OnEvent
) -> Iterator[Session]:
    """A session that knows all that the study knows; leftovers of dead processes are closed."""
    shared = is_shared(study._storage)  # noqa: SLF001 - Optuna has no public way to it
    leases = Leases(study)
    lock = lock_of(study)
    with leases if shared else nullcontext():
        with lock:
            epoch, notice = settle(study, space, plan)
            sharing = None
            if shared:
                sharing = Sharing(study, space, plan, epoch, Ledger(plan.limits), leases)
                left, ledger = sharing.refresh(), sharing.ledger
            else:
                left = close_leftovers(study, space, plan, epoch)
                ledger = read_ledger(study, plan, epoch)
            write_note(study, ledger)
        if notice:
            on_event(Notice(notice))
        if left:
            on_event(Notice(f"{left} interrupted evaluation(s) will be tried again"))
        known, strategy = seeded(space, study), make(plan.strategy)
        yield Session(study, known, measure, plan, strategy, ledger, epoch, on_event, lock, sharing)


def _started(session: Session, storage: str | None) -> SearchStarted:
    plan = session.plan
    return SearchStarted(
        session.study.study_name,
        masked(storage or "memory"),
        len(session.ledger.records),
        plan.trials,
        session.space.size,
        session.strategy.name,
        plan.timeout_s,
        {limit.metric: limit.limit for limit in plan.limits},
    )


def _result(session: Session, ending: Ending) -> SearchResult:
    ledger = session.ledger
    best = target_reached(ledger, session.plan) or ledger.best
    found = ledger.show(best) if best else None
    return SearchResult(
        best=found,
        found=found,
        confirmed=None,
        verdicts=(),
        confirm_plan=None,
        pareto=front(ledger),
        trials=list(ledger.records),
        ended=ending.code,
        why_ended=ending.text,
        study=session.study,
        sampler_s=tuple(session.sampler_s),
        strategy=session.strategy.name,
    )


def _confirmed(result: SearchResult, session: Session, evaluate: Evaluate | str) -> SearchResult:
    confirmation, verdicts = confirmed(
        session.study,
        session.ledger,
        session.plan,
        evaluate,
        epoch=session.epoch,
        on_event=session.on_event,
        space=session.space,
    )
    holding = winner_of(verdicts)
    winner = holding.best if holding else None
    return replace(
        result,
        best=winner or result.found,
        confirmed=winner,
        verdicts=tuple(verdicts),
        confirm_plan=confirmation,
        fresh_process=isinstance(evaluate, str),
    )


@contextmanager
def clear_errors(storage: str | None) -> Iterator[None]:
    """Errors of the database become one line; what was told stays told."""
    import optuna
    import sqlalchemy.exc

    kinds: tuple[type[Exception], ...] = (
        OSError,
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
    )
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    except kinds as error:
        if isinstance(error, OSError) and error.errno not in _NO_ROOM:
            raise
        raise refused(storage, error) from error
    finally:
        optuna.logging.set_verbosity(verbosity)
