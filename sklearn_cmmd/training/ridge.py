r"""Ridge regression of x_M on x_O, where the decoder's linear path begins.

With the eigenvalues :math:`\lambda` and vectors V of :math:`X^T X`, and :math:`c = V^T X^T Y`, the
coefficients are :math:`V (\lambda + \nu)^{-1} c`. A column's penalty :math:`\nu` is that of the
least generalised cross-validation [1]_,

.. math:: GCV(\nu) = \frac{n \lVert Y - \hat Y \rVert^2}
    {(n - 1 - 1.2 \sum \lambda / (\lambda + \nu))^2},

in which a degree of freedom costs 1.2 rather than 1, against interpolation [2]_.

`sklearn.linear_model.RidgeCV` does the same with arrays in memory. Here rows may be streamed or on
a GPU, and are read once.

It takes n p² + p³ operations for p columns of x_O, or n² p + n³ where there are fewer rows than
columns, with the eigenvectors of :math:`X X^T`.

References
----------
.. [1] Golub, Heath, Wahba. Generalized cross-validation as a method for choosing a good ridge
   parameter. Technometrics 21 (1979).
.. [2] Kim, Gu. Smoothing spline Gaussian regression: more scalable computation via efficient
   approximation. Journal of the Royal Statistical Society B 66 (2004).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from sklearn_cmmd._random import generator
from sklearn_cmmd.data.batches import Batches
from sklearn_cmmd.data.paired import PairedRows
from sklearn_cmmd.networks.cmmd import CMMD

PENALTIES = torch.logspace(-5, 2, 15, dtype=torch.float64, device="cpu").tolist()  # a row
# What a degree of freedom costs. At 1, a few rows that nearly repeat, in x_O and in x_M, make a
# regression that goes through all rows the best.
COST = 1.2
CHUNK_ROWS = 4096
# Of rows none of which has what is regressed, all coefficients are zero.
LEAST_WEIGHT = 1e-6
# With more columns than this, no more rows than this are looked at.
MOST_DIMENSIONS = 4096

Part = tuple[Tensor, Tensor, Tensor]


class Spectrum(NamedTuple):
    """A regression problem in the basis in which each direction is shrunk by itself."""

    values: Tensor  # (r,) eigenvalues
    squares: Tensor  # (r, columns) what each direction explains of a column, times its eigenvalue
    total: Tensor  # (columns,) sum of the squares of a column
    n: Tensor  # () number of rows
    coefficients: Callable[[Tensor], Tensor]  # of factors (r, columns): to (columns, n_observed)


def begin_linear_paths(module: CMMD, rows: PairedRows) -> None:
    """Set the coefficients of the decoder's linear paths, each by the rows that have x_M.

    They are those of a ridge regression. The share of it that is added begins where its odds are
    the square of those of the variance that it explains, so that what tells little is hardly there.
    """
    paths: Any = {} if module.decoder is None else module.decoder.paths
    for number, path in paths.items():
        columns = module.architecture.missing[int(number)].columns
        coefficients, explained = ridge(rows, int(number), columns)
        squares = explained.square(), (1 - explained).square()
        path.begin(coefficients, squares[0] / sum(squares))


@torch.no_grad()
def ridge(rows: PairedRows, number: int, columns: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Regress some columns, which are those of the missing modality of this number.

    Returns the coefficients, (columns, n_observed), and the shares of the variance that they
    explain, (columns,).
    """
    n_observed = next(iter(Batches(rows, CHUNK_ROWS))).observed.values.shape[1]
    if n_observed > MOST_DIMENSIONS:
        step = -(-len(rows) // MOST_DIMENSIONS)
        rows = rows.subset(torch.arange(0, len(rows), step, device="cpu").numpy())
    parts = _parts(rows, number, torch.tensor(columns, device=rows.device))
    spectrum = (_by_columns if len(rows) > n_observed else _by_rows)(parts)
    penalty, explained = penalties(spectrum)
    return spectrum.coefficients(1 / (spectrum.values[:, None] + penalty)), explained


def _parts(rows: PairedRows, number: int, columns: Tensor) -> Iterator[Part]:
    """Yield x_O, the columns and the weights of some rows at a time, hidden as in training."""
    drawn = generator(0, rows.device)
    for batch in Batches(rows, CHUNK_ROWS):
        if rows.hiding is not None:
            shape = batch.n_rows, rows.hiding.n_optional
            uniform = torch.empty(shape, dtype=torch.float32, device=rows.device)
            uniform.uniform_(generator=drawn)
            # What is regressed is hidden from every row.
            uniform[
                :, [number - rows.hiding.n_others] if number >= rows.hiding.n_others else []
            ] = 0
            batch = rows.hiding.hide(batch, uniform)
        x = batch.observed.values.double()
        missing = cast(Any, batch.missing)
        weight = x.new_ones(len(x)) if batch.weight is None else batch.weight.double()
        if missing.mask is not None:
            weight = weight * missing.mask[:, number]
        yield x, missing.values[:, columns].double(), weight


def _by_columns(parts: Iterator[Part]) -> Spectrum:
    """Decompose the products of the columns, summed over the parts."""
    sums: list[Any] = [0.0] * 6
    for x, y, weight in parts:
        weighted = x * weight[:, None]
        new = (
            weight.sum(),
            weighted.sum(0),
            weight @ y,
            weighted.T @ x,
            weighted.T @ y,
            weight @ y.square(),
        )
        sums = [total + part for total, part in zip(sums, new, strict=True)]
    n, of_x, of_y, gram, cross, squares = sums
    n = n.clamp_min(LEAST_WEIGHT)
    values, vectors = torch.linalg.eigh(gram - torch.outer(of_x, of_x) / n)
    cross = vectors.T @ (cross - torch.outer(of_x, of_y) / n)

    def coefficients(factors: Tensor) -> Tensor:
        return (vectors @ (factors * cross)).T

    total = squares - of_y.square() / n
    return Spectrum(values.clamp_min(0), cross.square(), total, n, coefficients)


def _by_rows(parts: Iterator[Part]) -> Spectrum:
    """Decompose the products of the rows, of which there are fewer."""
    x, y, weight = (torch.cat(columns) for columns in zip(*parts, strict=True))
    n, root = weight.sum().clamp_min(LEAST_WEIGHT), weight.sqrt()[:, None]
    x, y = (root * (part - weight @ part / n) for part in (x, y))
    values, vectors = torch.linalg.eigh(x @ x.T)
    cross = vectors.T @ y

    def coefficients(factors: Tensor) -> Tensor:
        return (x.T @ (vectors @ (factors * cross))).T

    values = values.clamp_min(0)
    squares = values[:, None] * cross.square()
    return Spectrum(values, squares, y.square().sum(0), n, coefficients)


def penalties(spectrum: Spectrum) -> tuple[Tensor, Tensor]:
    """Return the penalty of each column, and the share of its variance that is explained then."""
    values, squares, total, n, _ = spectrum
    penalty = torch.full_like(total, PENALTIES[-1]) * n
    least = torch.full_like(total, torch.inf)
    for nu in [n * each for each in PENALTIES]:
        shrunk = (values + 2 * nu) / (values + nu).square()
        error = (total - shrunk @ squares).clamp_min(0)
        free = n - 1 - COST * (values / (values + nu)).sum()
        if free <= 0:
            continue
        score = n * error / free.square()
        better = score < least
        least, penalty = torch.where(better, score, least), torch.where(better, nu, penalty)
    return penalty, (1 - least * n / total).nan_to_num(0, 0, 0).clamp(0, 1)
