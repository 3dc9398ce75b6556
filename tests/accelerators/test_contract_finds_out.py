"""The contract suite on plugins that break it, one clause each."""

import functools

import pytest

from accel_opt.accelerators.base import Accelerator, CodeLines, Preset
from accel_opt.core.dims import Int
from accel_opt.core.run import Refusal
from accel_opt.testing import AcceleratorContract

PLACE = ("pixart-alpha", "DDIMScheduler")


class Scaling:
    """A harmless technique: scales the denoiser's output a little."""

    def __init__(self, run, strength):
        original = run.denoiser.forward

        @functools.wraps(original)
        def forward(*args, **kwargs):
            output = original(*args, **kwargs)
            return (output[0] * (1 - 0.01 * strength), *output[1:])

        run.denoiser.forward = forward


class Honest(Accelerator):
    name = "honest"
    reference = "none"
    params = {"strength": Int(1, 3)}  # noqa: RUF012
    hooks = Scaling

    def supports(self, pipe):
        return None if hasattr(pipe, "transformer") else Refusal("needs a transformer")

    def canonical(self, params, run):
        values = self.parse(params)
        if values["strength"] < 1:
            return Refusal(f"strength={values['strength']} must be 1 or more")
        return values


class Idle(Honest):
    hooks = staticmethod(lambda run, strength: None)


class Forgetful(Honest):
    def apply(self, pipe, params, run):
        calls = []

        def hook(_module, _args, output):
            calls.append(1)
            return (output[0] * (1 - 0.001 * len(calls)), *output[1:])

        run.denoiser.register_forward_hook(hook)


class Wasteful(Honest):
    def apply(self, pipe, params, run):
        import torch

        super().apply(pipe, params, run)
        torch.rand(1)


class Destructive(Honest):
    def apply(self, pipe, params, run):
        import torch

        with torch.no_grad():
            run.denoiser.proj_out.weight.mul_(0.5)


class Silent(Honest):
    def supports(self, pipe):
        return None if hasattr(pipe, "transformer") else Refusal("")


class Unstable(Honest):
    def canonical(self, params, run):
        return {"strength": self.parse(params)["strength"] + 1}


class Merging(Honest):
    def canonical(self, params, run):
        return {**self.parse(params), "strength": 1}


class Lenient(Honest):
    def canonical(self, params, run):
        return {"strength": 1}


class Careless(Honest):
    presets = (Preset({"power": 1}, "nowhere"),)


class Miscoded(Honest):
    def code(self, params, run):
        return CodeLines(imports=("import torch",))


def clause(plugin, name, *arguments, **attributes):
    suite = type("Suite", (AcceleratorContract,), {"accelerator": plugin(), **attributes})()
    return getattr(suite, name)(*arguments)


CLAUSES = [name for name in vars(AcceleratorContract) if name.startswith("test_")]
WITHOUT_PLACE = [
    "test_metadata",
    "test_parameters_survive_json",
    "test_unsupported_pipelines_are_refused_with_a_reason",
]


@pytest.mark.parametrize("name", CLAUSES)
def test_an_honest_plugin_passes(name):
    clause(Honest, name, *(() if name in WITHOUT_PLACE else (PLACE,)))


@pytest.mark.parametrize(
    ("plugin", "name"),
    [
        (Idle, "test_output_changes"),
        (Forgetful, "test_second_run_equals_the_first"),
        (Forgetful, "test_other_runs_leave_no_trace"),
        (Forgetful, "test_errors_in_mid_run_leave_no_trace"),
        (Wasteful, "test_global_generator_is_left_alone"),
        (Silent, "test_unsupported_pipelines_are_refused_with_a_reason"),
        (Unstable, "test_normal_forms"),
        (Merging, "test_normal_forms"),
        (Lenient, "test_invalid_settings_are_refused"),
        (Miscoded, "test_generated_code_gives_the_same_image"),
    ],
)
def test_a_broken_promise_is_found(plugin, name):
    arguments = () if name in WITHOUT_PLACE else (PLACE,)
    with pytest.raises(AssertionError):
        clause(plugin, name, *arguments)


def test_impossible_presets_are_found():
    with pytest.raises(ValueError, match="power"):
        clause(Careless, "test_metadata")


def test_what_must_be_refused_is_checked():
    clause(Honest, "test_invalid_settings_are_refused", PLACE, invalid=({"strength": 0},))
    with pytest.raises(AssertionError, match="not refused"):
        clause(Honest, "test_invalid_settings_are_refused", PLACE, invalid=({"strength": 2},))


def test_written_weights_are_found(monkeypatch):
    from accel_opt.testing import contract, tiny_pipeline

    spoilt = tiny_pipeline(*PLACE)  # not the one that other tests share
    monkeypatch.setattr(contract, "shared", lambda *_: spoilt)
    with pytest.raises(AssertionError, match="transformer weights"):
        clause(Destructive, "test_undo_is_exact", PLACE)
