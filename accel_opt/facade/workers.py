"""Searches by several workers: on this host, or placed by Ray."""

from __future__ import annotations

from pathlib import Path

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.measurement import Limit
from accel_opt.core.spec import StudySpec
from accel_opt.search.lifecycle import create_study
from accel_opt.search.plan import SearchPlan
from accel_opt.search.storage import check_shareable, journal_path, open_storage
from accel_opt.search.strategies import Ending
from accel_opt.search.study import clear_errors
from accel_opt.search.workers.crew import Crew, Order
from accel_opt.search.workers.places import Place, places
from accel_opt.search.workers.problem import prepare
from accel_opt.search.workers.upgrade import upgrade


def together(spec: StudySpec, on_event: OnEvent = ignore) -> tuple[Ending, int | None]:
    """Has the workers of a resolved spec search; nothing is loaded in this process.

    Returns:
        Why they ended, and each one's threads, where the processor was divided among them.

    Raises:
        InputError: The storage cannot be shared, or there are too few devices.
    """
    storage, study = str(spec.storage), str(spec.study)
    check_shareable(storage, max(2, spec.workers))
    journal = journal_path(storage)
    if journal is not None and upgrade(journal.with_suffix(".db"), journal):
        on_event(Notice(f"{journal.with_suffix('.db')} went on as {journal}, which can be shared"))
    limits = (Limit("clip", spec.max_score_loss),)
    plan = SearchPlan(limits, objective=spec.objective, frontier=spec.frontier)
    with clear_errors(storage):
        prepare(create_study(open_storage(storage), study, plan), spec)
    order = Order(
        storage=storage,
        study=study,
        out=Path(spec.out or ".").resolve(),
        device="cuda" if spec.device == "cuda" else spec.device,
        seconds=spec.timeout,
        allow_drift=spec.allow_drift,
    )
    return place(order, spec.workers, spec.engine, spec.ray_address, on_event)


def place(
    order: Order,
    n: int,
    engine: str = "local",
    ray_address: str | None = None,
    on_event: OnEvent = ignore,
) -> tuple[Ending, int | None]:
    """Has n workers carry out an order.

    Returns:
        Why they ended, and each one's threads, where the processor was divided among them.

    Raises:
        InputError: There is no such engine, or it cannot place so many.
    """
    if engine == "ray":
        from accel_opt.search.workers.ray_engine import RayCrew

        crew = RayCrew(order, n, on_event, address=ray_address)
        return crew.run(), crew.threads
    if engine != "local":
        raise InputError(f"engine {engine!r}: choose local or ray")
    found: list[Place] = places(n, order.device)
    return Crew(order, found, on_event).run(), found[0].threads
