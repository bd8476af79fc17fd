import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd.datasets import load_multiple_features

WIDTHS = {
    "fourier": 76,
    "karhunen_loeve": 64,
    "profiles": 216,
    "pixels": 240,
    "zernike": 47,
    "morphological": 6,
}


def test_views():
    bunch = load_multiple_features()
    assert {name: view.shape for name, view in bunch.views.items()} == {
        name: (2000, width) for name, width in WIDTHS.items()
    }
    assert np.bincount(bunch.target).tolist() == [200] * 10
    assert np.array_equal(bunch.data, bunch.views["fourier"])
    assert np.array_equal(bunch.data_missing, bunch.views["pixels"])
    assert bunch.images.shape == (2000, 16, 15)
    assert bunch.images.max() == 6
    assert "CC BY 4.0" in bunch.DESCR
    assert "Duin" in bunch.DESCR


def accuracy(view, digits):
    bunch = load_multiple_features(observed=view, missing=None)
    rows = np.isin(bunch.target, digits)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return cross_val_score(model, bunch.data[rows], bunch.target[rows], cv=3).mean()


@pytest.mark.parametrize("view", WIDTHS)
def test_every_view_tells_digits_apart(view):
    assert accuracy(view, [0, 1, 2, 3]) > 0.9


def test_rotation_invariant_views_cannot_tell_six_from_nine():
    assert accuracy("zernike", [6, 9]) < 0.7
    assert accuracy("fourier", [6, 9]) < 0.7
    assert accuracy("pixels", [6, 9]) > 0.98


def test_views_are_of_the_same_digits():
    """Karhunen-Loève coefficients are linear in the pixels, row by row."""
    views = load_multiple_features().views
    pixels, coefficients = views["pixels"].astype(float), views["karhunen_loeve"]
    assert LinearRegression().fit(pixels, coefficients).score(pixels, coefficients) > 0.85
    shuffled = np.random.RandomState(0).permutation(coefficients)
    assert LinearRegression().fit(pixels, shuffled).score(pixels, shuffled) < 0.3


def test_choice_of_views():
    bunch = load_multiple_features(observed=["zernike", "fourier"], missing=("pixels", "profiles"))
    assert bunch.data.shape == (2000, 123)
    assert np.array_equal(bunch.data[:, 47:], bunch.views["fourier"])
    assert bunch.data_missing.shape == (2000, 456)
    assert len(bunch.feature_names) == 123
    assert bunch.missing_feature_names[-1] == "profiles_215"


def test_as_frame():
    bunch = load_multiple_features(as_frame=True)
    assert isinstance(bunch.data, pd.DataFrame)
    assert bunch.data.columns.tolist() == bunch.feature_names
    assert bunch.data_missing.columns.tolist() == bunch.missing_feature_names
    assert bunch.target.name == "digit"
    assert isinstance(bunch.views["zernike"], pd.DataFrame)


def test_return_X_y():
    X, y = load_multiple_features(missing=None, return_X_y=True)
    assert X.shape, y.shape == ((2000, 76), (2000,))
    X, M, y = load_multiple_features(return_X_y=True, as_frame=True)
    assert M.shape == (2000, 240)
    assert isinstance(y, pd.Series)
    assert load_multiple_features(missing=None).data_missing is None


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"observed": "colour"}, r"observed must name views out of .*Got 'colour'"),
        ({"observed": []}, "observed must name views"),
        ({"missing": ["pixels", "sound"]}, "missing must name views"),
        ({"observed": "pixels"}, r"Views \['pixels'\] are both observed and missing"),
    ],
)
def test_unknown_views(views, message):
    with pytest.raises(ValueError, match=message):
        load_multiple_features(**views)
