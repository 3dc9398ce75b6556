"""All seven sets of DeepCache, ToMe and T-GATE on every kind of pipeline."""

import itertools

import pytest

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import RefusedError
from accel_opt.testing import generate, run_program, same, tiny_pipeline, traces
from accel_opt.testing.contract import DIAGONAL, EVERYTHING, GUIDANCE, STEPS, plain, shared

SETTINGS = {
    "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
    "tome": {"ratio": 0.5, "max_downsample": 2},
    "tgate": {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1},
}
REFUSED = r"no UNet|no BasicTransformerBlock|no cross-attention"
SETS = [names for n in (1, 2, 3) for names in itertools.combinations(SETTINGS, n)]
PLACES = [
    pytest.param(place, marks=() if place in DIAGONAL else pytest.mark.slow, id="-".join(place))
    for place in EVERYTHING
]


def run(call, **changes):
    return generate(call, **{"steps": STEPS, "guidance": GUIDANCE, **changes})


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("names", SETS, ids="+".join)
def test_a_target_set(place, names):
    pipe = shared(*place)
    config = Config({name: SETTINGS[name] for name in names})
    if stack.supports(names, pipe):
        with pytest.raises(RefusedError, match=REFUSED):
            stack.apply(pipe, config)
        return
    before = traces(pipe)
    handle = stack.apply(pipe, config, stack.run_info(pipe, STEPS, GUIDANCE))
    first = run(handle)
    assert not same(first, plain(*place))
    run(handle, prompt=["a dog", "a bird"], size=48, guidance=1.0)
    fail(handle)
    assert same(run(pipe), first)
    handle.remove()
    assert traces(pipe) == before
    assert same(run(pipe), plain(*place))
    if len(names) > 1:
        lines = stack.code(config, stack.run_info(pipe, STEPS, GUIDANCE))
        assert same(run_program(lines, tiny_pipeline(*place), run), first)


def fail(handle):
    def step(*_args, **_kwargs):
        raise KeyboardInterrupt

    handle.pipe.scheduler.step = step
    with pytest.raises(KeyboardInterrupt):
        run(handle)
    del handle.pipe.scheduler.step


def test_removal_in_any_order_of_several_pipelines():
    places = DIAGONAL[:2]
    pipes = [shared(*place) for place in places]
    for order in itertools.permutations(range(2)):
        handles = [stack.apply(pipe, {"tome": SETTINGS["tome"]}) for pipe in pipes]
        for handle in handles:
            run(handle)
        for number in order:
            handles[number].remove()
            assert same(run(pipes[number]), plain(*places[number]))


def test_sets_one_after_the_other_and_errors_in_between():
    place = DIAGONAL[0]
    pipe = shared(*place)
    for names in SETS:
        with stack.applied(pipe, {name: SETTINGS[name] for name in names}) as call:
            fail(call)
            with pytest.raises(RefusedError, match="already runs"):
                stack.apply(pipe, {"tome": SETTINGS["tome"]})
    assert same(run(pipe), plain(*place))
