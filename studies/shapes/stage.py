"""What every training stage does alike: schedule, checkpoints, time limits, a log line.

Several processes of one thread each train faster on a CPU than one process of several threads; they
draw different batches and share the mean of their gradients. Process 0 saves and logs.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def process() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def n_processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


@dataclass
class Stage:
    """A resumable training run of one model under warm-up, constant rate and final decay.

    The decay's length is a share of the steps made before it, so `stop_file` (touch it) or the
    time limit may end a run at any moment and it still ends on a decayed rate.
    """

    name: str
    model: nn.Module
    folder: Path
    steps: int
    rate: float
    minutes: float = 1e9
    warmup: int = 100
    decay: float = 0.2
    ema: float = 0.0
    weight_decay: float = 0.01
    save_every_s: float = 120.0
    step: int = 0
    spent_s: float = 0.0
    first_step: int = 0  # where this optimizer began: not 0 after `restore`
    decay_from: int | None = None
    decay_until: int | None = None
    ending: bool = False
    on_save: Callable[[], None] | None = None
    # Orthogonalised steps (Muon) for the matrices inside blocks: a transformer learns faster so.
    muon: bool = False
    matrices: torch.optim.Optimizer | None = field(init=False, default=None)
    average: nn.Module = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.model).requires_grad_(False) if self.ema else self.model
        inner = self._inner_matrices()
        chosen = {id(weight) for weight in inner}
        weights = [p for p in self.model.parameters() if p.requires_grad and id(p) not in chosen]
        if inner:
            self.matrices = torch.optim.Muon(
                inner, lr=self.rate, weight_decay=self.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        groups: list[dict[str, Any]] = [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.99), fused=True)
        if self.path.exists():
            self._restore(torch.load(self.path, weights_only=True))

    def _inner_matrices(self) -> list[nn.Parameter]:
        named = self.model.named_parameters() if self.muon else ()
        return [p for name, p in named if "blocks." in name and p.ndim == 2 and "table" not in name]

    @property
    def optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer, *([self.matrices] if self.matrices else [])]

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.pt"

    @property
    def stop_file(self) -> Path:
        return self.folder / f"{self.name}.stop"

    def current_rate(self) -> float:
        """The learning rate of this step."""
        rate = self.rate * min(1.0, (self.step + 1 - self.first_step) / self.warmup)
        if self.decay_from is None or self.decay_until is None:
            return rate
        left = (self.decay_until - self.step) / max(1, self.decay_until - self.decay_from)
        return rate * max(0.01, left)

    def run(self, loss_of: Callable[[torch.Generator], Tensor]) -> None:
        """Trains to the end; `loss_of` draws its batch from the generator of the step."""
        saved = time.perf_counter()
        total, n_total = 0.0, 0
        while not self._finished():
            started = time.perf_counter()
            for group in (group for each in self.optimizers for group in each.param_groups):
                group["lr"] = self.current_rate()
            loss = loss_of(torch.Generator().manual_seed(self.step * n_processes() + process()))
            self.model.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._share()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
            self.step += 1
            self._update_average()
            self.spent_s += time.perf_counter() - started
            total, n_total = total + float(loss.detach()), n_total + 1
            if self.step % 50 == 0 and process() == 0:
                print(
                    f"{time.strftime('%H:%M:%S')} {self.name} step {self.step} "
                    f"loss {total / n_total:.4f} rate {self.current_rate():.2e} "
                    f"{self.spent_s / 60:.1f} min {self.spent_s / self.step:.3f} s/step",
                    flush=True,
                )
                total, n_total = 0.0, 0
            if time.perf_counter() - saved > self.save_every_s:
                self.save()
                saved = time.perf_counter()
        self.save()

    def _finished(self) -> bool:
        if self.decay_from is None and self.ending:
            self.decay_from = self.step
            made = self.step - self.first_step
            self.decay_until = self.step + max(1, int(made * self.decay / (1 - self.decay)))
        return self.decay_until is not None and self.step >= self.decay_until

    @torch.no_grad()
    def _share(self) -> None:
        """Replaces gradients by their mean over the processes; process 0 says when to decay."""
        planned = self.step + 1 >= int(self.steps * (1 - self.decay))
        out_of_time = self.spent_s > 60 * self.minutes * (1 - self.decay)
        ending = planned or out_of_time or self.stop_file.exists()
        if n_processes() > 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            flag = torch.tensor([float(ending and process() == 0)])
            flat = torch.cat([*(gradient.flatten() for gradient in gradients), flag])
            dist.all_reduce(flat)
            ending = bool(flat[-1] > 0)
            flat /= n_processes()
            parts = flat[:-1].split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        self.ending = ending

    @torch.no_grad()
    def _update_average(self) -> None:
        if not self.ema:
            return
        made = self.step - self.first_step
        keep = min(self.ema, (1 + made) / (10 + made))
        ours, theirs = list(self.average.parameters()), list(self.model.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - keep)

    def save(self) -> None:
        """Writes the checkpoint atomically, then calls `on_save`."""
        if process() != 0:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict() if self.ema else None,
            "optimizer": self.optimizer.state_dict(),
            "matrices": self.matrices.state_dict() if self.matrices else None,
            "step": self.step,
            "spent_s": self.spent_s,
            "first_step": self.first_step,
            "decay": (self.decay_from, self.decay_until),
        }
        partial = self.path.with_suffix(".partial")
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        partial.replace(self.path)
        if self.on_save:
            self.on_save()

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        if self.ema:
            self.average.load_state_dict(state["average"])
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.first_step = state.get("first_step", 0)
        if state["optimizer"] is None:
            self.first_step = self.step
        else:
            self.optimizer.load_state_dict(state["optimizer"])
            if self.matrices:
                self.matrices.load_state_dict(state["matrices"])
        self.decay_from, self.decay_until = state["decay"]
