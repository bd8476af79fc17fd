"""What fitted estimators show of themselves: in print, in notebooks, to `dir`."""

import html.parser

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_cmmd import CMMDClassifier, CMMDEnsemble, CMMDRegressor, CMMDTransformer, Modality
from sklearn_cmmd.datasets import load_multiple_features
from tests.tiny import TINY, M, X, Y, fit


class Cells(html.parser.HTMLParser):
    """Collects the rows of the tables below the diagram, by their captions."""

    def __init__(self):
        super().__init__()
        self.inside, self.title, self.tables, self.tags = False, "", {}, []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = self.inside or dict(attrs).get("class") == "cmmd-report"
        if self.inside and tag == "tr":
            self.tables.setdefault(self.title, []).append([])
        if self.inside and tag in ("td", "th"):
            self.tables[self.title][-1].append("")

    def handle_data(self, data):
        if self.inside and self.tags[-1] == "caption":
            self.title = data
        elif self.title:
            self.tables[self.title][-1][-1] += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self.tables[self.title] = []


def shown(estimator):
    parser = Cells()
    parser.feed(estimator._repr_html_())
    return parser.tables


def by_name(rows):
    return {row[0]: row[1:] for row in rows}


def test_modalities_have_shapes_likelihoods_and_networks():
    digits = load_multiple_features()
    rows = np.arange(0, 2000, 40)
    missing = {
        "picture": digits.images[rows].astype(float),
        "profiles": digits.views["profiles"][rows].astype(float),
    }
    described = [
        Modality("picture", network={"decoder": "conv2d"}),
        Modality("profiles", likelihood="laplace"),
    ]
    clf = CMMDClassifier(**TINY, missing=described)
    clf.fit(digits.views["zernike"][rows], digits.target[rows], X_missing=missing)
    table = by_name(shown(clf)["Modalities"])
    assert table["X"] == ["observed", "47", "", "auto"]
    network = "prior auto, encoder auto, decoder conv2d"
    assert table["picture"] == ["missing", "16 × 15", "gaussian", network]
    assert table["profiles"] == ["missing", "216", "laplace", "auto"]


def test_widths_are_those_of_the_layers():
    clf = fit(hidden_layer_sizes=(7, 5))
    table = by_name(shown(clf)["Networks"])
    for name in ("prior", "encoder", "decoder", "classifier"):
        layers = [m for m in getattr(clf.module_, name).modules() if isinstance(m, nn.Linear)]
        widths = [int(width) for width in table[name][1].split(" → ")]
        assert widths[0] == layers[0].in_features
        assert widths[1:-1] == [m.out_features for m in layers[: len(widths) - 2]]
    assert [table[name][1].split()[-1] for name in table if name in ("prior", "decoder")] == [
        "2",
        "3",
    ]


def test_weights_are_counted():
    clf = fit(hidden_layer_sizes=(50,))
    table = by_name(shown(clf)["Networks"])
    counts = {name: int(row[-1].replace(",", "")) for name, row in table.items() if name}
    whole = sum(p.numel() for p in clf.module_.parameters())
    assert counts.pop("all") == whole == sum(counts.values())


def test_a_network_that_is_not_there_is_not_shown():
    table = by_name(shown(fit(M=None))["Networks"])
    assert "decoder" not in table
    assert table["encoder"][0] == "q(z | x_O, y)"
    assert "classifier" not in by_name(
        shown(CMMDTransformer(**TINY).fit(X, X_missing=M))["Networks"]
    )


def test_every_auto_is_shown_as_what_it_came_to():
    table = by_name(shown(fit(max_epochs=2, batch_size=16))["Training"])
    assert table["device"] == ["cpu"]
    assert table["epochs"] == table["weights of epoch"] == ["2"]
    assert table["held-out loss"] == ["none"]
    assert table['dropout="auto"'] == ["0.3"]
    assert table['label_in_encoder="auto"'] == ["True"]
    assert not {'batch_size="auto"', 'max_epochs="auto"'} & set(table)


