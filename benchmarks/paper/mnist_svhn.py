"""MNIST-SVHN, table 3 of the paper: the label from MNIST where SVHN is missing.

Accuracy on test pairs beside the x_O-only twin's, and the coherence of the generated house
numbers: how often a classifier trained on real ones sees the digit in them.

    python -m benchmarks.paper.mnist_svhn --data FOLDER --size small
"""

from dataclasses import dataclass

import pandas as pd

from benchmarks.paper.digits import SVHN_NOTE, Digits, parser, read_digits, shuffled, take, twin_of
from benchmarks.paper.judges import fit_judge
from benchmarks.publishing import publish, summarise
from sklearn_cmmd import CMMDClassifier, Modality
from sklearn_cmmd.datasets import make_mnist_svhn

PAPER = {"CMMD": 0.976, "MVAE": 0.957, "MMVAE": 0.913}


@dataclass(frozen=True)
class Size:
    """Pairs to train on; the paper prints no number of epochs."""

    n_pairs: int | None
    n_repeats: int
    max_epochs: int


SIZES = {"small": Size(40_000, 8, 2), "paper": Size(None, 30, 10)}


def model(size: Size, seed: int) -> CMMDClassifier:
    """Return a model with the paper's widths (appendix C) and ω."""
    house_number = Modality("svhn", channels="last", likelihood="gaussian")
    return CMMDClassifier(
        observed=[Modality("mnist")],
        missing=[house_number],
        omega=0.1,
        latent_dim=20,
        prior_hidden=(400,),
        encoder_hidden=(400,),
        decoder_hidden=(400,),
        classifier_hidden=(50, 50),
        max_epochs=size.max_epochs,
        early_stopping=False,
        random_state=seed,
    )


def scores(digits: Digits, judge: CMMDClassifier, size: Size, seed: int) -> dict[str, float]:
    """Train CMMD and its twin, and score them on the test pairs."""
    train = make_mnist_svhn(*digits.sources("train"), n_repeats=size.n_repeats, random_state=seed)
    test = make_mnist_svhn(*digits.sources("test"), n_repeats=2, random_state=seed)
    rows = shuffled(train, size.n_pairs, seed)
    X, y = take(train, ["mnist"], rows), train.target[rows]
    cmmd = model(size, seed).fit(X, y, X_missing=take(train, ["svhn"], rows))
    twin = twin_of(model(size, seed)).fit(X, y)
    X_test = {"mnist": test.views["mnist"]}
    return {
        "seed": seed,
        "CMMD": cmmd.score(X_test, test.target),
        "x_O-only twin": twin.score(X_test, test.target),
        "coherence of S": judge.score(cmmd.generate_missing(X_test), test.target),
        "judge on real S": judge.score({"svhn": test.views["svhn"]}, test.target),
    }


def main() -> None:
    args = parser(__doc__.splitlines()[0]).parse_args()
    digits, size = read_digits(args.data), SIZES[args.size]
    judge = fit_judge("svhn", digits.svhn.images_train, digits.svhn.target_train, 15)
    rows = []
    for seed in range(args.seeds):
        rows.append(scores(digits, judge, size, seed))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    figures = summarise(table.assign(what="here"), ["what"]).T.to_string(header=False)
    paper = ", ".join(f"{name} {value}" for name, value in PAPER.items())
    title = f"MNIST-SVHN, accuracy from MNIST alone, {args.seeds} seeds"
    publish(f"{title}\n{figures}\nthe paper: {paper}\n{SVHN_NOTE}", table, args.out)


if __name__ == "__main__":
    main()
