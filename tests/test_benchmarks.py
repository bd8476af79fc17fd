"""The benchmarks run, split the rows fairly, and measure against what computes the same."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not here", allow_module_level=True)

from benchmarks import __main__ as entry
from benchmarks import (
    accuracy_tables,
    baselines,
    generation,
    gpu,
    reports,
    several,
    splits,
    subsets,
    subsets_tables,
    tasks,
)
from benchmarks import numbers as numbers_benchmark
from benchmarks.bare import bare_of
from benchmarks.pairs import DEVELOPMENT, HELD_BACK, Pair
from benchmarks.sizes import SMALL, TOY, loop_of
from sklearn_cmmd import CMMDClassifier, Modality

pytestmark = pytest.mark.slow

N_ROWS = 120


@pytest.fixture
def pair():
    """Rows of which each is known by its number, in groups of four."""
    number = np.arange(N_ROWS)
    columns = np.column_stack([number, number % 7]).astype(float)
    return Pair("numbers", columns, columns[:, :1], number % 3, groups=number // 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few images in the form of those that the paper's experiments read."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)

    def images(*shape):
        return rng.integers(256, size=(100, *shape), dtype=np.uint8)

    y = np.arange(100, dtype=np.uint8) % 10
    train, test = images(28, 28), images(28, 28)
    np.savez(folder / "mnist.npz", X_train=train, y_train=y, X_test=test, y_test=y)
    np.savez(folder / "svhn_test10k.npz", X=images(32, 32, 3), y=y)
    views = {"acoustic": rng.normal(size=(100, 4)), "articulatory": rng.normal(size=(100, 3))}
    np.savez(folder / "xrmb_jw12_vowels.npz", y=y % 3, recording=np.arange(100) // 5, **views)
    return folder


def numbers(part):
    return set(part.X[:, 0].astype(int))


@pytest.mark.parametrize("split", [splits.set_aside, splits.held_out])
@pytest.mark.parametrize("grouped", [True, False])
def test_no_test_row_is_trained_on(pair, split, grouped):
    if not grouped:
        pair = pair.take(np.arange(N_ROWS))
        object.__setattr__(pair, "groups", None)
    for number in range(3):
        train, test = split(pair, number)
        assert not numbers(train) & numbers(test)
        assert numbers(train) | numbers(test) == set(range(N_ROWS))
        if grouped:
            assert not set(train.groups) & set(test.groups)


def test_published_splits_are_kept(pair):
    is_train = np.arange(N_ROWS) % 5 > 0
    object.__setattr__(pair, "is_train", is_train)
    train, test = splits.published_or_set_aside(pair, 3)
    assert numbers(train) == set(np.flatnonzero(is_train))
    assert numbers(test) == set(np.flatnonzero(~is_train))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_hidden_does_not_depend_on_what_else_is(pair, seed):
    rows, y, gaps = splits.hide(pair.y, splits.Shown(labels=4, lacking=0.5, unlabelled=20), seed)
    assert [np.sum(y == code) for code in (-1, 0, 1, 2)] == [20, 4, 4, 4]
    assert np.array_equal(y[y >= 0], pair.y[rows][y >= 0])
    whole = splits.hide(pair.y, splits.Shown(labels=4), seed)[1]
    assert np.array_equal(np.flatnonzero(whole >= 0), rows[y >= 0])
    all_gaps = splits.hide(pair.y, splits.Shown(lacking=0.5), seed)[2]
    assert np.array_equal(all_gaps[rows], gaps)
    assert all_gaps.sum() == N_ROWS / 2


def test_columns_are_scaled_by_training_rows_alone(pair):
    train, test = splits.set_aside(pair)
    task = tasks.make_task((train, test), 0, splits.Shown(lacking=0.25))
    assert np.array_equal(task.X_test, test.X)
    given = task.standardised
    np.testing.assert_allclose(given.X.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(task.whole_missing.std(axis=0), 1)
    assert not np.allclose(given.X_test.mean(axis=0), 0, atol=1e-3)
    assert np.isnan(task.X_missing[~task.paired]).all()
    assert np.array_equal(task.X_missing[task.paired], task.whole_missing[task.paired])


def test_scores_of_a_perfect_and_of_an_ignorant_method():
    y, true = np.array([0, 1, 1]), np.array([[1.0], [-1.0], [2.0]])
    rows = np.zeros((3, 1))
    task = tasks.Task(rows, true, y, None, true, rows, true, y, seed=0)
    draws = np.repeat(true[:, None], 4, axis=1)
    perfect = tasks.scores(tasks.Outcome(y, np.eye(2)[y], true, draws), task)
    assert perfect["accuracy"] == perfect["coverage"] == 1
    assert perfect["rmse"] == perfect["calibration"] == 0
    ignorant = tasks.scores(tasks.Outcome(0 * y, np.full((3, 2), 0.5), 0 * true), task)
    assert ignorant["rmse"] == 1
    assert ignorant["accuracy"] == pytest.approx(1 / 3)
    assert ignorant["log_loss"] == pytest.approx(np.log(2))
    assert ignorant["wrong"] == "x60"


def test_scores_of_draws_and_intervals():
    true = np.random.default_rng(0).normal(size=(400, 20))
    draws = np.random.default_rng(1).normal(size=(400, 200, 20))
    found = generation.scores_of_draws(draws, true)
    # Of a standard normal variable the CRPS is 1 / √π on average.
    assert found["crps"] == pytest.approx(1 / np.sqrt(np.pi), rel=0.03)
    assert found["sums_covered"] == pytest.approx(0.9, abs=0.03)
    sharp = generation.scores_of_draws(0.01 * draws + true[:, None], true)
    assert sharp["energy"] < 0.05 * found["energy"]
    ends = np.quantile(draws, [0.05, 0.95], axis=(0, 1))
    scores = generation.scores_of_intervals(ends[0], ends[1] + 0 * true, true)
    assert scores["covered"] == pytest.approx(0.9, abs=0.01)
    assert scores["width"] == pytest.approx(2 * 1.645, rel=0.02)
    assert scores["deviation"] < 0.03


def test_the_twin_has_the_prior_and_the_classifier(digits, small):
    X, M, y = digits
    model = CMMDClassifier(missing=[Modality("m")], **small | {"max_epochs": 1})
    twin = baselines.twin_of(model).fit(X, y)
    model.fit(X, y, X_missing=M)
    for name in ("prior", "classifier"):
        shapes = [
            [tuple(part.shape) for part in getattr(fitted.module_, name).parameters()]
            for fitted in (model, twin)
        ]
        assert shapes[0] == shapes[1]
    assert twin.module_.decoder is None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*baselines.CLASSIFIERS, *baselines.ORACLES, *baselines.IMPUTERS])
def test_every_baseline_says_something_of_each_test_row(pair, name):
    task = tasks.make_task(splits.set_aside(pair), 0, splits.Shown(lacking=0.25))
    methods = baselines.CLASSIFIERS | baselines.ORACLES | baselines.IMPUTERS
    outcome = methods[name](task)
    said = outcome.generated if name in baselines.IMPUTERS else outcome.labels
    assert len(said) == len(task.X_test)
    assert np.isfinite(said).all()


def test_kinds_are_compared_by_their_means():
    pairs = ["web a", "web b", "brain"]
    table = pd.DataFrame({"CMMD": [0.9, 0.8, 0.5], "LR": [0.8, 0.7, 0.6]}, index=pairs)
    found = accuracy_tables.by_kind(table, "CMMD")
    assert found.loc["words and counts"].tolist() == [0.85, 0.75, 2, "LR", 10.0]
    assert found.loc["omics", "points"] == -10.0


def test_a_run_goes_on_where_it_was(tmp_path, monkeypatch):
    args = entry.parse("defaults", ["--quick", "--jobs", "1", "--out", str(tmp_path / "runs")])
    columns, record = ["pair", "accuracy"], {"pair": "a", "accuracy": 0.5}
    job = (lambda: [record], (), {})
    assert reports.known(args.out, ["pair"]) == set()
    assert len(reports.gather([job], columns, args)) == 1
    assert reports.known(args.out, ["pair"]) == {("a",)}
    assert reports.gather([job], [*columns, "new"], args).columns.tolist() == columns


@pytest.fixture
def several_task():
    """Three views of rows, half of whose views are hidden in training."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N_ROWS, 1))
    widths = {"a": 2, "b": 3, "c": 4}
    views = {name: z + 0.1 * rng.normal(size=(N_ROWS, n)) for name, n in widths.items()}
    whole = several.Several("made", *several.side_by_side(views, np.arange(N_ROWS) % 3))
    task = several.make_several(splits.set_aside(whole), 0, 0.5)
    task.shorten = tasks.SHORT
    return task


