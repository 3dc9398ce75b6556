"""The contract of an accelerator as tests; see `accel_opt.testing`."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from accel_opt.accelerators import stack
from accel_opt.accelerators.base import Accelerator
from accel_opt.accelerators.together import composed_work, hook_lines
from accel_opt.accelerators.work import count
from accel_opt.core.config import Config, Params
from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError
from accel_opt.core.run import Refusal, RunInfo
from accel_opt.testing.program import run_program
from accel_opt.testing.tiny import (
    FLOW_KINDS,
    FLOW_SCHEDULER,
    KINDS,
    SCHEDULERS,
    generate,
    tiny_pipeline,
)
from accel_opt.testing.traces import same, traces

STEPS = 8
GUIDANCE = 5.0
_MOST_GROUPS = 3

# The kinds with one scheduler each: every kind and every scheduler occurs.
_FLOW = tuple((kind, FLOW_SCHEDULER) for kind in FLOW_KINDS)
DIAGONAL = (*((kind, SCHEDULERS[n % len(SCHEDULERS)]) for n, kind in enumerate(KINDS)), *_FLOW)
EVERYTHING = (*itertools.product(KINDS, SCHEDULERS), *_FLOW)


class AcceleratorContract:
    """What every accelerator promises; subclass it and name yours.

    Attributes:
        accelerator: The plugin under test.
        params: A setting to test at 8 steps; by default the harshest of its ranges.
        where: Pairs of pipeline kind and scheduler; those it does not support are left out.
        invalid: Settings that must be refused, besides those that the suite thinks of.
    """

    accelerator: ClassVar[Accelerator]
    params: ClassVar[Params | None] = None
    where: ClassVar[tuple[tuple[str, str], ...]] = DIAGONAL
    invalid: ClassVar[tuple[Params, ...]] = ()

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Runs the clauses that take a `place` on every supported pipeline."""
        if "place" in metafunc.fixturenames:
            supported = [p for p in self.where if not self.accelerator.supports(shared(*p))]
            metafunc.parametrize("place", supported, ids="-".join)

    def test_metadata(self) -> None:
        """Name, ranges and presets are what tables and files can hold."""
        plugin = self.accelerator
        assert plugin.name.isidentifier(), f"{plugin.name!r} must be an identifier"
        assert plugin.params, "an accelerator needs at least one parameter"
        assert plugin.reference, "say where the technique comes from"
        for preset in plugin.presets:
            plugin.parse(preset.params)
            assert preset.source, f"say where the preset {preset.params} was published"

    def test_parameters_survive_json(self) -> None:
        """A config is the same after a file."""
        for params in self.settings(RunInfo(50)):
            config = Config({self.accelerator.name: params})
            again = Config.from_json(json.dumps(json.loads(config.to_json())))
            assert again == config, f"{config} changes in JSON"
            assert again.key == config.key, f"{config} gets another key in JSON"

    def test_unsupported_pipelines_are_refused_with_a_reason(self) -> None:
        """`supports` gives a reason, and applying raises it."""
        for place in DIAGONAL:
            pipe = shared(*place)
            refusal = self.accelerator.supports(pipe)
            if refusal is not None:
                assert refusal.reason, "a refusal must say why"
                params = next(self.settings(RunInfo(STEPS)))
                _refuses(functools.partial(self.accelerator.applied, pipe, params))

    def test_normal_forms(self, place: tuple[str, str]) -> None:
        """Normal forms are valid, stable, and equal only for equal computations."""
        run = stack.run_info(shared(*place), STEPS, GUIDANCE)
        name = self.accelerator.name
        groups: dict[Config, list[Params]] = {}
        for params in self.settings(run):
            form = self.accelerator.canonical(params, run)
            if isinstance(form, Refusal):
                assert form.reason, f"{params} is refused without a reason"
                continue
            assert self.accelerator.canonical(form, run) == form, f"{form} has another normal form"
            groups.setdefault(Config({name: form}), []).append(params)
        assert groups, "every setting of the ranges is refused"
        merged = [(form[name], found[-1]) for form, found in groups.items() if len(found) > 1]
        for normal, other in merged[:_MOST_GROUPS]:
            assert same(self.output(place, normal), self.output(place, other)), (
                f"{other} computes something else than its form {normal}"
            )

    def test_invalid_settings_are_refused(self, place: tuple[str, str]) -> None:
        """Missing, unknown, mistyped and impossible parameters are all refused."""
        run = stack.run_info(shared(*place), STEPS, GUIDANCE)
        good = dict(self.setting(place))
        first = next(iter(good))
        wrongs: tuple[dict[str, Any], ...] = (
            {},
            {**good, "no_such_parameter": 1},
            {**good, first: "high"},
        )
        for wrong in wrongs:
            _refuses(functools.partial(self.accelerator.canonical, wrong, run))
        for params in self.invalid:
            form = self.accelerator.canonical({**good, **params}, run)
            assert isinstance(form, Refusal), f"{params} is not refused"
            said = [str(v) for v in params.values()]
            assert any(v in form.reason for v in said), f"{form.reason!r} does not name {said}"

    def test_output_changes(self, place: tuple[str, str]) -> None:
        """A plugin that does nothing is found out."""
        assert not same(self.output(place), plain(*place)), "the output is the plain pipeline's"

    def test_second_run_equals_the_first(self, place: tuple[str, str]) -> None:
        """No state goes from call to call, and handle and pipeline are the same call."""
        pipe = shared(*place)
        with self.accelerator.applied(pipe, self.setting(place)) as call:
            first = self.run(call)
            assert same(first, self.run(call)), "a second call differs from the first"
            assert same(first, self.run(pipe)), "pipe(...) differs from handle(...)"

    def test_other_runs_leave_no_trace(self, place: tuple[str, str]) -> None:
        """Other batch sizes, resolutions, steps and guidance in between change nothing."""
        pipe, expected = shared(*place), self.output(place)
        others: tuple[dict[str, Any], ...] = (
            {"prompt": ["a dog", "a cat", "a bird"]},
            {"size": 48},
            {"steps": STEPS + 3},
            {"guidance": 1.0},
            {"guidance": 1.0, "prompt": ["a dog", "a cat"]},
        )
        with self.accelerator.applied(pipe, self.setting(place)) as call:
            for other in others:
                self.run(call, **other)
                assert same(self.run(call), expected), f"a run with {other} left a trace"

    def test_undo_is_exact(self, place: tuple[str, str]) -> None:
        """Afterwards the pipeline is as before: output, classes, attributes, hooks, weights."""
        pipe = shared(*place)
        expected, before = plain(*place), traces(pipe)
        handle = self.accelerator.applied(pipe, self.setting(place))
        self.run(handle)
        handle.remove()
        handle.remove()
        after = traces(pipe)
        changed = [path for path in before.keys() | after if before.get(path) != after.get(path)]
        assert not changed, f"changed: {changed[:5]}"
        assert same(self.run(pipe), expected), "the plain output has changed"
        _refuses(lambda: handle("a cat"))

    def test_errors_in_mid_run_leave_no_trace(self, place: tuple[str, str]) -> None:
        """After a run that broke off, the next is right; so is the pipeline after undo."""
        pipe, expected = shared(*place), self.output(place)
        with self.accelerator.applied(pipe, self.setting(place)) as call:
            for calls in (1, STEPS // 2, STEPS - 1):
                self.failing_run(call, calls)
                assert same(self.run(call), expected), f"an error at call {calls} left a trace"
        with (
            contextlib.suppress(_PurposeError),
            self.accelerator.applied(pipe, self.setting(place)),
        ):
            self.failing_run(pipe, calls=3)
            raise _PurposeError
        assert same(self.run(pipe), plain(*place)), "the plain output has changed"

    def test_applying_twice_is_refused(self, place: tuple[str, str]) -> None:
        """Two handles on one denoiser could only be undone in one order."""
        pipe = shared(*place)
        with self.accelerator.applied(pipe, self.setting(place)) as call:
            expected = self.run(call)
            _refuses(lambda: self.accelerator.applied(pipe, self.setting(place)))
            assert same(self.run(call), expected), "the refused attempt left a trace"

    def test_global_generator_is_left_alone(self, place: tuple[str, str]) -> None:
        """Neither applying nor running draws from torch's global generator."""
        import torch

        before = torch.get_rng_state()
        self.output(place)
        assert same(torch.get_rng_state(), before), "torch's global generator has moved on"

    def test_generated_code_gives_the_same_image(self, place: tuple[str, str]) -> None:
        """Standalone programs, with packages or with hooks' source, do what `apply` does."""
        plugin, params = self.accelerator, self.setting(place)
        run = stack.run_info(shared(*place), STEPS, GUIDANCE)
        programs = [plugin.code(params, run)]
        if plugin.hook_source() is not None:
            programs.append(hook_lines((plugin,), Config({plugin.name: params}), run))
        for lines in filter(None, programs):
            output = run_program(lines, tiny_pipeline(*place), self.run)
            assert same(output, self.output(place)), f"another image from {lines.setup}"

    def test_work_is_counted(self, place: tuple[str, str]) -> None:
        """Counted work is a positive number."""
        run = stack.run_info(shared(*place), STEPS, GUIDANCE)
        pipe, config = shared(*place), Config({self.accelerator.name: self.setting(place)})
        found = composed_work((self.accelerator,), config, run, count(pipe))
        assert 0 < found < math.inf, f"{config}: {found} FLOPs"

    # What the clauses share.

    def settings(self, run: RunInfo) -> Iterator[dict[str, Number]]:
        """Settings of the ranges, the harshest first: the ends, then one parameter at a time."""
        ranges = self.accelerator.ranges(run)
        harsh = {name: dim.gently_first()[-1] for name, dim in ranges.items()}
        yield harsh
        yield {name: dim.gently_first()[0] for name, dim in ranges.items()}
        for name, dim in ranges.items():
            for value in dim.values():
                yield {**harsh, name: value}

    def setting(self, place: tuple[str, str]) -> Params:
        """The setting under test."""
        if self.params is not None:
            return self.params
        run = stack.run_info(shared(*place), STEPS, GUIDANCE)
        for params in self.settings(run):
            if not isinstance(self.accelerator.canonical(params, run), Refusal):
                return params
        raise AssertionError("every setting of the ranges is refused")

    def output(self, place: tuple[str, str], params: Params | None = None) -> Any:
        """The latents of one accelerated run."""
        chosen = self.setting(place) if params is None else params
        with self.accelerator.applied(shared(*place), chosen) as call:
            return self.run(call)

    def run(self, call: Any, **changes: Any) -> Any:
        """One call with the suite's arguments, or some of them changed."""
        return generate(call, **{"steps": STEPS, "guidance": GUIDANCE, **changes})

    def failing_run(self, call: Any, calls: int) -> None:
        """A run that fails in the scheduler's step number `calls`, counted from 1."""
        pipe, count = getattr(call, "pipe", call), itertools.count(1)
        original = pipe.scheduler.step

        def step(*args: Any, **kwargs: Any) -> Any:
            if next(count) == calls:
                raise _PurposeError
            return original(*args, **kwargs)

        pipe.scheduler.step = step
        reached = False
        try:
            self.run(call)
        except _PurposeError:
            reached = True
        finally:
            del pipe.scheduler.step
        assert reached, f"the run makes fewer than {calls} steps"


class _PurposeError(Exception):
    """Raised by the suite."""


@functools.cache
def shared(kind: str, scheduler: str) -> Any:
    """One pipeline for all tests: what one leaves behind, the next one finds."""
    return tiny_pipeline(kind, scheduler)


@functools.cache
def plain(kind: str, scheduler: str) -> Any:
    """The latents of a pipeline that nothing was ever applied to."""
    return generate(tiny_pipeline(kind, scheduler), steps=STEPS, guidance=GUIDANCE)


def _refuses(action: Callable[[], object]) -> None:
    said = ""
    try:
        action()
    except InputError as error:
        said = str(error) or "without a word"
    assert said, "it is not refused"
    assert said != "without a word", "a refusal must say why"
