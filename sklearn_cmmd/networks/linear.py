"""A linear path from x_O to x_M beside the networks of the decoder."""

import torch
from torch import Tensor, nn

# The gates learn so many times as fast as weights: a fit makes a few hundred steps.
GATE_SPEED = 10.0


class LinearPath(nn.Module):
    """A linear map whose coefficients are fixed, times a gate that is learned for each column.

    The coefficients are zero until a fit sets them. Learned by gradient they would know the
    training rows by heart; a gate can do little harm.
    """

    def __init__(self, n_observed: int, n_columns: int) -> None:
        super().__init__()
        self.coef: Tensor
        coef = torch.zeros(n_columns, n_observed, dtype=torch.float32, device="cpu")
        self.register_buffer("coef", coef)
        self.gate = nn.Parameter(torch.zeros(n_columns, dtype=torch.float32, device="cpu"))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_observed) to (..., n_columns)."""
        # Outside autocast, since it may be all of a column that is known.
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.linear(x, self.coef) * (1 + GATE_SPEED * self.gate)
