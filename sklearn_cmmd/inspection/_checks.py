"""Checks of a fitted model: each says whether something is wrong, by how much, and what to do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import binomtest
from sklearn.base import is_classifier
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from sklearn_cmmd.crossfit.views import REAL
from sklearn_cmmd.data.rows import FitData
from sklearn_cmmd.inspection._evidence import (
    MOST_COMPARED,
    MOST_DRAWN,
    Evidence,
    NotApplicableError,
    labelled,
    scores,
)
from sklearn_cmmd.metrics import interval_coverage, posterior_collapse_curve
from sklearn_cmmd.metrics._intervals import ends_of_draws
from sklearn_cmmd.objective.divergences import gaussian_kl

# Nats that count as nothing in a dimension, and as far apart.
NOTHING, FAR = 0.1, 1.0
# Intervals may hold so much less than they should, and losses be so much greater than others.
TOLERANCE, LEAST = 0.05, 0.01
# Of 99 draws, order statistics are the ends of intervals without any interpolation.
N_DRAWS = 99
N_FOLDS, MOST_COMPONENTS = 5, 50


@dataclass(frozen=True)
class Outcome:
    """What a check came to: the figure that was compared, also in words."""

    passed: bool
    value: float
    figure: str


def prior_collapse(evidence: Evidence) -> Outcome:
    """Look whether the embedding depends on x_O."""
    moments = [member.transform(evidence.rows.X, True) for member in evidence.members]
    shares = [posterior_collapse_curve(*each, thresholds=[NOTHING])[0][0] for each in moments]
    return _of_dimensions(float(np.mean(shares)), "p(z|x_O) is N(0, 1)")


def posterior_collapse(evidence: Evidence) -> Outcome:
    """Look whether z holds anything of x_M and y that x_O does not tell."""
    shares = []
    for posterior, prior in evidence.latent:
        q, p = ((each.loc, (0.5 * each.log_var).exp()) for each in (posterior, prior))
        shares.append(posterior_collapse_curve(*q, p, thresholds=[NOTHING])[0][0])
    return _of_dimensions(float(np.mean(shares)), "q(z|x_O, x_M, y) is p(z|x_O)")


def _of_dimensions(share: float, what: str) -> Outcome:
    figure = f"{share:.0%} of dimensions: {what} to {NOTHING} nats"
    return Outcome(share < 1, share, figure)


def prior_posterior_gap(evidence: Evidence) -> Outcome:
    """Compare the z of new rows with that on which the decoder was trained."""
    divergences = [gaussian_kl(*pair).numpy() / pair[0].loc.shape[1] for pair in evidence.latent]
    gap = float(np.median(divergences))
    return Outcome(gap < FAR, gap, f"KL[q, p] is {gap:.2g} nats a dimension in the median row")


def epoch_budget(evidence: Evidence) -> Outcome:
    """Look whether the held-out loss still fell when the epochs were over."""
    members = evidence.members
    if not all([member.early_stopping_ for member in members]):
        raise NotApplicableError("Training had no early stopping, and used all its epochs.")
    cut = [m.n_iter_ >= m.max_epochs_ and _is_falling(m) for m in members]
    last = max([member.best_epoch_ for member in members])
    figure = f"best epoch {last} of at most {members[0].max_epochs_}"
    if evidence.is_ensemble:
        figure = f"{sum(cut)} of {len(members)} members stopped too soon, {figure}"
    return Outcome(not any(cut), float(np.mean(cut)), figure)


def _is_falling(member: Any) -> bool:
    """Return whether the best epoch is among the last, half of what early stopping waits for."""
    return bool(member.n_iter_ - member.best_epoch_ < max(1, member.n_iter_no_change / 2))


def draws(evidence: Evidence) -> Outcome:
    """Count the true values within the intervals of draws."""
    side = evidence.need_view()
    real = [m.columns for m in side.modalities if m.likelihood in REAL]
    if not real:
        raise NotApplicableError("No modality of X_missing is of real values.")
    columns, has = np.concatenate(real), evidence.data.present.any(axis=1)
    most = max(2, MOST_DRAWN // (N_DRAWS * len(side.scale)))
    rows = evidence.some(np.flatnonzero(has), most)
    drawn = evidence.generated(rows, N_DRAWS)[:, :, columns]
    lower, upper = ends_of_draws(drawn, evidence.coverage)
    held = float(interval_coverage(evidence.true(rows)[:, columns], lower, upper))
    # As if all columns of a row were within together, or none of them.
    error = np.sqrt(held * (1 - held) / len(rows))
    figure = f"intervals of {evidence.coverage:.0%} from draws hold {held:.1%} of the values"
    return Outcome(held + 2 * error >= evidence.coverage - TOLERANCE, held, figure)


def pairs(evidence: Evidence) -> Outcome:
    """Look for rows whose two sides do not belong together."""
    return _unusual_rows(evidence) if evidence.is_ensemble else _matched_rows(evidence)


def _unusual_rows(evidence: Evidence) -> Outcome:
    """Count the rows that fit worse than one in a hundred of those that members left out."""
    evidence.need_view()
    found = evidence.estimator.score_pairs(evidence.rows.X, evidence.rows.X_missing)
    known = np.flatnonzero(np.isfinite(found))
    if not len(known):
        raise NotApplicableError("No row has anything that members left out.")
    unusual = known[found[known] < 0.01]
    worst = ", ".join([str(row) for row in unusual[np.argsort(found[unusual])][:5]])
    figure = f"{len(unusual)} of {len(known)} rows fit worse than 1 in 100 of the fit"
    figure += f", the worst of them rows {worst}" if worst else ""
    chance = binomtest(len(unusual), len(known), 0.01, alternative="greater").pvalue
    return Outcome(chance > 0.001, len(unusual) / len(known), figure)


def _matched_rows(evidence: Evidence) -> Outcome:
    """Ask how often x_M of a row is nearer to what its own x_O generates than to another's."""
    rows = evidence.some(evidence.complete, MOST_COMPARED)
    scale = evidence.need_view().scale
    distances = cdist(evidence.true(rows) / scale, evidence.generated(rows) / scale)
    own = np.diag(distances)[:, None]
    farther = (distances > own).sum(axis=1) + 0.5 * ((distances == own).sum(axis=1) - 1)
    shares = farther / (len(rows) - 1)
    mean, error = float(shares.mean()), shares.std(ddof=1) / np.sqrt(len(rows))
    figure = f"x_M is nearer to what its own x_O generates than to {mean:.0%} of the other rows'"
    return Outcome(mean - 2 * error > 0.5, mean, figure)


