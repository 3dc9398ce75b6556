"""Optuna's tables in PostgreSQL, with one statement where Optuna takes dozens.

Making a trial, reading what is new, and telling a trial are what every worker does all the time.
Optuna's ORM takes some seventy statements and twelve commits for each trial; these are three, and
a trial is told whole or not at all. The tables are Optuna's own, at the version that it checks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text
from typing_extensions import override

from accel_opt.search.patient import PatientStorage, patiently

if TYPE_CHECKING:
    from sqlalchemy import Connection

_NEW = text("""
with made as (
  insert into trials (study_id, number, state, datetime_start)
  values (
    :study,
    -- Numbers rise with ids, and ids have an index.
    coalesce(
      (select number from trials where study_id = :study order by trial_id desc limit 1), -1
    ) + 1,
    cast(:state as trialstate),
    timezone('utc', clock_timestamp())
  )
  returning trial_id, number
), params as (
  insert into trial_params (trial_id, param_name, param_value, distribution_json)
  select made.trial_id, p.name, p.value, p.kind
  from made, json_to_recordset(cast(:params as json)) as p(name text, value float8, kind text)
), attributes as (
  insert into trial_user_attributes (trial_id, key, value_json)
  select made.trial_id, a.key, a.value
  from made, json_each_text(cast(:attributes as json)) as a
)
select trial_id, number from made
""")
_TELL = text("""
with attributes as (
  insert into trial_user_attributes (trial_id, key, value_json)
  select :trial, a.key, a.value from json_each_text(cast(:attributes as json)) as a
  on conflict (trial_id, key) do update set value_json = excluded.value_json
), marks as (
  insert into trial_system_attributes (trial_id, key, value_json)
  select :trial, a.key, a.value from json_each_text(cast(:marks as json)) as a
  on conflict (trial_id, key) do nothing
), numbers as (
  insert into trial_values (trial_id, objective, value, value_type)
  select :trial, v.place - 1, v.value::float8, 'FINITE'
  from json_array_elements_text(cast(:numbers as json)) with ordinality as v(value, place)
  on conflict (trial_id, objective) do update set value = excluded.value
)
update trials
set state = cast(:state as trialstate), datetime_complete = timezone('utc', clock_timestamp())
where trial_id = :trial
""")
_READ = """
select t.trial_id, t.number, t.state::text, t.datetime_start, t.datetime_complete,
  (select json_agg(json_build_array(param_name, param_value, distribution_json) order by param_id)
   from trial_params p where p.trial_id = t.trial_id),
  (select json_agg(json_build_array(value, value_type::text) order by objective)
   from trial_values v where v.trial_id = t.trial_id),
  (select json_object_agg(key, value_json) from trial_user_attributes a
   where a.trial_id = t.trial_id),
  (select json_object_agg(key, value_json) from trial_system_attributes s
   where s.trial_id = t.trial_id),
  (select json_agg(json_build_array(step, intermediate_value, intermediate_value_type::text))
   from trial_intermediate_values i where i.trial_id = t.trial_id)
