r"""One classifier for every subset of the views, where training rows lack some of them too.

Sets of three views and more (`several.py`), of whose training rows views are hidden completely at
random. Test rows are shown in every subset of the views, or in fifteen of them. "One CMMD" is
fitted once, to whatever the training rows have. "One CMMD a subset" is fitted to the rows that have
the subset as x_O, with the other views as x_M, and its twin to x_O alone. The rivals impute before
a classifier, or take gaps; the iterative imputer has the principal components of each view. On the
columns themselves it stays at the means, since those of an absent view hold each other there.
Published splits are used where they exist; elsewhere a fifth of the rows are test rows, anew for
each split. Errors of absent views are over those of their means. The figures are appended to
OUT.csv as they come; a run that is started again goes on where it was.

    python -m benchmarks subsets --data FOLDER --out benchmarks/results/subsets
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import delayed
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.baselines import MODELS, twin_of
from benchmarks.options import add_shared
from benchmarks.pairs import chosen
from benchmarks.reports import Record, gather, known, publish
from benchmarks.several import SETS, Several, SeveralTask, Spans, Subset, make_several
from benchmarks.splits import published_or_set_aside
from benchmarks.subsets_tables import EACH, ONE, TWINS, report
from benchmarks.tasks import Outcome, Task, measure, on_standardised, relative_rmse
from sklearn_cmmd import Modality

KEYS = ["set", "split", "share", "method"]
COLUMNS = [*KEYS, "subset", "n_views", "seconds", "accuracy", "log_loss", "calibration", "rmse"]
SHARES = [0.0, 0.3, 0.6]
COMPONENTS = 20  # of each view, of which each is regressed on all others
LEAST_CHANCE = 1e-6  # of classes that a method never saw


@dataclass
class Filled(Outcome):
    """What is said of the test rows of one subset; `absent` are the columns it lacks."""

    absent: np.ndarray | None = None


Method = Callable[[SeveralTask], dict[Subset, Filled]]


def said(model: Any, X: np.ndarray, classes: np.ndarray) -> Filled:
    """Apply a fitted classifier, of which some rows may have been too few for every class."""
    outcome = Filled(model.predict(X))
    if hasattr(model, "predict_proba"):
        proba = np.zeros((len(X), len(classes)))
        proba[:, np.searchsorted(classes, model.classes_)] = model.predict_proba(X)
        proba = np.maximum(proba, LEAST_CHANCE)
        outcome.proba = proba / proba.sum(axis=1, keepdims=True)
    return outcome


def one_cmmd(task: SeveralTask) -> dict[Subset, Filled]:
    """Fit one classifier, of which any view may be absent."""
    views = [Modality(name, span) for name, span in task.spans.items()]
    model = task.cmmd(observed=views, optional="all").fit(task.X, task.y)
    found = {}
    for subset in task.subsets:
        X = task.shown(subset)
        found[subset] = said(model, X, task.classes)
        found[subset].absent = task.scaler.transform(model.impute(X))[:, ~task.has(subset)]
    return found


def _each(fit: Callable[[SeveralTask, Subset, Task], Filled], *, generates: bool = False) -> Method:
    """Fit anew for each subset, to the rows that have it.

    Where they are of one class, the classes' shares are said, and the means of what is absent.
    """

    def classify(task: SeveralTask) -> dict[Subset, Filled]:
        found = {}
        for subset in task.subsets:
            part = task.of_subset(subset)
            if len(np.unique(part.y)) > 1:
                found[subset] = fit(task, subset, part)
            else:
                shares = DummyClassifier(strategy="prior").fit(task.X, task.y)
                found[subset] = said(shares, part.X_test, task.classes)
            if generates and found[subset].absent is None:
                found[subset].absent = np.zeros_like(part.X_test_missing)
        return found

    return classify


def _cmmd(task: SeveralTask, subset: Subset, part: Task) -> Filled:
    """Take the views that are not of the subset for x_M."""
    rows = task.rows_with(subset)
    rest = {
        name: task.standardised.X[rows, span]
        for name, span in task.spans.items()
        if name not in subset
    }
    seen = {name: view for name, view in rest.items() if not np.isnan(view).all()}
    if not seen:
        return _twin(task, subset, part)
    model = part.cmmd().fit(part.X, part.y, X_missing=seen)
    means = {name: np.zeros((len(part.X_test), view.shape[1])) for name, view in rest.items()}
    generated = means | model.generate_missing(part.X_test)
    outcome = said(model, part.X_test, task.classes)
    outcome.absent = np.hstack(list(generated.values()))
    return outcome


def _twin(task: SeveralTask, subset: Subset, part: Task) -> Filled:
    return said(twin_of(part.cmmd()).fit(part.X, part.y), part.X_test, task.classes)


def _svm_of_rows(task: SeveralTask, subset: Subset, part: Task) -> Filled:
    return said(MODELS["SVM"](task.seed).fit(part.X, part.y), part.X_test, task.classes)


class ByComponents:
    """Imputes the first principal components of each view, and rotates them back."""

    def __init__(self, imputer: Any, spans: Spans) -> None:
        self.imputer, self.spans = imputer, list(spans.values())

    def fit(self, X: np.ndarray) -> "ByComponents":
        parts = [X[~np.isnan(X[:, span]).any(axis=1), span] for span in self.spans]
        sizes = [min(COMPONENTS, *part.shape) for part in parts]
        pairs = zip(sizes, parts, strict=True)
        self.rotations = [PCA(size, random_state=0).fit(part) for size, part in pairs]
        self.imputer.fit(self._components(X))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        ends = np.cumsum([rotation.n_components_ for rotation in self.rotations])[:-1]
        parts = np.split(self.imputer.transform(self._components(X)), ends, axis=1)
        pairs = zip(self.rotations, parts, strict=True)
        back = np.hstack([rotation.inverse_transform(part) for rotation, part in pairs])
        return np.where(np.isnan(X), back, X)

    def _components(self, X: np.ndarray) -> np.ndarray:
        rotated = []
        for span, rotation in zip(self.spans, self.rotations, strict=True):
            has = ~np.isnan(X[:, span]).any(axis=1)
            scores = np.full((len(X), rotation.n_components_), np.nan)
            if has.any():
                scores[has] = rotation.transform(X[has, span])
            rotated.append(scores)
        return np.hstack(rotated)


def _iterative(task: SeveralTask) -> ByComponents:
    # Where no training row has gaps, a tolerance above zero would stop after one round.
    return ByComponents(IterativeImputer(tol=0, random_state=task.seed), task.spans)


IMPUTERS: dict[str, Callable[[SeveralTask], Any]] = {
    "mean": lambda task: SimpleImputer(),
    "neighbours": lambda task: KNNImputer(),
    "iterative": _iterative,
}
THEN: dict[str, Callable[[SeveralTask], Any]] = {
    "SVM": lambda task: make_pipeline(StandardScaler(), MODELS["SVM"](task.seed)),
    "twin": lambda task: twin_of(task.cmmd()),
}


def _imputed(name: str, then: str) -> Method:
    """Fill the gaps of training and test rows before a classifier."""

    def classify(task: SeveralTask) -> dict[Subset, Filled]:
        imputer = IMPUTERS[name](task).fit(task.X)
        model = THEN[then](task).fit(imputer.transform(task.X), task.y)
        found = {}
        for subset in task.subsets:
            X = imputer.transform(task.shown(subset))
            found[subset] = said(model, X, task.classes)
            found[subset].absent = X[:, ~task.has(subset)]
        return found

    return on_standardised(classify)


@on_standardised
def boosting(task: SeveralTask) -> dict[Subset, Filled]:
    """Boost trees, which send gaps to one side."""
    model = MODELS["HGB"](task.seed).fit(task.X, task.y)
    return {subset: said(model, task.shown(subset), task.classes) for subset in task.subsets}


METHODS: dict[str, Method] = {
    ONE: one_cmmd,
    EACH: _each(_cmmd, generates=True),
    TWINS: _each(_twin),
    "SVM a subset": on_standardised(_each(_svm_of_rows)),
    **{f"{name} + {then}": _imputed(name, then) for then in THEN for name in IMPUTERS},
    "HGB": boosting,
}


def run_one(several: Several, split: int, share: float, method: str, quick: bool) -> list[Record]:
    """Fit one method, and score what it says of each subset."""
    task = make_several(published_or_set_aside(several, split), split, share, quick=quick)
    kept: dict[Subset, Filled] = {}

    def run(task: SeveralTask) -> dict[Subset, Filled]:
        kept.update(METHODS[method](task))
        return kept

    about = {"set": several.name, "split": split, "share": share, "method": method}
    records = []
    for subset, scores in measure(method, run, task).items():
        outcome, absent = kept[subset], ~task.has(subset)
        if outcome.absent is not None and absent.any():
            scores["rmse"] = relative_rmse(outcome.absent, task.standardised.X_test[:, absent])
        names = {"subset": "+".join(subset), "n_views": len(subset)}
        records.append(about | names | scores)
    return records


def jobs(args: Namespace) -> Iterator[Any]:
    """Yield the runs that are not done, split after split."""
    done = known(args.out, KEYS)
    every = list(chosen(args, SETS, Several))
    for split in range(args.seeds):
        for share in args.shares[:2] if args.quick else args.shares:
            for method in args.methods:
                for several in every:
                    if (several.name, split, share, method) not in done:
                        yield delayed(run_one)(several, split, share, method, args.quick)


def add_options(parser: ArgumentParser) -> None:
    add_shared(parser, "--data", "--only", "--seeds", "--jobs", seeds=5, jobs=2)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES)


def run(args: Namespace) -> None:
    """Run what is not done, and write the tables."""
    publish(report(gather(jobs(args), COLUMNS, args)), args)
