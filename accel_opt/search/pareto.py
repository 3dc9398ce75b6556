"""The front of speed and loss."""

from __future__ import annotations

from accel_opt.core.measurement import Best
from accel_opt.search.ledger import Ledger
from accel_opt.search.records import Record


def front_records(ledger: Ledger) -> list[Record]:
    """Feasible records that no other beats in both the objective and the first loss."""
    metric = ledger.limits[0].metric
    least, found = float("inf"), []
    for record in ledger.feasible:
        loss = record.losses[metric].value
        if loss < least:
            least = loss
            found.append(record)
    return found


def front(ledger: Ledger) -> list[Best]:
    """The same as the façade shows it, fastest first."""
    return [ledger.show(record) for record in front_records(ledger)]
