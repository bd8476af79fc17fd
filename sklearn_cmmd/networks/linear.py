"""A linear path from x_O to x_M beside the networks of the decoder."""

import torch
from torch import Tensor, nn

# The shares learn so many times as fast as weights: a fit makes a few hundred steps.
SHARE_SPEED = 3.0
LEAST_SHARE = 1e-3


class LinearPath(nn.Module):
    """A linear map whose coefficients are fixed, times a share in (0, 1) learned for each column.

    The coefficients are zero until `begin`. Learned by gradient they would know the training rows
    by heart; a share can do little harm.
    """

    def __init__(self, n_observed: int, n_columns: int) -> None:
        super().__init__()
        self.coef: Tensor
        coef = torch.zeros(n_columns, n_observed, dtype=torch.float32, device="cpu")
        self.register_buffer("coef", coef)
        self.raw = nn.Parameter(torch.zeros(n_columns, dtype=torch.float32, device="cpu"))

    @torch.no_grad()
    def begin(self, coef: Tensor, share: Tensor) -> None:
        """Set the coefficients, (columns, n_observed), and where the shares begin, (columns,)."""
        self.coef.copy_(coef)
        self.raw.copy_(share.clamp(LEAST_SHARE, 1 - LEAST_SHARE).logit() / SHARE_SPEED)

    @property
    def share(self) -> Tensor:
        """The share of each column's linear map that is added."""
        return torch.sigmoid(SHARE_SPEED * self.raw)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_observed) to (..., n_columns)."""
        # Outside autocast, since it may be all of a column that is known.
        with torch.autocast(x.device.type, enabled=False):
            return nn.functional.linear(x, self.coef) * self.share