from trials t where t.study_id = :study
"""


class PostgresStorage(PatientStorage):
    """Optuna's RDB storage with the work of a worker done in single statements."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Ids of the trials read last, by study and number.
        self._places: dict[int, dict[int, int]] = {}

    @override
    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        plain = template_trial is not None and not template_trial.system_attrs
        if template_trial is None or not plain or template_trial.state != TrialState.RUNNING:
            # Imported and copied trials have more to them, and are few.
            return patiently(
                lambda: super(PatientStorage, self)._create_new_trial(study_id, template_trial)
            )
        made = copy.copy(template_trial)
        values = {
            "study": study_id,
            "state": "RUNNING",
            "params": json.dumps(_params(template_trial)),
            "attributes": _texts(template_trial.user_attrs),
        }

        def create(connection: Connection) -> Any:
            # Numbers are counted, so that two makers must not count at once.
            lock = text("select 1 from studies where study_id = :study for update")
            connection.execute(lock, {"study": study_id})
            return connection.execute(_NEW, values).one()

        made._trial_id, made.number = self._transact(create)  # noqa: SLF001
        made.datetime_start = datetime.now()  # noqa: DTZ005 - Optuna's own are naive local times
        return made

    def finish(
        self,
        trial_id: int,
        attributes: Mapping[str, Any],
        marks: Mapping[str, Any],
        state: TrialState,
        values: Sequence[float],
    ) -> None:
        """Writes attributes, system attributes, values and the state of a running trial at once.

        Args:
            trial_id: Optuna's id of the trial.
            attributes: User attributes; those that are there are replaced.
            marks: System attributes; those that are there stay.
            state: What it becomes.
            values: Finite objective values.

        Raises:
            UpdateFinishedTrialError: It is finished already.
        """
        given = {
            "trial": trial_id,
            "attributes": _texts(attributes),
            "marks": _texts(marks),
            "numbers": json.dumps(list(values)),
            "state": state.name,
        }
        tries = 0

        def tell(connection: Connection) -> None:
            nonlocal tries
            tries += 1
            look = text("select state::text from trials where trial_id = :trial for update")
            if connection.execute(look, {"trial": trial_id}).scalar_one() == "RUNNING":
                connection.execute(_TELL, given)
            elif tries == 1 or not self._tells(connection, given):
                raise optuna.exceptions.UpdateFinishedTrialError(f"trial id {trial_id} is finished")

        self._transact(tell)

    @staticmethod
    def _tells(connection: Connection, given: Mapping[str, Any]) -> bool:
        """Whether a trial says already what it is to say: the server heard, its answer was lost."""
        query = text("select key, value_json from trial_user_attributes where trial_id = :trial")
        rows = connection.execute(query, {"trial": given["trial"]}).all()
        said = {str(key): value for key, value in rows}
        return all(said.get(k) == v for k, v in json.loads(given["attributes"]).items())

    @override
    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        query = text(
            f"{_READ} and (t.trial_id > :after or t.trial_id = any(:among)) order by t.trial_id"
        )
        among = [number for number in included_trial_ids if number <= trial_id_greater_than]
        given = {"study": study_id, "after": trial_id_greater_than, "among": among}
        rows = self._transact(lambda connection: connection.execute(query, given).all())
        trials = [_trial(row) for row in rows]
        return trials if states is None else [t for t in trials if t.state in states]

    def since(self, study_id: int, first: int) -> list[FrozenTrial]:
        """Trials of a study from number `first` on, in order."""
        places = self._places.get(study_id, {})
        after = places.get(first - 1, 0)
        # Only ids have an index, and numbers rise with them: what is known is not searched through.
        query = text(f"{_READ} and t.trial_id > :after and t.number >= :first order by t.trial_id")
        given = {"study": study_id, "first": first, "after": after}
        rows = self._transact(lambda connection: connection.execute(query, given).all())
        trials = [_trial(row) for row in rows]
        found = {trial.number: trial._trial_id for trial in trials}  # noqa: SLF001
        self._places[study_id] = {first - 1: after, **found}
        return trials

    def _transact(self, work: Any) -> Any:
        def once() -> Any:
            with self.engine.begin() as connection:
                return work(connection)

        return patiently(once)


def _params(trial: FrozenTrial) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": trial.distributions[name].to_internal_repr(value),
            "kind": distribution_to_json(trial.distributions[name]),
        }
        for name, value in trial.params.items()
    ]


def _texts(attributes: Mapping[str, Any]) -> str:
    """Attributes as JSON of JSON: the table keeps each value as its own text."""
    return json.dumps({key: json.dumps(value) for key, value in attributes.items()})


def _trial(row: Any) -> FrozenTrial:
    number, place, state, started, finished, params, values, users, systems, steps = row
    kinds = {name: _distribution(kind) for name, _, kind in params or ()}
    return FrozenTrial(
        number=place,
        state=TrialState[state],
        value=None,
        values=[_number(value, kind) for value, kind in values] if values else None,
        datetime_start=_local(started),
        datetime_complete=_local(finished),
        params={name: kinds[name].to_external_repr(value) for name, value, _ in params or ()},
        distributions=kinds,
        user_attrs=_attributes(users),
        system_attrs=_attributes(systems),
        intermediate_values={step: _number(value, kind) for step, value, kind in steps or ()},
        trial_id=number,
    )


def _attributes(texts: Mapping[str, str] | None) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in (texts or {}).items()}


def _number(value: float | None, kind: str) -> float:
    endless = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}
    return endless[kind] if value is None else float(value)


def _local(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


@lru_cache(maxsize=1024)
def _distribution(kind: str) -> BaseDistribution:
    return json_to_distribution(kind)
