"""The weights of many modules of one form, a row for each, and the updates of them all."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["StackedWeights"]


class StackedWeights:
    """Weights, gradients and Adam's moments of many modules.

    Parameters
    ----------
    modules : sequence of nn.Module
        Modules of one form.
    updates : sequence of (float, float)
        Learning rate and weight decay of each; equal ones stand side by side.

    Attributes
    ----------
    values : Tensor of shape (modules, n)
        All weights, in the order of a module's parameters.
    parameters : dict of str to nn.Parameter
        Views of `values` by name, of shape (modules, ...).
    """

    def __init__(
        self, modules: Sequence[nn.Module], updates: Sequence[tuple[float, float]]
    ) -> None:
        self.shapes = {name: part.shape for name, part in modules[0].named_parameters()}
        self.updates = list(updates)
        rows = [
            torch.cat([part.detach().reshape(-1) for part in module.parameters()])
            for module in modules
        ]
        self._begin(torch.stack(rows))

    def _begin(self, values: Tensor, state: dict[str, Tensor] | None = None) -> None:
        """Set up views and optimizer for these values, with the moments of an earlier one."""
        self.values = values
        self.gradient = torch.zeros_like(values)
        self.parameters = {name: nn.Parameter(view) for name, view in self._views(values)}
        self.gradients = [view for _, view in self._views(self.gradient)]
        groups, start = [], 0
        for (learning_rate, decay), members in groupby(self.updates):
            stop = start + len(list(members))
            part = nn.Parameter(values[start:stop])
            part.grad = self.gradient[start:stop]
            groups.append({"params": [part], "lr": learning_rate, "weight_decay": decay})
            start = stop
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        if state is not None:
            self._restore(state)

    def _views(self, flat: Tensor) -> Iterator[tuple[str, Tensor]]:
        sizes = [shape.numel() for shape in self.shapes.values()]
        for (name, shape), piece in zip(self.shapes.items(), flat.split(sizes, dim=1), strict=True):
            yield name, piece.unflatten(1, shape) if shape else piece[:, 0]

    def update(self, loss: Tensor) -> None:
        """Follow the gradient of the sum of the losses."""
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        for mine, gradient in zip(self.gradients, gradients, strict=True):
            mine.copy_(gradient)
        self.optimizer.step()

    def _states(self) -> list[dict[str, Tensor]]:
        return [self.optimizer.state[group["params"][0]] for group in self.optimizer.param_groups]

    def _state(self) -> dict[str, Tensor]:
        """Return the number of updates and the moments of all modules, a row for each."""
        states = self._states()
        moments = {
            name: torch.cat([state[name] for state in states]) for name in ("exp_avg", "exp_avg_sq")
        }
        return {"step": states[0]["step"]} | moments

    def _restore(self, state: dict[str, Tensor]) -> None:
        start = 0
        for group in self.optimizer.param_groups:
            part = group["params"][0]
            rows = slice(start, start + len(part))
            self.optimizer.state[part] = {
                name: value.clone() if name == "step" else value[rows]
                for name, value in state.items()
            }
            start += len(part)

    def optimizer_state(self, i: int) -> dict[str, Any]:
        """Return the state of an optimizer that has trained module i alone."""
        learning_rate, decay = self.updates[i]
        part = nn.Parameter(self.values[i].clone())
        alone = torch.optim.AdamW([part], lr=learning_rate, weight_decay=decay, fused=True)
        state = self._state()
        alone.state[part] = {
            name: value.clone() if name == "step" else value[i].clone()
            for name, value in state.items()
        }
        return alone.state_dict()

    def bring_back(self, row: Tensor, module: nn.Module) -> None:
        """Copy a row of weights into a module, and put it into evaluation mode."""
        views = dict(self._views(row[None]))
        for name, part in module.named_parameters():
            part.data = views[name][0].clone()
        module.eval()

    def keep(self, rows: Sequence[int]) -> None:
        """Leave out all modules but these."""
        if not rows:
            return
        state = self._state()
        kept = {k: v if k == "step" else v[list(rows)] for k, v in state.items()}
        self.updates = [self.updates[i] for i in rows]
        self._begin(self.values[list(rows)], kept)
