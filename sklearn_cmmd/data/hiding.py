"""Modalities of x_O that rows may lack, in minibatches: what a row lacks is a part of its x_M.

In training some of those that a row has are hidden from it, so that the networks learn to do
without: x_O is what is left, and x_M the rest.
"""

import numpy as np
import torch
from torch import Tensor

from sklearn_cmmd.data.batch import Batch, View
from sklearn_cmmd.data.blocks import Block
from sklearn_cmmd.data.layout import Layout, Side
from sklearn_cmmd.data.tables import Table


class Hiding:
    """Hides optional modalities of minibatches.

    Of a row that has several, each is hidden with its own probability, but never the last one. Each
    minibatch has the columns of values and of masks in `observed`, and in `missing` the optional
    modalities after all others.
    """

    def __init__(self, layout: Layout, device: torch.device) -> None:
        observed, generated = layout.observed, layout.optional
        assert generated is not None
        columns, optional = layout.optional_columns, list(observed.optional)
        self.n_optional = len(optional)
        self.n_missing = 0 if layout.missing is None else len(layout.missing.scale)
        self.n_others = 0 if layout.missing is None else len(layout.missing.modalities)
        self.has_fixed = self.n_optional < len(observed.modalities)
        # For each column of x_O the number of its optional modality; of none, one more.
        number = np.full(len(observed.scale) + self.n_optional, self.n_optional)
        for place, each in enumerate(optional):
            number[observed.modalities[each].columns] = place
        number[len(observed.scale) :] = np.arange(self.n_optional)
        # What is generated may be in other units than what is observed, and is no square root.
        root = observed.root[columns]
        unit = np.where(root, np.sqrt(generated.scale), generated.scale)
        away = generated.loc / generated.scale
        factor, shift = observed.scale[columns] / unit, observed.loc[columns] / unit
        often = np.array(list(observed.optional.values()), np.float32)
        self.number, self.columns = (
            torch.from_numpy(each).to(device) for each in (number, columns)
        )
        self.often = torch.from_numpy(often).to(device)
        self.factor, self.shift, self.away = (
            torch.from_numpy(each.astype(np.float32)).to(device)
            for each in (factor, np.where(root, shift, shift - away), away)
        )
        self.root = torch.from_numpy(root).to(device) if root.any() else None

    def paired(self, x: Tensor, missing: View | None) -> View:
        """Return the missing modalities, and after them the optional ones, which nobody lacks."""
        own = x[:, self.columns] * self.factor + self.shift
        if self.root is not None:
            own = torch.where(self.root, own * own.abs() - self.away, own)
        lacks_none = x.new_zeros(len(x), self.n_optional)
        if missing is None:
            missing = View(x.new_zeros(len(x), self.n_missing), x.new_zeros(len(x), self.n_others))
        mask = x.new_ones(len(x), self.n_others) if missing.mask is None else missing.mask
        return View(torch.cat([missing.values, own], dim=1), torch.cat([mask, lacks_none], dim=1))

    def hide(self, batch: Batch, uniform: Tensor) -> Batch:
        """Hide some modalities of each row, by random numbers in [0, 1), (batch, n_optional)."""
        x, missing = batch.observed.values, batch.missing
        assert missing is not None
        assert missing.mask is not None
        has = x[:, -self.n_optional :]
        keeps = kept(has, uniform, self.often, self.has_fixed)
        of_columns = torch.cat([keeps, torch.ones_like(keeps[:, :1])], dim=1)[:, self.number]
        mask = torch.cat([missing.mask[:, : self.n_others], has * (1 - keeps)], dim=1)
        has_pair = mask.any(dim=1).to(x)
        return batch._replace(
            observed=View(x * of_columns),
            missing=View(missing.values, mask),
            pair_weight=has_pair if batch.weight is None else has_pair * batch.weight,
        )


def kept(has: Tensor, uniform: Tensor, often: Tensor, has_fixed: bool) -> Tensor:
    """Return 1 for what a row keeps, else 0, (batch, n_optional).

    `has` says which optional modalities a row has, `has_fixed` whether it has others too.
    """
    keeps = (uniform >= often).to(has)
    if has_fixed:
        return keeps
    left = (keeps * has).any(dim=1, keepdim=True)
    # Of those that a row has, the one of the greatest number, which may be zero.
    greatest = ((uniform + 1) * has).argmax(dim=1, keepdim=True)
    last = torch.zeros_like(keeps).scatter_(1, greatest, 1)
    return torch.where(left, keeps, last)


def hidden(table: Table, rows: np.ndarray, side: Side, seed: int) -> Table:
    """Return a table of some rows of X, of which modalities are hidden as in training."""
    values, optional = side.read(table, rows), [side.modalities[each] for each in side.optional]
    has = ~np.isnan(values[:, [modality.columns[0] for modality in optional]])
    uniform = np.random.default_rng(seed).random(has.shape)
    often = torch.tensor(list(side.optional.values()), dtype=torch.float64, device="cpu")
    known = torch.from_numpy(has.astype(np.float64)), torch.from_numpy(uniform)
    keeps = kept(*known, often, len(optional) < len(side.modalities)).numpy()
    for modality, keeps_it in zip(optional, keeps.T, strict=True):
        values[np.ix_(keeps_it == 0, modality.columns)] = np.nan
    ends = np.cumsum(list(side.widths.values()))[:-1]
    parts = np.split(values, ends, axis=1)
    blocks = {key: Block(part) for key, part in zip(side.widths, parts, strict=True)}
    return Table(table.name, table.owner, blocks, {}, {}, {}, has_gaps=True)