def test_a_subset_shows_its_views_alone(several_task):
    task = several_task
    assert task.subsets == [
        ("a",),
        ("b",),
        ("c",),
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
        tuple("abc"),
    ]
    assert 0.4 < np.isnan(task.X).mean() < 0.6
    np.testing.assert_allclose(np.nanmean(task.standardised.X, axis=0), 0, atol=1e-9)
    for subset in task.subsets:
        part, has = task.of_subset(subset), task.has(subset)
        assert np.isnan(task.shown(subset)).all(axis=0).tolist() == (~has).tolist()
        assert np.array_equal(task.shown(subset)[:, has], part.X_test)
        assert np.array_equal(task.X_test[:, ~has], part.X_test_missing)
        assert not np.isnan(part.X).any()
        assert len(part.X) == (~np.isnan(task.X[:, has]).any(axis=1)).sum()
    assert several.subsets_of(list("abcde"), 15) == several.subsets_of(list("abcde"), 15)
    assert len(set(several.subsets_of(list("abcde"), 15))) == 15


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("imputer", subsets.IMPUTERS)
def test_imputers_fill_gaps_alone(several_task, imputer):
    task = several_task
    fitted = subsets.IMPUTERS[imputer](task).fit(task.X)
    for subset in task.subsets:
        shown, has = task.shown(subset), task.has(subset)
        filled = fitted.transform(shown)
        assert np.array_equal(filled[:, has], shown[:, has])
        assert np.isfinite(filled).all()
        if not has.all():
            error = tasks.relative_rmse(filled[:, ~has], task.X_test[:, ~has])
            assert error < 0.5 if imputer != "mean" else error == pytest.approx(1, abs=0.1)


