"""OmegaCurveDisplay: scores of a search against omega."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier, is_regressor

from sklearn_cmmd.plotting._axes import COLORS, LINES, MARKERS, ink, one_legend, several_axes

# Scores that are shown as errors, so that lower is better as in the paper.
SHARES = {"accuracy": "error rate", "balanced_accuracy": "balanced error rate"}


class OmegaCurveDisplay:
    """Scores of a search against omega, with their spread over the folds.

    Make one by `from_cv_results`. It is figure 6 of [1]_ for your data. If a band is wider than its
    line is bent, ω does not matter to that score.

    Parameters
    ----------
    curves : dict of str to tuple
        For each setting of the other parameters the values of ω, of shape (n_values,), and a dict
        of what is shown by its label, each of shape (n_values, n_folds).
    param_name : str, default="ω"
        What the values are called.
    chosen : float or None, default=None
        Value that the search chose.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        One for each score.
    figure_ : matplotlib Figure
        The figure that holds them.
    legend_ : matplotlib Legend
        What the lines are.
    lines_ : dict of str to list of matplotlib Line2D
        Means over the folds by the label of the score; one line for each setting.
    bands_ : dict of str to list of matplotlib PolyCollection
        One standard deviation over the folds up and down.

    See Also
    --------
    sklearn.model_selection.ValidationCurveDisplay : Fits while it draws, for a single score.

    References
    ----------
    .. [1] Mancisidor, Kampffmeyer, Aas, Jenssen. "Discriminative multimodal learning via
       conditional priors in generative models." Neural Networks 169 (2024).

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_cmmd import CMMDClassifier
    >>> from sklearn_cmmd.datasets import load_multiple_features
    >>> from sklearn_cmmd.plotting import OmegaCurveDisplay
    >>> digits = load_multiple_features(observed="fourier", missing="zernike")
    >>> clf = CMMDClassifier(hidden_layer_sizes=(16,), max_epochs=3, random_state=0)
    >>> search = GridSearchCV(clf, {"omega": [0.1, 0.5, 0.9]}, cv=2, refit=False,
    ...                       scoring=["accuracy", "neg_log_loss"])
    >>> rows = slice(None, None, 8)
    >>> search = search.fit(digits.data[rows], digits.target[rows],
    ...                     X_missing=digits.data_missing[rows])
    >>> display = OmegaCurveDisplay.from_cv_results(search)
    >>> [axes.get_ylabel() for axes in display.axes_]
    ['error rate', 'log loss']
    """

    def __init__(
        self,
        *,
        curves: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]],
        param_name: str = "ω",
        chosen: float | None = None,
    ) -> None:
        self.curves = curves
        self.param_name = param_name
        self.chosen = chosen

    @classmethod
    def from_cv_results(
        cls,
        search: Any,
        *,
        param: str = "omega",
        scores: Sequence[str] | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the results of a search.

        Parameters
        ----------
        search : GridSearchCV or another search, or its ``cv_results_``
            Fitted search over ω. Each setting of the other parameters has a line of its own.
        param : str, default="omega"
            Parameter to draw against. The name of a step or of an ensemble's `estimator` before it
            may be left out.
        scores : list of str, default=None
            Names of the scores to show, as in ``scoring``. None shows all. Scores whose sign the
            scorer has turned are shown as the errors that they are, accuracies as error rates.
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each score. None makes a figure.
        line_kw : dict, default=None
            Keywords for the lines, passed on to matplotlib.

        Returns
        -------
        OmegaCurveDisplay
            The display.

        Raises
        ------
        TypeError, ValueError
            If the search is not fitted, did not vary this parameter over numbers, or has no such
            score.
        """
        results = getattr(search, "cv_results_", search)
        if not isinstance(results, Mapping):
            raise TypeError(
                "search must be a fitted search or its cv_results_. Got "
                f"{type(search).__name__} without cv_results_."
            )
        full_name = _parameter(results, param)
        folds = _folds(results, scores)
        curves = _curves(results, full_name, _as_errors(folds, search))
        chosen = getattr(search, "best_params_", {}).get(full_name)
        display = cls(curves=curves, param_name="ω" if param == "omega" else param, chosen=chosen)
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: dict[str, Any] | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, or array of them, default=None
            Axes in whose place the panels are drawn, or one for each score. None makes a figure.
        line_kw : dict, default=None
            Keywords for the lines, passed on to matplotlib.

        Returns
        -------
        OmegaCurveDisplay
            The display itself.
        """
        labels = list(next(iter(self.curves.values()))[1])
        self.axes_ = several_axes("OmegaCurveDisplay.plot", ax, len(labels), 2, (4.0, 3.2))
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[str, list[Any]] = {}
        self.bands_: dict[str, list[Any]] = {}
        for axes, label in zip(self.axes_, labels, strict=True):
            self._draw(axes, label, line_kw or {})
        title = self._spread if len(self.curves) > 1 else None
        self.legend_ = one_legend(self.axes_, ax, title)
        return self

    @property
    def _spread(self) -> str:
        _, shown = next(iter(self.curves.values()))
        return f"mean ± std of {next(iter(shown.values())).shape[1]} folds"

    def _draw(self, axes: Any, label: str, line_kw: dict[str, Any]) -> None:
        self.lines_[label], self.bands_[label] = [], []
        for number, (setting, (values, shown)) in enumerate(self.curves.items()):
            mean, std = shown[label].mean(axis=1), shown[label].std(axis=1)
            look = {
                "color": COLORS[number % len(COLORS)],
                "linestyle": LINES[number % len(LINES)],
                "marker": MARKERS[number % len(MARKERS)],
                "label": setting or self._spread,
            } | line_kw
            self.lines_[label] += axes.plot(values, mean, **look)
            color = self.lines_[label][-1].get_color()
            self.bands_[label].append(
                axes.fill_between(values, mean - std, mean + std, color=color, alpha=0.2, lw=0)
            )
        if self.chosen is not None:
            axes.axvline(self.chosen, color=ink(), linestyle=":", alpha=0.7, label="chosen")
        axes.set(xlabel=self.param_name, ylabel=label)


def _parameter(results: Mapping[str, Any], param: str) -> str:
    """Return the name that a search has for a parameter."""
    searched = [name.removeprefix("param_") for name in results if name.startswith("param_")]
    found = [name for name in searched if name == param or name.endswith(f"__{param}")]
    if len(found) != 1:
        raise ValueError(
            f"The search must vary one parameter {param!r}. It varied {searched}; name one of them "
            "in full by param=..."
        )
    return found[0]


def _folds(results: Mapping[str, Any], scores: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Return scores of all candidates by their names, of shape (n_candidates, n_folds)."""
    folds: dict[str, list[Any]] = {}
    for key, column in results.items():
        split, _, name = key.partition("_test_")
        if split.startswith("split"):
            folds.setdefault(name, []).append(column)
    asked = list(folds) if scores is None else list(scores)
    if not asked or set(asked) - set(folds):
        raise ValueError(f"scores must be some of {list(folds)}. Got {asked}.")
    return {name: np.stack(folds[name], axis=1).astype(float) for name in asked}