def test_the_held_out_loss_is_that_of_the_best_epoch():
    clf = fit(max_epochs=3, early_stopping=True, validation_fraction=0.3)
    table = by_name(shown(clf)["Training"])
    best = clf.history_["valid_classification"][clf.best_epoch_ - 1]
    assert float(table["held-out loss"][0]) == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize(
    ("member", "y", "factors"),
    [(CMMDClassifier, Y, 1), (CMMDRegressor, np.c_[X[:, 0], X[:, 1]], 2)],
)
def test_an_ensemble_shows_its_members_and_what_they_add_up_to(member, y, factors):
    ensemble = CMMDEnsemble(member(**TINY), n_estimators=2, random_state=0).fit(X, y, X_missing=M)
    tables = shown(ensemble)
    assert [row[0] for row in tables["Members"]] == ["", "0", "1"]
    names, weights = tables["Weights of the generators"]
    assert names == ["", *ensemble.weights_["X_missing"]]
    found = list(ensemble.weights_["X_missing"].values())
    assert list(map(float, weights[1:])) == pytest.approx(found, abs=0.006)
    assert len(tables["Temperature"]) == factors
    assert "Networks of each member" in tables


def test_names_of_users_are_no_markup():
    views = {"<script>a</script>": X + 0.5, "b&c": M + 0.5}
    text = CMMDTransformer(**TINY, optional="all").fit(views)._repr_html_()
    report = text[text.index("cmmd-report") :]
    assert "&lt;script&gt;a" in report
    assert "<script>a" not in report
    assert "b&amp;c" in report


def test_rows_that_may_lack_a_modality_are_said_to():
    clf = CMMDTransformer(**TINY, optional=["b"]).fit({"a": X + 0.5, "b": M + 0.5})
    sides = {name: row[0] for name, row in by_name(shown(clf)["Modalities"]).items()}
    assert sides == {"": "side", "a": "observed", "b": "optional"}


@pytest.mark.parametrize("estimator", [CMMDClassifier(), CMMDEnsemble()])
def test_before_the_fit_there_is_the_diagram_alone(estimator):
    assert "CMMD" in estimator._repr_html_()
    assert "cmmd-report" not in estimator._repr_html_()


def test_a_notebook_gets_the_same_by_both_ways():
    clf = fit()
    bundle = clf._repr_mimebundle_()
    assert "cmmd-report" in bundle["text/html"]
    assert bundle["text/plain"] == repr(clf)


def test_text_is_all_that_is_shown_if_asked_for():
    clf = fit()
    with config_context(display="text"):
        assert not hasattr(clf, "_repr_html_")
        assert set(clf._repr_mimebundle_()) == {"text/plain"}


def test_print_is_short():
    clf = CMMDClassifier(omega=0.3, **TINY)
    assert repr(CMMDClassifier(omega=0.3)) == "CMMDClassifier(omega=0.3)"
    assert repr(clf.fit(X, Y, X_missing=M)) == repr(CMMDClassifier(omega=0.3, **TINY))


@pytest.mark.parametrize("wrap", ["pipeline", "search"])
def test_what_holds_an_estimator_shows_it(wrap):
    clf = CMMDClassifier(**TINY)
    if wrap == "pipeline":
        whole = make_pipeline(StandardScaler(), clf).fit(X, Y, cmmdclassifier__X_missing=M)
    else:
        whole = GridSearchCV(clf, {"omega": [0.1]}, cv=2).fit(X, Y, X_missing=M)
    assert "CMMDClassifier" in whole._repr_html_()


@pytest.mark.parametrize("wrap", [lambda est: est, CMMDEnsemble])
def test_names_of_attributes_are_found_without_a_missing_modality(wrap):
    estimator = wrap(CMMDClassifier(**TINY)).fit(X, Y)
    assert "predict" in dir(estimator)
    assert "cmmd-report" in estimator._repr_html_()
