"""The weights of a module in one tensor, so that an update of them all is one operation."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["FlatParameters"]


class FlatParameters:
    """All trainable parameters of a module, which become views of one tensor, and their gradients.

    Parameters
    ----------
    module : nn.Module
        The module; its parameters keep their shapes, values and names.

    Attributes
    ----------
    values : nn.Parameter of shape (n,)
        What an optimizer is given.
    """

    def __init__(self, module: nn.Module) -> None:
        self.parts = [part for part in module.parameters() if part.requires_grad]
        self.values = nn.Parameter(torch.cat([part.detach().reshape(-1) for part in self.parts]))
        self.gradient = torch.zeros_like(self.values)
        self.values.grad = self.gradient
        for part, value, gradient in zip(
            self.parts, self._views(self.values.data), self._views(self.gradient), strict=True
        ):
            part.data, part.grad = value, gradient

    def _views(self, flat: Tensor) -> Iterator[Tensor]:
        sizes = [part.numel() for part in self.parts]
        for part, piece in zip(self.parts, flat.split(sizes), strict=True):
            yield piece.view_as(part)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Update the weights, but for those that a callback has frozen since."""
        frozen = [(part, part.detach().clone()) for part in self.parts if not part.requires_grad]
        optimizer.step()
        for part, before in frozen:
            part.data.copy_(before)

    def release(self) -> None:
        """Give every parameter a tensor of its own again, and drop the gradients."""
        for part in self.parts:
            part.data, part.grad = part.data.clone(), None
