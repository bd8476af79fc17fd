"""MNIST-SVHN-Text, tables 5, H.1 and 6 and figure 4 of the paper: all seven observed subsets.

One model for each subset of M (digit), S (house number) and T (word), and beside them one for all
seven, of which any modality may be absent, in twice the updates of one. Table 5/H.1: accuracy on
the test pairs of a logistic regression on 500 training embeddings, of the model's own classifier,
and of its x_O-only twin. Table 6: coherence, how often a classifier trained on the real modality
sees the right digit in the generated one.

    python -m benchmarks mnist_svhn_text --data FOLDER --out benchmarks/results/mnist_svhn_text

--pairs FOLDER writes the pairs of each seed, on which peers/mnist_svhn_text.py trains its models;
--peers FOLDER reads what they made of them into the same tables.
"""

import time
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from benchmarks.baselines import twin_of
from benchmarks.options import SHARED
from benchmarks.paper import digits, mst_tables
from benchmarks.paper.digits import Sources
from benchmarks.paper.mst_tables import CELLS, SUBSETS
from benchmarks.reports import Record
from sklearn_cmmd import CMMDClassifier, Modality, Networks
from sklearn_cmmd.datasets import make_mnist_svhn

NAMES = {"m": "mnist", "s": "svhn", "t": "text"}
IMAGE: dict[str, Any] = {"likelihood": "laplace", "scale": 0.75, "weight": "size"}
WORD: dict[str, Any] = {"likelihood": "categorical", "weight": "size"}
CONV = {f"{n}d": {"prior": f"conv{n}d", "decoder": f"conv{n}d"} for n in (1, 2)}
DESCRIBED = {
    "m": Modality("mnist", network={"prior": "mlp"}, **IMAGE),
    "s": Modality("svhn", channels="last", network=CONV["2d"], **IMAGE),
    "t": Modality("text", channels="last", network=CONV["1d"], **WORD),
}
# Chosen out of 100 (the default), 500 and 2560 (10 · 256, as in the paper's code) with --held-out,
# for one observed modality, and by analogy for several: a word leaves no doubt of the digit.
ALPHA = {"m": 500, "s": 2560, "t": 100, "ms": 2560, "mt": 100, "st": 100, "mst": 100}
ALPHA_OF_ONE = 2560  # chosen in the same way, by the accuracy of all subsets
# Of the updates of a fit to one subset.
UPDATES_OF_ONE = 2
N_SYMBOLS, N_PROBES = 71, 500
Judges = dict[str, CMMDClassifier]


class Size(NamedTuple):
    """How much to train, on how many pairs, and how wide; the paper prints no number of epochs."""

    n_repeats: int
    n_pairs: int | None
    test_repeats: int
    batch_size: int
    max_epochs: int
    encoder: tuple[int, ...]
    judge_images: int
    judge_epochs: dict[str, int]


SIZES = {
    "quick": Size(1, 200, 1, 100, 1, (64,), 300, {"m": 1, "s": 1, "t": 1}),
    "small": Size(8, 38_400, 1, 128, 1, (512, 512), 10_000, {"m": 3, "s": 12, "t": 4}),
    "paper": Size(20, None, 20, 256, 10, (2500,) * 3, 60_000, {"m": 5, "s": 20, "t": 4}),
}


class Pairs(NamedTuple):
    """Training and test pairs of one seed, and the numbers of those that train."""

    train: Bunch
    test: Bunch
    rows: np.ndarray


def make_pairs(sources: Sources, size: Size, seed: int) -> Pairs:
    """Make training and test pairs."""
    numbers = ("train", size.n_repeats, seed), ("test", size.test_repeats, 1000 + seed)
    train, test = (
        make_mnist_svhn(*digits.part(sources, part), third="text", n_repeats=n, random_state=state)
        for part, n, state in numbers
    )
    return Pairs(train, test, digits.shuffled(train, size.n_pairs, seed))


def to_choose_by(source: Bunch) -> Bunch:
    """Return the last fifth of the training rows in the place of the test rows."""
    n = len(source.target_train) * 4 // 5
    return Bunch(
        images_train=source.images_train[:n],
        target_train=source.target_train[:n],
        images_test=source.images_train[n:],
        target_test=source.target_train[n:],
    )


def views(bunch: Bunch, letters: str, rows: np.ndarray | slice = slice(None)) -> digits.Views:
    """Return some rows of the modalities with these letters."""
    return digits.take(bunch, [NAMES[letter] for letter in letters], rows)


def others(subset: str) -> str:
    """Return the letters that are not in a subset."""
    return "".join(letter for letter in NAMES if letter not in subset)