def twin(evidence: Evidence) -> Outcome:
    """Compare the label with what is predicted without x_M of the training rows."""
    evidence.need_label()
    rows, other = labelled(evidence.estimator, evidence.rows), evidence.twin
    differences = scores(evidence.estimator, rows) - scores(other, rows)
    mean, error = float(differences.mean()), differences.std() / np.sqrt(len(differences))
    figure = f"{_difference(evidence, mean, error)}, on {len(differences)} rows"
    return Outcome(mean >= -max(LEAST, 2 * error), mean, figure)


def ridge(evidence: Evidence) -> Outcome:
    """Compare the generated view with that of a ridge regression."""
    side, rows = evidence.need_view(), evidence.complete
    made = evidence.generated(rows), side.in_units(evidence.ridge(rows))
    true = evidence.true(rows)
    own, other = (np.square((true - each) / side.scale).mean(axis=1) for each in made)
    mean, error = float((own - other).mean()), (own - other).std() / np.sqrt(len(rows))
    figure = f"rmse {np.sqrt(own.mean()):.3f} of a standard deviation, ridge regression "
    worse = mean > max(2 * LEAST * other.mean(), 2 * error)  # of squares, whose roots differ by 1 %
    return Outcome(not worse, mean, figure + f"{np.sqrt(other.mean()):.3f}")


def worth_measuring(evidence: Evidence) -> Outcome:
    """Ask whether x_M of the training rows measurably helps to predict the label."""
    evidence.need_label()
    evidence.need_view()
    evidence.need_cv()
    mean, error = evidence.cross_validated()
    figure = f"{_difference(evidence, mean, error)}, by cross-validation"
    return Outcome(mean > max(LEAST, 2 * error), mean, figure)


def _difference(evidence: Evidence, mean: float, error: float) -> str:
    unit = "nats a row" if is_classifier(evidence.estimator) else "of the variance of y"
    return f"{mean:+.3f} ± {error:.3f} {unit} above its twin (+ is better)"


def shared_information(evidence: Evidence) -> Outcome:
    """Compare what the views tell of each other with what x_O tells of the label."""
    evidence.need_label()
    side = evidence.need_view()
    evidence.need_cv()
    data = evidence.data if evidence.train_data is None else evidence.train_data
    if data.x_missing is None or data.y is None:
        raise NotApplicableError("Pass y and X_missing of the training rows.")
    rows, is_class = _labelled_pairs(evidence, data), is_classifier(evidence.estimator)
    model = LogisticRegression(max_iter=500) if is_class else RidgeCV(np.logspace(-2, 4, 7))
    observed, y = evidence.members[0]._plan.layout.observed, data.y[rows]
    from_x, from_missing = (
        _out_of_fold(model, each.standardised(table, rows, np.float64), y)
        for each, table in ((observed, data.x), (side, data.x_missing))
    )
    measure = mutual_info_score if is_class else _gaussian_information
    between, of_label = float(measure(from_missing, from_x)), float(measure(from_x, y))
    figure = f"on y, the views share {between:.2f} nats, x_O and y {of_label:.2f}"
    return Outcome(between > of_label + LEAST, between - of_label, figure)


def _labelled_pairs(evidence: Evidence, data: FitData) -> np.ndarray:
    """Return the numbers of the rows that have everything; a class has one in each fold."""
    if evidence.estimator._plan.layout.targets.multilabel:
        raise NotApplicableError("A row has several labels.")
    rows = np.flatnonzero(data.labelled & data.present.all(axis=1))
    if min([len(rows), *data.kind.count(data.y[rows])]) < N_FOLDS:
        raise NotApplicableError(f"Fewer than {N_FOLDS} labelled pairs, or of a class.")
    return rows


def _out_of_fold(model: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    n_components = min(MOST_COMPONENTS, x.shape[1], len(x) // 2)
    return np.asarray(cross_val_predict(make_pipeline(PCA(n_components), model), x, y, cv=N_FOLDS))


def _gaussian_information(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mutual information of normal variables, by their columns, on average."""
    columns = zip(a.reshape(len(a), -1).T, b.reshape(len(b), -1).T, strict=True)
    correlations = np.array([np.corrcoef(*pair)[0, 1] for pair in columns])
    return float(-0.5 * np.log1p(-np.square(correlations)).mean())