def _as_errors(folds: Mapping[str, np.ndarray], search: Any) -> dict[str, np.ndarray]:
    """Return scores by their labels, as errors where they are known to be some."""
    scorers = getattr(search, "scorer_", {})
    scorers = scorers if isinstance(scorers, Mapping) else {"score": scorers}
    shown = {}
    for score, values in folds.items():
        name = _name_of_only_score(search) if score == "score" else score
        if name in SHARES:
            shown[SHARES[name]] = 1 - values
            continue
        turned = name.startswith("neg_") or _turns_sign(scorers.get(score))
        shown[name.removeprefix("neg_").replace("_", " ")] = -values if turned else values
    return shown


def _turns_sign(scorer: Any) -> bool:
    """Return whether a scorer of scikit-learn's, or of this package, is of an error."""
    return getattr(scorer, "_sign", 1) < 0 or not getattr(scorer, "greater_is_better", True)


def _name_of_only_score(search: Any) -> str:
    scoring = getattr(search, "scoring", "score")
    if isinstance(scoring, str):
        return scoring
    if scoring is not None:
        return getattr(scoring, "__name__", "score")
    if is_classifier(search):
        return "accuracy"
    return "R²" if is_regressor(search) else "score"


def _curves(
    results: Mapping[str, Any], param: str, shown: Mapping[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Sort candidates by the other parameters, then by this one."""
    others: dict[str, list[int]] = {}
    values = np.full(len(results["params"]), np.nan)
    for number, params in enumerate(results["params"]):
        if param in params:
            values[number] = _number(param, params[param])
            rest = {name: value for name, value in params.items() if name != param}
            if "iter" in results:  # of a search by halving
                rest["iter"] = results["iter"][number]
            setting = ", ".join([f"{name}={value}" for name, value in rest.items()])
            others.setdefault(setting, []).append(number)
    curves = {}
    for setting, candidates in others.items():
        order = np.array(sorted(candidates, key=values.__getitem__))
        curves[setting] = values[order], {label: each[order] for label, each in shown.items()}
    return curves


def _number(param: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"A curve needs numbers, but the search varied {param} over values such as {value!r}."
        ) from error
