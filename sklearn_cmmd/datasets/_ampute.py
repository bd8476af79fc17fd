"""Views of rows hidden, for the evaluation of what goes on without them."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import brentq
from scipy.special import comb, expit, logit
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.data.columns import resolve_columns
from sklearn_cmmd.data.containers import is_mapping, is_pandas, parts_of, title
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.data.tables import Table, read_table

MECHANISMS = ("mcar", "mar")
LEAST = 1e-12  # of a mean probability that is not zero, and of its distance from one


def ampute(
    X: Any,
    share: float = 0.3,
    *,
    mechanism: str = "mcar",
    modalities: Sequence[Modality] | Mapping[str, Any] | None = None,
    given: str | None = None,
    patterns: Mapping[Any, float] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Hide whole views of rows, of which every row keeps at least one.

    A view is hidden by NaN in all of its columns. With V views, of which :math:`a_{iv} = 1` says
    that row i lacks view v, the expected share of the :math:`a_{iv}` that are 1 is `share`, but
    where `patterns` are given.

    Parameters
    ----------
    X : mapping of names to arrays or DataFrames of shape (n, ...), or a table of shape (n, columns)
        The views, without NaN. It stays as it is.
    share : float, default=0.3
        Expected share of the views that are absent, from 0 to (V − 1) / V, at which every row keeps
        one view. Without effect on `patterns`.
    mechanism : {"mcar", "mar"}, default="mcar"
        What decides which views a row lacks, one of

        - "mcar", completely at random: each view is absent with probability q independently of the
          others, and rows that would lack every view are drawn anew. Hence

          .. math:: P(a_i) \propto q^{|a_i|} (1 - q)^{V - |a_i|}, \quad |a_i| < V,

          and q solves :math:`\sum_{k=1}^{V-1} q^k / \sum_{k=0}^{V-1} q^k` = `share`, as the left
          side is the probability that a view is absent;
        - "mar", at random given another view g that every row has: each of the others is absent
          independently with probability

          .. math:: P(a_{iv} = 1 | x_{ig}) = \sigma(c + s_i), \quad v \ne g,

          where :math:`s_i` is the first principal component of the standardised columns of g, over
          its standard deviation. The constant c is such that these probabilities have the mean
          `share` V / (V − 1) over the rows.
    modalities : list of Modality, or mapping of names to columns, default=None
        Which columns of a table belong to which view, as in
        :class:`~sklearn_cmmd.Modality`. Left out for a mapping, whose entries are the views.
    given : str, default=None
        Name of the view g of "mar". None stands for the first.
    patterns : mapping of names to float, default=None
        Instead of `share` and `mechanism`: probabilities of the combinations of views that a row
        lacks, such as ``{("mri", "blood"): 0.2, "blood": 0.1}``. Rows lack nothing with the
        probability that is left.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    mapping, ndarray or DataFrame
        A copy in the form of `X`, with NaN where a view is absent. DataFrames of pandas stay so,
        other tables become arrays. Floats keep their dtype, other numbers become float64.

    Raises
    ------
    ValueError, TypeError
        If there are fewer than two views, NaN or a sparse matrix, or if the share, the mechanism or
        a pattern is none that there can be.

    References
    ----------
    .. [1] R. M. Schouten, P. Lugtig, G. Vink, "Generating missing values for simulation purposes: a
       multivariate amputation procedure", Journal of Statistical Computation and Simulation 88
       (2018), whose logistic function of a score "mar" follows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd.datasets import ampute
    >>> X = {"mri": np.ones((1000, 5)), "pet": np.ones((1000, 3)), "blood": np.ones((1000, 2))}
    >>> some = ampute(X, 0.4, random_state=0)
    >>> absent = np.column_stack([np.isnan(view).all(axis=1) for view in some.values()])
    >>> absent.all(axis=1).any()
    np.False_
    >>> abs(absent.mean() - 0.4) < 0.05
    np.True_

    A table, in which the blood is missing in one row of ten:

    >>> table = np.ones((1000, 10))
    >>> views = {"mri": slice(0, 8), "blood": [8, 9]}
    >>> some = ampute(table, modalities=views, patterns={"blood": 0.1}, random_state=0)
    >>> np.isnan(some).any(axis=0).tolist()
    [False, False, False, False, False, False, False, False, True, True]
    """
    (rng,) = uniform_streams(random_state, 1)
    _check_choices(share, mechanism, given, patterns)
    table, views = _read(X, modalities, min_rows=1 + (mechanism == "mar"))
    names = [view.name for view in views]
    if patterns is not None:
        absent = _by_pattern(*_read_patterns(patterns, names), table.n_rows, rng)
        return _hidden(X, table, views, absent)
    _check_share(share, len(names))
    if mechanism == "mcar":
        return _hidden(X, table, views, _at_random(table.n_rows, len(names), share, rng))
    place = _place(given, names)
    return _hidden(X, table, views, _given_a_view(table, views, place, share, rng))