def test_subsets_of_which_too_few_rows_are_left(several_task):
    task = several_task
    task.X[:, task.spans["a"]] = np.nan
    found = subsets.METHODS["one CMMD a subset"](task)
    proba = found["a", "b"].proba
    assert np.allclose(proba, proba[0])
    assert (found["a", "b"].absent == 0).all()
    assert found["a", "b"].absent.shape == (len(task.y_test), 4)


def test_classes_that_a_method_never_saw_are_scored():
    class Narrow:
        classes_ = np.array([0, 2])

        def predict(self, X):
            return np.zeros(len(X))

        def predict_proba(self, X):
            return np.tile([0.5, 0.5], (len(X), 1))

    proba = subsets.said(Narrow(), np.zeros((2, 1)), np.arange(3)).proba
    np.testing.assert_allclose(proba[0], [0.5, subsets.LEAST_CHANCE, 0.5], rtol=1e-5)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_methods_are_compared_on_the_runs_that_all_have():
    rows = pd.DataFrame(
        [
            ("s", 0.3, 0, "one CMMD", 0.9),
            ("s", 0.3, 1, "one CMMD", 0.1),
            ("s", 0.3, 0, "HGB", 0.8),
            ("t", 0.3, 0, "one CMMD", 0.5),
            ("t", 0.3, 0, "HGB", 0.6),
        ],
        columns=["set", "share", "split", "method", "accuracy"],
    )
    table = subsets_tables.by_set(rows, "accuracy", ["split"])
    assert table.loc[0.3, "s"].to_dict() == {"one CMMD": 0.9, "HGB": 0.8}
    (told,) = subsets_tables.differences(table, "one CMMD")
    assert told.splitlines() == ["share 0.3, 2 sets", "HGB    0.000 ± 0.100"]


def test_numbers_are_scaled_by_the_targets_that_are_shown(pair):
    object.__setattr__(pair, "y", np.random.default_rng(0).normal(5, 3, N_ROWS))
    task = numbers_benchmark.make_numbers(pair, 0, 0.25, False)
    shown = task.y[~np.isnan(task.y)]
    assert len(shown) == round(0.25 * len(task.y))
    assert shown.mean() == pytest.approx(0, abs=1e-9)
    assert shown.std() == pytest.approx(1)
    assert not np.isnan(task.X_missing).any()
    y = np.random.default_rng(1).normal(size=20_000)
    found = numbers_benchmark.scores(0 * y, np.ones_like(y), y)
    assert found["coverage"] == pytest.approx(0.9, abs=0.01)
    assert found["nll"] == pytest.approx(0.5 * np.log(2 * np.pi * np.e), abs=0.02)
    assert found["r2"] == pytest.approx(0, abs=1e-3)


def linear_layers(network):
    return [part for part in network.modules() if isinstance(part, torch.nn.Linear)]


@pytest.mark.parametrize("size", [SMALL, TOY], ids=lambda size: size.name)
def test_bare_loop_has_the_loss_of_the_fit(size):
    """With the same weights and noise, and without dropout."""
    loop = loop_of(size.model(), size.draw())
    weights, module = loop.plan.loss, loop.module
    assert weights.label_smoothing > 0
    assert weights.scale_prior > 0
    bare = bare_of(size, loop).eval()
    ours = {name: linear_layers(getattr(module, name)) for name in ("prior", "encoder", "decoder")}
    # The package's encoder also reads that x_M is there, which is a part of its bias.
    first, column = ours["encoder"][0], size.n_observed + size.n_missing
    with torch.no_grad():
        first.bias += first.weight[:, column]
    kept = np.delete(np.arange(first.in_features), column)
    ours["classifier"] = linear_layers(module.classifier)
    for name, layers in ours.items():
        for theirs, layer in zip(linear_layers(getattr(bare, name)), layers, strict=True):
            weight = layer.weight[:, kept] if layer is first else layer.weight
            theirs.load_state_dict({"weight": weight, "bias": layer.bias})
    with torch.no_grad():
        first.bias -= first.weight[:, column]
        batch = next(iter(loop.batches))
        noise = torch.randn(batch.n_rows, loop.noise.latent_dim, generator=torch.Generator())
        terms, _ = weights.evaluate(module, batch, noise)
        want = weights.total(terms.names, terms.means(batch))
        found = bare(batch.observed.values, batch.missing.values, batch.y, noise)
    assert float(found) == pytest.approx(float(want), rel=1e-5)


