"""A model whose work cannot be counted is searched by measured seconds, by every strategy."""

import dataclasses

import pytest

from accel_opt.accelerators import registry, stack
from accel_opt.core.errors import InputError
from accel_opt.core.run import Refusal
from accel_opt.core.spec import make_spec
from accel_opt.search import search
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.plan import STRATEGIES
from accel_opt.testing.contract import GUIDANCE, STEPS, shared
from accel_opt.testing.tiny import FLOW_SCHEDULER, HALVES_KIND
from tests.search.tables import evaluate, plan
from tests.search.tables import space as counted


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_live_without_work(strategy):
    space = dataclasses.replace(counted("deepcache", "tome"), work=None)
    asked = plan(strategy=strategy, trials=6, confirm=False)
    result = search(space, evaluate, asked)
    assert len({record.key for record in result.trials}) == 6


def test_only_the_objective_flops_is_refused():
    space = dataclasses.replace(counted("deepcache"), work=None)
    with pytest.raises(InputError, match="use 'speedup'"):
        search(space, evaluate, plan(objective="flops"))


def test_the_space_of_an_uncountable_pipeline():
    pipe = shared(HALVES_KIND, FLOW_SCHEDULER)
    names = tuple(name for name in registry.names() if not stack.supports((name,), pipe))
    assert names == ("cfg_cutoff", "pab", "taylorseer")
    spec = make_spec(
        model="ChromaPipeline",
        steps=STEPS,
        guidance_scale=GUIDANCE,
        accelerators=names,
        prompts=2,
        prompts_from="embedded",
        resolution=32,
    )
    space = PipelineProblem.from_spec(spec, pipe).space
    found = [space.resolve(point) for point in space.points()]
    settings = [setting for setting in found if not isinstance(setting, Refusal)]
    assert {name for setting in settings for name in setting.config} == {*names}
    assert {space.work_of(setting.config) for setting in settings} == {None}