def _check_choices(share: Any, mechanism: str, given: str | None, patterns: Any) -> None:
    if not isinstance(share, Real) or isinstance(share, bool):
        raise TypeError(f"share must be a number. Got {share!r} instead.")
    if mechanism not in MECHANISMS:
        raise ValueError(f"mechanism must be one of {list(MECHANISMS)}. Got {mechanism!r} instead.")
    if given is not None and mechanism != "mar":
        raise ValueError("given names the view that mechanism='mar' goes by. Leave it out.")
    if patterns is not None and not isinstance(patterns, Mapping):
        raise TypeError(
            "patterns must be a mapping of the names of absent views to probabilities, such as "
            f"{{('mri', 'blood'): 0.2}}. Got {type(patterns).__name__} instead."
        )
    if patterns is not None and mechanism != "mcar":
        raise ValueError("patterns stand instead of a mechanism. Leave one of them out.")


def _check_share(share: float, n_views: int) -> None:
    most = (n_views - 1) / n_views
    if not 0 <= share <= most:
        raise ValueError(
            f"share must be from 0 to {most:.4g}, since each row keeps one of {n_views} views. Got "
            f"{share!r} instead."
        )


def _read(X: Any, modalities: Any, min_rows: int) -> tuple[Table, list[Modality]]:
    """Return the checked data, and the views with the positions of their columns."""
    for key, part in parts_of(X, "X").items():
        if sp.issparse(part):
            raise TypeError(
                f"{title('X', key)} is sparse, and a sparse matrix has no gaps. Pass a dense "
                "array, .toarray()."
            )
    table = read_table(X, "X", None, min_rows)
    views = resolve_columns(_described(modalities, table), table)
    if len(views) < 2:
        raise ValueError(
            f"X has one view only, {views[0].name!r}, which every row keeps. Pass two or more."
        )
    return table, views


def _described(modalities: Any, table: Table) -> list[Modality] | None:
    if table.is_mapping:
        if modalities is not None:
            raise ValueError("X is a mapping, whose entries are the views. Leave out modalities.")
        return None
    if isinstance(modalities, Mapping):
        return [Modality(name, columns) for name, columns in modalities.items()]
    is_list = isinstance(modalities, (list, tuple))
    if not is_list or not all(isinstance(each, Modality) for each in modalities):
        raise TypeError(
            "X is a table, of which modalities must name the views: a list of Modality, or a "
            f"mapping of names to columns. Got {modalities!r} instead."
        )
    return list(modalities)


def _place(name: str | None, names: list[str]) -> int:
    if name is not None and name not in names:
        raise ValueError(f"given must be one of the views {names}. Got {name!r} instead.")
    return 0 if name is None else names.index(name)