def test_the_listing_has_a_line_for_each_name(capsys):
    entry.main(["--help"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [words[0] for words in lines] == list(entry.EXPERIMENTS)
    assert all(len(words) > 3 for words in lines)
    with pytest.raises(SystemExit, match="There is no benchmark"):
        entry.main(["acuracy"])


@pytest.mark.parametrize("name", entry.EXPERIMENTS)
def test_every_name_has_its_options(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        entry.main([name, "--help"])
    assert stopped.value.code == 0
    assert "--out" in capsys.readouterr().out


ONE = ["--jobs", "1"]
ORACLES = list(baselines.ORACLES)
OPTIONS = {
    "accuracy": [*ONE, "--methods", "CMMD", baselines.TWIN, "LR", *ORACLES, "ridge"],
    "few_labels": [*ONE, "--methods", "CMMD", "two stages", baselines.TWIN, "LR", *ORACLES],
    "defaults": [*ONE, "--variants", "gain 1 at first", "averaged weights", "alpha=10, omega=1.0"],
    "generation": [*ONE, "--pairs", "sixteen", "--methods", "ensemble", "CMMD", "conformal ridge"],
    "subsets": [*ONE, "--methods", "one CMMD", "one CMMD a subset", "its twin", "mean + SVM"],
    "numbers": [*ONE, "--methods", "CMMD", "ridge", "MLP regression"],
    "omega": ONE,
    "updates": ONE,
    "speed": ["--cases", "steps", "threads", "predictions"],
    "large": [],
    "serving": [],
    "soak": [],
    "acoustic_inversion": ONE,
    "two_view_mnist": [],
    "mnist_svhn": [],
    "mnist_svhn_text": [*ONE, "--subsets", "m"],
    "three_modality_mnist": [],
}
WITHOUT_DATA = ("speed", "omega", "large", "serving", "soak")
DRAWN = ("few_labels", "acoustic_inversion")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPTIONS)
def test_every_name_runs(name, folder, tmp_path, capsys):
    if name in DRAWN:
        pytest.importorskip("matplotlib")
    out = tmp_path / name
    places = ["--data", str(folder)] if name not in WITHOUT_DATA else []
    entry.main([name, "--quick", "--out", str(out), *places, *OPTIONS[name]])
    text = out.with_suffix(".txt").read_text("utf-8")
    assert f"command: python -m benchmarks {name} --quick" in text
    assert len(pd.read_csv(out.with_suffix(".csv"))) > 0
    assert text.strip() in capsys.readouterr().out


def test_gpu_dry_run(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "gpu", "--dry-run", "--out", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    texts = {file.stem: file.read_text("utf-8") for file in tmp_path.glob("gpu_*.txt")}
    stages = ("tests", "steps", "fits", "predictions", "two_view_mnist", "mnist_svhn")
    assert set(texts) == {f"gpu_{stage}" for stage in stages}
    assert not any("Traceback" in text for text in texts.values()), texts
    assert "images are absent" in texts["gpu_mnist_svhn"]
    for stage in stages[:4]:
        assert len(pd.read_csv(tmp_path / f"gpu_{stage}.csv")) > 0


def test_gpu_goes_on_after_an_error_and_stops_in_time(tmp_path, monkeypatch):
    def broken(run):
        yield {"figure": 1}
        raise ZeroDivisionError("so it is")

    def slow(run):
        for figure in range(100):
            run.deadline = 0
            yield {"figure": figure}

    stages = {"broken": broken, "slow": slow, "late": broken}
    monkeypatch.setattr(gpu, "STAGES", stages)
    args = entry.parse("gpu", ["--dry-run", "--out", str(tmp_path)])
    gpu.run(args)
    texts = [(tmp_path / f"gpu_{name}.txt").read_text("utf-8") for name in ("broken", "slow")]
    assert "so it is" in texts[0]
    assert "Time was up" in texts[1]
    assert len(pd.read_csv(tmp_path / "gpu_broken.csv")) == 1


def test_pairs_that_choose_defaults_do_not_check_them():
    assert len(DEVELOPMENT) == len(HELD_BACK) == 8
    assert not set(DEVELOPMENT) & set(HELD_BACK)
