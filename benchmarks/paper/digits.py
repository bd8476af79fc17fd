"""What the paper's experiments on digits share: sources, judges, options and repetition."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from benchmarks.baselines import twin_of
from benchmarks.options import add_shared
from benchmarks.reports import Record, publish, summarise
from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import IndexedArray, fetch_mnist, fetch_svhn

SOURCES = {"mnist": (fetch_mnist, "mnist.npz"), "svhn": (fetch_svhn, "svhn_test10k.npz")}
SVHN_NOTE = (
    "SVHN: 10,000 images are at hand, of which the first 8,000 (a contiguous block: neighbouring "
    "rows are crops of one house number) are for training and the last 2,000 for the test. The "
    "paper trains on 73,257, so that columns with S are not comparable with it."
)
QUICK_IMAGES = 300
BODIES = {
    "mnist": Modality("mnist", network="conv2d"),
    "svhn": Modality("svhn", channels="last", network="conv2d"),
    "text": Modality("text", channels="last", network="conv1d"),
}
Sources = tuple[Bunch, Bunch]
Views = dict[str, IndexedArray]


def read(args: Namespace, name: str) -> Bunch:
    """Read a source from the folder; in a quick run, the first images of each part."""
    fetch, file = SOURCES[name]
    if args.data is None or not (args.data / file).exists():
        sys.exit(f"This needs --data FOLDER with {file} in it.")
    source = fetch(path=args.data / file)
    n_images = QUICK_IMAGES if args.quick else None
    return Bunch(**{key: values[:n_images] for key, values in source.items()})


def read_both(args: Namespace) -> Sources:
    """Read MNIST and SVHN."""
    return read(args, "mnist"), read(args, "svhn")


def part(sources: Sources, name: str) -> tuple[np.ndarray, ...]:
    """Return images and labels of both sources, of "train" or "test"."""
    kinds = f"images_{name}", f"target_{name}"
    return tuple(source[kind] for source in sources for kind in kinds)


def shuffled(bunch: Bunch, n_rows: int | None, seed: int) -> np.ndarray:
    """Return row numbers in random order, all or so many of them."""
    return np.random.default_rng(seed).permutation(len(bunch.target))[:n_rows]


def take(bunch: Bunch, names: Sequence[str], rows: np.ndarray | slice = slice(None)) -> Views:
    """Return some rows of some views."""
    return {name: bunch.views[name][rows] for name in names}


def with_twin(
    model: CMMDClassifier, X: Any, y: np.ndarray, X_missing: Any
) -> tuple[CMMDClassifier, CMMDClassifier]:
    """Fit a model and its x_O-only twin."""
    return model.fit(X, y, X_missing=X_missing), twin_of(model).fit(X, y)


def fit_judge(name: str, rows: Any, y: np.ndarray, epochs: int) -> CMMDClassifier:
    """Train a classifier of a real modality: a CMMD with nothing missing, of the label alone."""
    if not isinstance(rows, IndexedArray):
        rows = IndexedArray(rows, np.arange(len(rows)), 1 / 255)
    budget = {"max_epochs": epochs, "batch_size": 128, "early_stopping": False}
    judge = CMMDClassifier(observed=[BODIES[name]], random_state=0, **budget)
    return twin_of(judge).fit({name: rows}, y)


def add_options(parser: ArgumentParser) -> None:
    """Add the options of these experiments."""
    add_shared(parser, "--data", "--seeds", seeds=3)
    parser.add_argument("--size", choices=["small", "paper"], default="small")


def size_of(sizes: dict[str, Any], args: Namespace) -> Any:
    """Return the size that the command line asks for."""
    return sizes["quick" if args.quick else args.size]


def over_seeds(
    args: Namespace, score: Callable[[int], list[Record]], text: Callable[[pd.DataFrame], str]
) -> None:
    """Score every seed, and publish what there is after each."""
    rows: list[Record] = []
    for seed in range(args.seeds):
        rows += score(seed)
        table = pd.DataFrame(rows)
        publish(text(table), args, table)


def text_of(title: str, table: pd.DataFrame, paper: dict[str, float]) -> str:
    """Write means and standard errors over the seeds so far, and what the paper has."""
    figures = summarise(table.assign(what="here"), ["what"]).T.to_string(header=False)
    theirs = ", ".join(f"{name} {value}" for name, value in paper.items())
    return f"{title}, {len(table)} seeds\n{figures}\nthe paper: {theirs}"