def _at_random(n_rows: int, n_views: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw how many views each row lacks, and then which, all being equally likely."""
    draws = rng.random((n_rows, n_views + 1))
    ends = np.cumsum(_chances_of_numbers(n_views, share))[:-1]
    numbers = np.searchsorted(ends, draws[:, 0], side="right")
    ranks = draws[:, 1:].argsort(axis=1).argsort(axis=1)
    return ranks < numbers[:, None]


def _chances_of_numbers(n_views: int, share: float) -> np.ndarray:
    """Return the probabilities that a row lacks 0, 1, ... and all views but one."""
    numbers = np.arange(n_views)

    def above(q: float) -> float:
        terms = q**numbers
        return float(terms[1:].sum() / terms.sum() - share)

    q = brentq(above, 0, 1)
    # One factor 1 - q less than in the binomial distribution, so that q may be 1.
    chances = comb(n_views, numbers) * q**numbers * (1 - q) ** (n_views - 1 - numbers)
    return np.asarray(chances / chances.sum())


def _given_a_view(
    table: Table, views: list[Modality], place: int, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw which other views each row lacks, by what it has of one view."""
    n_others = len(views) - 1
    score = _first_component(table.columns_of(views[place]).read(slice(None)))
    chances = _logistic(score, min(1.0, share * len(views) / n_others))
    absent = rng.random((table.n_rows, n_others)) < chances[:, None]
    return np.insert(absent, place, False, axis=1)


def _first_component(values: np.ndarray) -> np.ndarray:
    scaled = StandardScaler().fit_transform(values.astype(np.float64))
    scores = PCA(1, random_state=0).fit_transform(scaled) if scaled.any() else scaled[:, :1]
    return np.asarray(StandardScaler().fit_transform(scores)[:, 0])


def _logistic(score: np.ndarray, mean: float) -> np.ndarray:
    """Return probabilities that rise with the score and have this mean."""
    if mean in (0, 1):
        return np.full(len(score), mean)
    # Nearer to the ends, and without one more on both sides, rounding would take the root out.
    mean = float(np.clip(mean, LEAST, 1 - LEAST))
    centre, reach = float(logit(mean)), np.abs(score).max() + 1
    constant = brentq(lambda c: expit(c + score).mean() - mean, centre - reach, centre + reach)
    return np.asarray(expit(constant + score))


def _read_patterns(
    patterns: Mapping[Any, float], names: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which views each pattern lacks, the whole row last, and the ends of its chances."""
    if not all(isinstance(key, (str, tuple)) for key in patterns):
        raise TypeError(
            "The keys of patterns are names of views, or tuples of names. Got "
            f"{list(patterns)} instead."
        )
    keys = [(key,) if isinstance(key, str) else key for key in patterns]
    for key in keys:
        unknown = [name for name in key if name not in names]
        if unknown:
            raise ValueError(f"patterns name {unknown}, but the views are {names}.")
        if set(key) == set(names):
            raise ValueError(f"The pattern {key} leaves a row without a view. Leave one of them.")
    chances = np.array(list(patterns.values()), dtype=float)
    total = chances.sum()
    if not (chances >= 0).all() or total > 1 + 1e-9:
        raise ValueError(
            "The probabilities of patterns must not be negative, and add up to at most 1. Got "
            f"{chances.tolist()} instead."
        )
    lacking = np.array([[name in key for name in names] for key in [*keys, ()]])
    return lacking, np.cumsum(chances) / (total if np.isclose(total, 1) else 1)


def _by_pattern(
    lacking: np.ndarray, ends: np.ndarray, n_rows: int, rng: np.random.Generator
) -> np.ndarray:
    rows: np.ndarray = lacking[np.searchsorted(ends, rng.random(n_rows), side="right")]
    return rows


def _hidden(X: Any, table: Table, views: list[Modality], absent: np.ndarray) -> Any:
    """Return a copy of X with NaN where a view is absent."""
    gaps = np.zeros((table.n_rows, table.n_columns), bool)
    for view, lacks in zip(views, absent.T, strict=True):
        gaps[:, view.columns] = lacks[:, None]
    ends = np.cumsum(list(table.widths.values()))[:-1]
    blocks = dict(zip(table.widths, np.split(gaps, ends, axis=1), strict=True))
    parts = {
        key: _with_gaps(part, table, key, blocks[key]) for key, part in parts_of(X, "X").items()
    }
    if not is_mapping(X):
        return parts[""]
    return type(X)(**parts) if isinstance(X, dict) else parts


def _with_gaps(part: Any, table: Table, key: str, gaps: np.ndarray) -> Any:
    block = table.blocks[key]
    dtype = block.dtype if block.dtype.kind == "f" else np.float64
    values = block.read(slice(None)).astype(dtype, copy=False)
    values[gaps] = np.nan
    if is_pandas(part):
        return type(part)(values, index=part.index, columns=part.columns)
    return values.reshape(-1, *table.shapes.get(key, values.shape[1:]))