def model(subset: str, size: Size, seed: int, **params: Any) -> CMMDClassifier:
    """Return the prior and the decoder of tables H.3 to H.5 with a flat encoder."""
    fixed = {
        # Weights and likelihoods are for what is missing.
        "observed": [replace(DESCRIBED[letter], weight=1.0) for letter in subset],
        "missing": [DESCRIBED[letter] for letter in others(subset)] or None,
        "alpha": ALPHA[subset],
        "hidden_layer_sizes": (400,),
        "networks": Networks(decoder_input="latent", encoder_hidden=size.encoder),
        "max_epochs": size.max_epochs,
        "batch_size": size.batch_size,
        "early_stopping": False,
        "random_state": seed,
    }
    return CMMDClassifier(**fixed | params)


def model_of_all(size: Size, seed: int, **params: Any) -> CMMDClassifier:
    """Return the model of which any modality may be absent."""
    fixed = {
        "observed": [DESCRIBED[letter] for letter in NAMES],
        "optional": "all",
        "alpha": ALPHA_OF_ONE,
        "max_epochs": UPDATES_OF_ONE * size.max_epochs,
    }
    return model("mst", size, seed, **fixed | params)


def latent_accuracy(probe: tuple[np.ndarray, ...], test: tuple[np.ndarray, ...]) -> float:
    """Score a logistic regression on 500 embeddings with their labels, as the literature does."""
    return float(LogisticRegression(max_iter=5000).fit(*probe).score(*test))


def coherence(judges: Judges, letter: str, generated: np.ndarray, y: np.ndarray) -> float:
    """Score a judge on generated pixels, or on the most probable symbols of a generated text."""
    if letter == "t":
        generated = np.eye(N_SYMBOLS, dtype=np.float32)[generated.argmax(-1)]
    return judges[letter].score({NAMES[letter]: generated}, y)


def score_subset(
    pairs: Pairs, judges: Judges, subset: str, size: Size, seed: int, params: dict[str, Any]
) -> tuple[Record, dict[str, np.ndarray]]:
    """Train CMMD and its twin on one subset; return a row of figures, and what is generated."""
    rest = others(subset)
    X, y = views(pairs.train, subset, pairs.rows), pairs.train.target[pairs.rows]
    X_missing = views(pairs.train, rest, pairs.rows) if rest else None
    cmmd = model(subset, size, seed, **params)
    start = time.perf_counter()
    cmmd.fit(X, y, X_missing=X_missing)
    seconds = time.perf_counter() - start
    made = cmmd.generate_missing(views(pairs.test, subset)) if rest else {}
    generated = {letter: made[NAMES[letter]] for letter in rest}
    row = {"model": "CMMD", "seed": seed, "subset": subset, "seconds": seconds}
    row |= figures(cmmd, pairs, judges, subset, generated)
    twin = twin_of(cmmd).fit(X, y)
    row["twin"] = twin.score(views(pairs.test, subset), pairs.test.target)
    return row, generated


def score_all(
    pairs: Pairs, judges: Judges, size: Size, seed: int, params: dict[str, Any]
) -> list[Record]:
    """Train one CMMD for all subsets; return a row of figures for each."""
    cmmd, y = model_of_all(size, seed, **params), pairs.train.target[pairs.rows]
    start = time.perf_counter()
    cmmd.fit(views(pairs.train, "mst", pairs.rows), y)
    seconds = time.perf_counter() - start
    rows = []
    for subset in SUBSETS:
        rest = others(subset)
        made = cmmd.impute(views(pairs.test, subset)) if rest else {}
        generated = {letter: made[NAMES[letter]] for letter in rest}
        row: Record = {"model": "one CMMD", "seed": seed, "subset": subset, "seconds": seconds}
        rows.append(row | figures(cmmd, pairs, judges, subset, generated))
    return rows


def figures(
    cmmd: CMMDClassifier,
    pairs: Pairs,
    judges: Judges,
    subset: str,
    generated: dict[str, np.ndarray],
) -> Record:
    """Score the embedding of a subset, the labels, and what is generated from it."""
    y_probe, y_test = pairs.train.target[pairs.rows[:N_PROBES]], pairs.test.target
    X_test, X_probe = views(pairs.test, subset), views(pairs.train, subset, pairs.rows[:N_PROBES])
    probe, test = (cmmd.transform(X_probe), y_probe), (cmmd.transform(X_test), y_test)
    found = {"embedding": latent_accuracy(probe, test), "classifier": cmmd.score(X_test, y_test)}
    for letter, values in generated.items():
        found[f"coherence {letter}"] = coherence(judges, letter, values, y_test)
    return found


