"""Other models as judges: of what is generated, and of the embedding."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_cmmd.data.containers import is_mapping, is_pandas, parts_of, title
from sklearn_cmmd.data.labels import check_labels
from sklearn_cmmd.data.tables import check_weight, read_table


class Coherence(NamedTuple):
    """Accuracies of a judge: on a generated view, and on the real one of the same rows."""

    generated: float
    real: float


def generation_coherence(
    judge: Any, X_missing: Any, generated: Any, y: Any, *, sample_weight: Any = None
) -> Any:
    """Accuracy of a classifier of the real view on the generated one.

    A generated view is coherent if a classifier that knows the real view finds the right class in
    it [1]_. The judge's accuracy on the real view of the same rows stands beside it, since no
    generated view can be expected to be above that.

    Parameters
    ----------
    judge : fitted classifier, or mapping of these
        Classifier of the missing modality, fitted to other rows; of several modalities one for
        each. It gets tables as they are, and arrays of more axes flattened.
    X_missing : array-like, DataFrame, or mapping of these, of shape (n, ...)
        True values. A row that lacks some of a modality (NaN) does not count in it.
    generated : as `X_missing`, or draws of shape (n, n_draws, ...)
        What ``generate_missing(X)`` returned for the same rows, or ``generate_missing(X,
        n_samples=...)``: then the accuracy is a mean over the draws. The judge gets DataFrames
        only if these are draws with ``as_frame=True``.
    y : array-like of shape (n,), or indicator matrix of shape (n, n_labels)
        The true labels. A row without one does not count.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    Coherence, or mapping of these
        A named tuple of two floats, ``generated`` and ``real``.

    Raises
    ------
    ValueError, TypeError
        If the numbers of rows differ, no row counts, or the judges are not those of the modalities.

    References
    ----------
    .. [1] Shi, Siddharth, Paige, Torr. "Variational mixture-of-experts autoencoders for multi-modal
       deep generative models." NeurIPS (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_cmmd.metrics import generation_coherence
    >>> y = np.arange(40) % 2
    >>> real = y[:, None] + np.zeros(3)
    >>> judge = LogisticRegression().fit(real, y)
    >>> generation_coherence(judge, real, real[::-1] * 0.9, y[::-1])
    Coherence(generated=1.0, real=0.0)
    """
    if is_mapping(X_missing):
        for other, name in ((judge, "judge"), (generated, "generated")):
            if not isinstance(other, Mapping) or set(other) != set(X_missing):
                raise ValueError(
                    f"{name} must be a mapping with the keys of X_missing, {list(X_missing)}."
                )
        return {
            key: _coherence(judge[key], part, generated[key], y, sample_weight, key)
            for key, part in parts_of(X_missing, "X_missing").items()
        }
    return _coherence(judge, X_missing, generated, y, sample_weight)


def _coherence(
    judge: Any, true: Any, made: Any, y: Any, sample_weight: Any, key: str = ""
) -> Coherence:
    check_is_fitted(judge)
    table = read_table({key: true} if key else true, "X_missing", None, gaps=True)
    labels, counts = check_labels(y, judge.classes_)
    weight = check_weight(sample_weight, table.n_rows)
    check_consistent_length(true, made, labels)
    counts = counts & ~np.isnan(table.blocks[key].read(slice(None))).any(axis=1)
    if not counts.any():
        raise ValueError(f"No row has both a label and {title('X_missing', key)}.")
    rows = np.flatnonzero(counts)

    def accuracy(view: Any) -> float:
        view = _safe_indexing(view, rows)
        if np.ndim(view) > 2:
            view = np.asarray(view).reshape(len(rows), -1)
        return float(accuracy_score(labels[rows], judge.predict(view), sample_weight=weight[rows]))

    views = _views(true, made)
    return Coherence(float(np.mean([accuracy(view) for view in views])), accuracy(true))


def _views(true: Any, made: Any) -> list[Any]:
    """Return each draw in the form of the true view, or the one that there is."""
    if is_pandas(made) and made.columns.nlevels == 2:
        return [made.xs(draw, axis=1, level=1) for draw in made.columns.levels[1]]
    if np.ndim(made) == np.ndim(true) + 1:
        return list(np.moveaxis(np.asarray(made), 1, 0))
    return [made]


def linear_probe(
    embedding: Any,
    y: Any,
    embedding_test: Any,
    y_test: Any,
    *,
    n_rows: int = 500,
    classifier: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    """Accuracy of logistic regression on an embedding, from few rows.

    The second of two steps, of which the first learned the embedding [1]_: `n_rows` rows are drawn
    at random, a linear classifier is fitted to their embeddings, and all test rows are scored. It
    says whether classes lie apart linearly.

    Parameters
    ----------
    embedding : array-like of shape (n, latent_dim)
        Embeddings of training rows, ``transform(X)``.
    y : array-like of shape (n,)
        Their labels. Rows without one are not drawn.
    embedding_test : array-like of shape (n_test, latent_dim)
        Embeddings of test rows.
    y_test : array-like of shape (n_test,)
        Their labels. Rows without one are not scored.
    n_rows : int, default=500
        Number of training rows to draw, or all if there are fewer.
    classifier : classifier, default=None
        A clone of it is fitted. None stands for scikit-learn's logistic regression.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. Average over several.

    Returns
    -------
    float
        Accuracy on the test rows.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or `n_rows` is not positive.

    References
    ----------
    .. [1] Sutter, Daunhawer, Vogt. "Generalized multimodal ELBO." ICLR (2021).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_cmmd.metrics import linear_probe
    >>> X, y = load_iris(return_X_y=True)
    >>> linear_probe(X[::2], y[::2], X[1::2], y[1::2], n_rows=50, random_state=0) > 0.9
    True
    """
    if n_rows < 1:
        raise ValueError(f"n_rows must be a positive int. Got {n_rows!r} instead.")
    labels, labelled = check_labels(y)
    labels_test, scored = check_labels(y_test, np.unique(labels[labelled]))
    check_consistent_length(embedding, labelled)
    check_consistent_length(embedding_test, scored)
    known = np.flatnonzero(labelled)
    rows = check_random_state(random_state).permutation(known)[:n_rows]
    if classifier is None:
        classifier = LogisticRegression(max_iter=1000)
    fitted = clone(classifier).fit(_safe_indexing(embedding, rows), labels[rows])
    test = np.flatnonzero(scored)
    predicted = fitted.predict(_safe_indexing(embedding_test, test))
    return float(accuracy_score(labels_test[test], predicted))
