"""Permutation importance of whole modalities: how much a score falls without one of them."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch
from sklearn.utils.parallel import Parallel, delayed

from sklearn_cmmd._random import uniform_streams
from sklearn_cmmd.data.modality import Modality
from sklearn_cmmd.inspection._outputs import members_of
from sklearn_cmmd.metrics import neg_missing_rmse_scorer

Scores = Mapping[str, float]


def permutation_importance_by_view(
    estimator: Any,
    X: Any,
    y: Any = None,
    X_missing: Any = None,
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    n_jobs: int | None = None,
    random_state: int | np.random.RandomState | None = None,
    sample_weight: Any = None,
) -> Any:
    """Measure how much a score falls if a modality of X is shuffled among the rows.

    All columns of a modality move together, so that they still fit each other, but no longer the
    rest of the row. Columns that say the same do not hide each other's importance then, as they do
    in `sklearn.inspection.permutation_importance`. Modalities that say the same still do. A
    modality is shuffled among the rows that have it.

    Parameters
    ----------
    estimator : CMMDClassifier, CMMDRegressor, CMMDTransformer or CMMDEnsemble
        A fitted estimator.
    X : as in `fit`, of shape (n, ...)
        Rows to score, best such that were not trained on. They are copied as dense float64.
    y : as in `fit`, default=None
        What is true of the rows.
    X_missing : as in `fit`, default=None
        The missing modalities of the rows, for scores of the generated view.
    scoring : str, callable, list, tuple or dict, default=None
        Scores as in scikit-learn, ``scorer(estimator, X, y)``, and those of the generated view,
        `sklearn_cmmd.metrics.make_generation_scorer`. None is the estimator's `score` if there is
        `y`, and `neg_missing_rmse_scorer` if there is `X_missing`: minus the root mean squared
        error over the standard deviations of the columns.
    n_repeats : int, default=5
        Number of times to shuffle each modality.
    n_jobs : int, default=None
        Number of modalities that are shuffled at a time, by joblib. None is 1 unless in a
        `joblib.parallel_config` context, -1 is one for each core.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations. The n-th modality is shuffled alike, whatever others there are.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows in the scores.

    Returns
    -------
    Bunch, or dict of these
        As scikit-learn's function returns it, but by the names of the modalities:

        - importances_mean : dict of float, means over the repetitions;
        - importances_std : dict of float, standard deviations over the repetitions;
        - importances : dict of ndarrays of shape (n_repeats,), score minus score of the shuffled
          rows.

        Of several scores a dict of such Bunches by their names; those of None are "score" and
        "neg_missing_rmse".

    Raises
    ------
    ValueError, TypeError
        If there is nothing to score, n_repeats is not a positive int, or the data are not in the
        form of the fit.

    See Also
    --------
    integrated_gradients : What each column adds to the prediction of one row.
    sklearn.inspection.permutation_importance : The same of single columns of a table.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.inspection import permutation_importance_by_view
    >>> rng = np.random.default_rng(0)
    >>> views = {"signal": rng.normal(size=(300, 4)), "noise": rng.normal(size=(300, 9))}
    >>> y = (views["signal"].sum(axis=1) > 0).astype(int)
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=30, random_state=0)
    >>> clf = clf.fit(views, y)
    >>> found = permutation_importance_by_view(clf, views, y, random_state=0)
    >>> bool(found.importances_mean["signal"] > 0.3 > found.importances_mean["noise"])
    True
    """
    first = members_of(estimator)[0]
    if not isinstance(n_repeats, Integral) or isinstance(n_repeats, bool) or n_repeats < 1:
        raise ValueError(f"n_repeats must be a positive int. Got {n_repeats!r} instead.")
    scorers = _scorers(estimator, y, X_missing, scoring)
    table, side = first._read(X), first._plan.layout.observed
    values = side.read(table, slice(None))
    streams = uniform_streams(random_state, len(side.modalities))

    def scores(rows: np.ndarray) -> Scores:
        given = side.as_given(rows, table.index)
        return _scores(estimator, scorers, given, y, X_missing, sample_weight)

    def of_view(modality: Modality, random: np.random.Generator) -> list[Scores]:
        return [scores(_shuffled(values, modality, random)) for _ in range(n_repeats)]

    usual = scores(values)

    jobs = [delayed(of_view)(*each) for each in zip(side.modalities, streams, strict=True)]
    found = dict(zip([m.name for m in side.modalities], Parallel(n_jobs)(jobs), strict=True))
    bunches = {
        name: _bunch({view: [usual[name] - s[name] for s in found[view]] for view in found})
        for name in usual
    }
    return bunches if len(bunches) > 1 else next(iter(bunches.values()))


def _scorers(estimator: Any, y: Any, X_missing: Any, scoring: Any) -> dict[str, Any]:
    """Return the scorers that are asked for by their names."""
    if isinstance(scoring, (list, tuple)):
        scoring = dict(zip(scoring, scoring, strict=True))
    if isinstance(scoring, Mapping):
        scorers = {name: check_scoring(estimator, each) for name, each in scoring.items()}
    elif scoring is not None:
        scorers = {"score": check_scoring(estimator, scoring)}
    else:
        scorers = {} if y is None else {"score": check_scoring(estimator)}
        if X_missing is not None:
            scorers["neg_missing_rmse"] = neg_missing_rmse_scorer
    if not scorers:
        raise ValueError("There is nothing to score. Pass y, X_missing or both, or scoring=...")
    if X_missing is None and any([_needs_view(scorer) for scorer in scorers.values()]):
        raise ValueError("The generated view is to be scored. Pass X_missing of the rows.")
    return scorers


def _needs_view(scorer: Any) -> bool:
    return "X_missing" in getattr(scorer, "needs", ())


def _scores(
    estimator: Any, scorers: Mapping[str, Any], X: Any, y: Any, X_missing: Any, sample_weight: Any
) -> Scores:
    """Return the scores by name; a scorer may return several."""
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    found: dict[str, float] = {}
    for name, scorer in scorers.items():
        view = {"X_missing": X_missing} if _needs_view(scorer) else {}
        score = scorer(estimator, X, y, **weights, **view)
        found |= score if isinstance(score, Mapping) else {name: score}
    return found


def _shuffled(values: np.ndarray, modality: Modality, random: np.random.Generator) -> np.ndarray:
    """Return a copy of the rows, among which a modality is shuffled, of those that have it."""
    shuffled, columns = values.copy(), modality.columns
    having = np.flatnonzero(~np.isnan(values[:, columns[0]]))
    shuffled[having[:, None], columns] = values[random.permutation(having)[:, None], columns]
    return shuffled


def _bunch(importances: Mapping[str, list[float]]) -> Bunch:
    arrays = {view: np.asarray(each) for view, each in importances.items()}
    return Bunch(
        importances_mean={view: float(each.mean()) for view, each in arrays.items()},
        importances_std={view: float(each.std()) for view, each in arrays.items()},
        importances=arrays,
    )
