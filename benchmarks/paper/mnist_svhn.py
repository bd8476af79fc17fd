"""MNIST-SVHN, table 3 of the paper: the label from MNIST where SVHN is missing.

Accuracy on test pairs beside the x_O-only twin's, and the coherence of the generated house
numbers: how often a classifier trained on real ones sees the digit in them.

    python -m benchmarks mnist_svhn --data FOLDER --size small
"""

from argparse import Namespace
from typing import NamedTuple

from benchmarks.paper import digits
from benchmarks.paper.digits import Sources, take
from benchmarks.reports import Record
from sklearn_cmmd import CMMDClassifier, Modality, Networks
from sklearn_cmmd.datasets import make_mnist_svhn

PAPER = {"CMMD": 0.976, "MVAE": 0.957, "MMVAE": 0.913}


class Size(NamedTuple):
    """Pairs to train on; the paper prints no number of epochs."""

    n_pairs: int | None
    n_repeats: int
    max_epochs: int
    judge_epochs: int


SIZES = {
    "quick": Size(200, 1, 2, 1),
    "small": Size(40_000, 8, 2, 15),
    "paper": Size(None, 30, 10, 15),
}


def model(size: Size, seed: int) -> CMMDClassifier:
    """Return a model with the paper's widths (appendix C) and ω."""
    return CMMDClassifier(
        observed=[Modality("mnist")],
        missing=[Modality("svhn", channels="last", likelihood="gaussian")],
        omega=0.1,
        hidden_layer_sizes=(400,),
        networks=Networks(classifier_hidden=(50, 50)),
        max_epochs=size.max_epochs,
        early_stopping=False,
        random_state=seed,
    )


def scores(sources: Sources, judge: CMMDClassifier, size: Size, seed: int) -> list[Record]:
    """Train CMMD and its twin, and score them on the test pairs."""
    numbers = {"train": size.n_repeats, "test": 2}
    train, test = (
        make_mnist_svhn(*digits.part(sources, part), n_repeats=n, random_state=seed)
        for part, n in numbers.items()
    )
    rows = digits.shuffled(train, size.n_pairs, seed)
    X, X_missing = (take(train, [name], rows) for name in ("mnist", "svhn"))
    cmmd, twin = digits.with_twin(model(size, seed), X, train.target[rows], X_missing)
    X_test, y_test = take(test, ["mnist"]), test.target
    figures = {
        "seed": seed,
        "CMMD": cmmd.score(X_test, y_test),
        "x_O-only twin": twin.score(X_test, y_test),
        "coherence of S": judge.score(cmmd.generate_missing(X_test), y_test),
        "judge on real S": judge.score(take(test, ["svhn"]), y_test),
    }
    return [figures]


add_options = digits.add_options


def run(args: Namespace) -> None:
    """Run every seed."""
    sources, size = digits.read_both(args), digits.size_of(SIZES, args)
    real = sources[1].images_train, sources[1].target_train
    judge = digits.fit_judge("svhn", *real, size.judge_epochs)
    title = f"{digits.SVHN_NOTE}\nMNIST-SVHN, accuracy from MNIST alone"
    digits.over_seeds(
        args,
        lambda seed: scores(sources, judge, size, seed),
        lambda table: digits.text_of(title, table, PAPER),
    )
