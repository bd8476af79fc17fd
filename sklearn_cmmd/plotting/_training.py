"""TrainingDisplay: the terms of the loss, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_cmmd.plotting._axes import COLORS, ink, one_legend, several_axes

# What a term is, and its unit.
TERMS = {
    "loss": ("loss", "nats per row"),
    "classification": ("loss of y", "nats per row"),
    "reconstruction": ("reconstruction", "nats per row"),
    "prior_reconstruction": ("reconstruction\nfrom the prior", "nats per row"),
    "kl": ("KL of encoder and prior", "nats per row"),
    "mmd": ("MMD of encoder and prior", ""),
    "scale_prior": ("prior of the scales", "nats per row"),
    "posterior_classification": ("loss of y\nfrom the encoder", "nats per row"),
    "distillation": ("distillation", "nats per row"),
}
PARTS = {"train": "training", "valid": "held out"}

History = Mapping[str, Sequence[float]]


class TrainingDisplay:
    """Every term of the loss by epoch, of the training rows and of those held out.

    Make one by `from_estimator` or `from_history`. Where the held-out line rises while the training
    line falls, the networks learn by heart. The vertical line is at the epoch whose weights were
    kept.

    Parameters
    ----------
    histories : list of dict
        For each training the values of the terms by epoch, as in ``history_``.
    kept : list of int or None
        For each training the number of the epoch whose weights were kept, from 1 on; None marks
        none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each term.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend
        What the lines are.
    lines_ : dict of str to list of matplotlib Line2D
        The lines by their names in ``history_``, such as ``"valid_loss"``; of an ensemble one for
        each member.
    marks_ : dict of str to list of matplotlib Line2D
        The marks of the kept epochs by the term.

    See Also
    --------
    sklearn_cmmd.CMMDClassifier : ``history_`` says what the terms are.

    Examples
    --------
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import TrainingDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=5, random_state=0)
    >>> clf = clf.fit(digits.data, digits.target, X_missing=digits.data_missing)
    >>> display = TrainingDisplay.from_estimator(clf, terms=["loss", "kl"])
    >>> len(display.axes_), sorted(display.lines_)
    (2, ['train_kl', 'train_loss', 'valid_kl', 'valid_loss'])
    """

    def __init__(self, *, histories: Sequence[History], kept: Sequence[int | None]) -> None:
        self.histories = histories
        self.kept = kept

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        member: int | None = None,
        terms: Sequence[str] | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : CMMDClassifier, CMMDRegressor, CMMDTransformer or CMMDEnsemble
            Fitted estimator; of a search ``search.best_estimator_``, of a pipeline its step.
        member : int, default=None
            Number of the member of an ensemble to show. None shows all of them in one.
        terms : list of str, default=None
            Terms to show, in this order, such as "kl": what follows ``train_`` in the names of
            ``history_``. None shows all.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each term. None makes a figure.
        line_kw : dict, default=None
            Keywords for the lines, passed on to matplotlib.

        Returns
        -------
        TrainingDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If this is no estimator with a history, or there is no such member or term.
        """
        trainings = [estimator]
        if hasattr(estimator, "n_estimators") and hasattr(estimator, "generators"):
            check_is_fitted(estimator)
            trainings = estimator.estimators_
        elif member is not None:
            raise ValueError(f"Only an ensemble has members. Got a {type(estimator).__name__}.")
        if member is not None:
            if not 0 <= member < len(trainings):
                raise ValueError(
                    f"member must be a number from 0 to {len(trainings) - 1}. Got {member!r}."
                )
            trainings = [trainings[member]]
        for training in trainings:
            check_is_fitted(training)
            if not hasattr(training, "best_epoch_"):
                raise TypeError(
                    "estimator must be one of this package that was fitted. Got "
                    f"{type(training).__name__}; take best_estimator_ of a search, and the step "
                    "of a pipeline."
                )
        display = cls(
            histories=[training.history_ for training in trainings],
            kept=[training.best_epoch_ for training in trainings],
        )
        return display.plot(ax, terms=terms, line_kw=line_kw)

    @classmethod
    def from_history(
        cls,
        history: History | Sequence[History],
        *,
        kept: int | Sequence[int | None] | None = None,
        terms: Sequence[str] | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a history that was kept, or several.

        Parameters
        ----------
        history : dict or list of dict
            Values by epoch for each name, as in ``history_``.
        kept : int or list of int, default=None
            Number of the epoch whose weights were kept, from 1 on. None marks none.
        terms : list of str, default=None
            Terms to show, in this order. None shows all.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each term. None makes a figure.
        line_kw : dict, default=None
            Keywords for the lines, passed on to matplotlib.

        Returns
        -------
        TrainingDisplay
            The display.

        Raises
        ------
        ValueError
            If there is no such term.
        """
        histories = [history] if isinstance(history, Mapping) else list(history)
        marks = list(kept) if isinstance(kept, Sequence) else [kept] * len(histories)
        return cls(histories=histories, kept=marks).plot(ax, terms=terms, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        terms: Sequence[str] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each term. None makes a figure.
        terms : list of str, default=None
            Terms to show, in this order. None shows all.
        line_kw : dict, default=None
            Keywords for the lines, passed on to matplotlib.

        Returns
        -------
        TrainingDisplay
            The display itself.
        """
        known = self._known_terms()
        shown = known if terms is None else list(terms)
        unknown = [term for term in shown if term not in known]
        if unknown or not shown:
            raise ValueError(f"terms must be some of {known}. Got {shown}.")
        self.axes_ = several_axes("TrainingDisplay.plot", ax, len(shown), 3, (3.4, 2.5))
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[str, list[Any]] = {}
        self.marks_: dict[str, list[Any]] = {}
        for axes, term in zip(self.axes_, shown, strict=True):
            self._draw(axes, term, line_kw or {})
        self.legend_ = one_legend(self.axes_, ax)
        return self

    def _known_terms(self) -> list[str]:
        """Return the names of all terms, the loss first, then in the order of `TERMS`."""
        found = {name.split("_", 1)[1] for history in self.histories for name in history}
        return [*[t for t in TERMS if t in found], *sorted(found - set(TERMS))]

    def _draw(self, axes: Any, term: str, line_kw: dict[str, Any]) -> None:
        title, unit = TERMS.get(term, (term, ""))
        thin = {"linewidth": 1.0} if len(self.histories) > 1 else {}
        looks = zip(PARTS.items(), COLORS, ("-", "--"), strict=False)
        for (part, label), color, style in looks:
            look = {"color": color, "linestyle": style} | thin | line_kw
            for history in self.histories:
                values = history.get(f"{part}_{term}")
                if values is not None:
                    (line,) = axes.plot(np.arange(1, len(values) + 1), values, **look)
                    lines = self.lines_.setdefault(f"{part}_{term}", [])
                    line.set_label("_" if lines else label)
                    lines.append(line)
        for epoch in self.kept:
            if epoch is not None:
                mark = axes.axvline(epoch, color=ink(), linestyle=":", linewidth=1, alpha=0.7)
                marks = self.marks_.setdefault(term, [])
                mark.set_label("_" if marks else "weights kept")
                marks.append(mark)
        axes.set(title=title, xlabel="epoch", ylabel=unit)