def score_peer(file: Path, pairs: Pairs, judges: Judges) -> list[Record]:
    """Score the latents and the generations that a peer has left."""
    rows, y_probe = [], pairs.train.target[pairs.rows[:N_PROBES]]
    name, _, seed = file.stem.rpartition("_")
    with np.load(file) as found:
        y = pairs.test.target[found["test_rows"]]
        for subset in SUBSETS:
            probe, test = (found[f"latent_{part}_{subset}"] for part in ("probe", "test"))
            row: Record = {"model": name, "seed": int(seed), "subset": subset}
            row["embedding"] = latent_accuracy((probe, y_probe), (test, y))
            for letter in (letter for letter in NAMES if subset in CELLS[letter]):
                values = found[f"generated_{letter}_from_{subset}"]
                seen = np.eye(N_SYMBOLS)[values] if letter == "t" else values / 255
                judged = coherence(judges, letter, seen.astype(np.float32), y)
                row[f"coherence {letter}"] = judged
            rows.append(row)
    return rows


def save_pairs(pairs: Pairs, sources: Sources, file: Path) -> None:
    """Write what a peer trains on: the same pairs, in the same order of the sources."""
    probe = np.arange(min(N_PROBES, len(pairs.rows)))
    arrays = {"probe": probe, "text": pairs.train.views["text"].array}
    for part, bunch, rows in (("train", pairs.train, pairs.rows), ("test", pairs.test, None)):
        for name, source in zip(("mnist", "svhn"), sources, strict=True):
            arrays[f"{name}_{part}"] = source[f"images_{part}"]
        for name in NAMES.values():
            index = bunch.views[name].index
            arrays[f"{part}_{name}_index"] = index if rows is None else index[rows]
    np.savez(file, **arrays)


def fit_judges(sources: Sources, pairs: Pairs, size: Size, n_jobs: int) -> Judges:
    """Train the three judges on training rows."""
    n, rows = size.judge_images, pairs.rows[: size.judge_images]
    mnist, svhn = ((source.images_train, source.target_train) for source in sources)
    data = {
        "m": (mnist[0][:n], mnist[1][:n]),
        "s": svhn,
        "t": (pairs.train.views["text"][rows], pairs.train.target[rows]),
    }
    fits = (
        delayed(digits.fit_judge)(NAMES[letter], *data[letter], size.judge_epochs[letter])
        for letter in NAMES
    )
    return dict(zip(NAMES, Parallel(n_jobs)(fits), strict=True))


def add_options(parser: ArgumentParser) -> None:
    digits.add_options(parser)
    parser.add_argument("--jobs", default=2, **SHARED["--jobs"])
    parser.add_argument("--omega", type=float, default=0.5)
    parser.add_argument("--alpha", type=float, help="one α for all subsets, instead of ours")
    parser.add_argument("--subsets", nargs="+", choices=SUBSETS, default=SUBSETS)
    parser.add_argument("--held-out", action="store_true", help="score on a fifth of training rows")
    parser.add_argument("--pairs", type=Path, help="folder to write the pairs to, and stop")
    parser.add_argument("--peers", type=Path, help="folder of the peers' files <model>_<seed>.npz")


def run(args: Namespace) -> None:
    """Run every seed, or write its pairs for the peers."""
    sources, size = digits.read_both(args), digits.size_of(SIZES, args)
    if args.held_out:
        sources = to_choose_by(sources[0]), to_choose_by(sources[1])
    pairs = [make_pairs(sources, size, seed) for seed in range(args.seeds)]
    if args.pairs is not None:
        args.pairs.mkdir(parents=True, exist_ok=True)
        for seed, some in enumerate(pairs):
            save_pairs(some, sources, args.pairs / f"pairs_{seed}.npz")
        return
    judges, test = fit_judges(sources, pairs[0], size, args.jobs), pairs[0].test
    real = {name: judge.score(views(test, name), test.target) for name, judge in judges.items()}
    params = {"omega": args.omega} | ({"alpha": args.alpha} if args.alpha else {})

    def score(seed: int) -> list[Record]:
        job = delayed(score_subset)
        jobs = (job(pairs[seed], judges, each, size, seed, params) for each in args.subsets)
        found = Parallel(args.jobs)(jobs)
        one = score_all(pairs[seed], judges, size, seed, params)
        generated = {row["subset"]: made for row, made in found}
        if seed == 0 and args.out and {"t", "mt"} <= set(generated):
            mst_tables.figure_of_samples(generated, test.target, args.out.with_suffix(".png"))
        files = sorted(args.peers.glob(f"*_{seed}.npz")) if args.peers else []
        peers = [row for file in files for row in score_peer(file, pairs[seed], judges)]
        return [*[row for row, _ in found], *one, *peers]

    def text_of(table: pd.DataFrame) -> str:
        title = f"{len(pairs[0].rows):,} pairs, {table.seed.nunique()} seeds"
        tables = mst_tables.latent_table(table), mst_tables.coherence_table(table, real)
        ours = table.dropna(subset="seconds").drop_duplicates(["model", "seed", "seconds"])
        seconds = ours.groupby(["model", "seed"])["seconds"].sum().groupby("model").mean()
        times = f"seconds of all fits: {seconds.round(0).to_dict()}"
        return "\n\n".join([title, *tables, times, digits.SVHN_NOTE])

    digits.over_seeds(args, score, text_of)
