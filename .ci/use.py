"""Use an installed package: import, fit, predict, generate, save and load, away from the clone."""

import tempfile
from pathlib import Path

import sklearn_cmmd
from sklearn_cmmd import CMMDClassifier, load
from sklearn_cmmd.datasets import load_multiple_features

CLONE = Path(__file__).parents[1]


def main() -> None:
    """Fit a few rows, and load what was saved of it."""
    assert CLONE not in Path(sklearn_cmmd.__file__).parents, "the clone was imported"
    digits = load_multiple_features(observed="zernike", missing="morphological")
    X, y, X_missing = digits.data[::20], digits.target[::20], digits.data_missing[::20]
    clf = CMMDClassifier(max_epochs=2, random_state=0).fit(X, y, X_missing=X_missing)
    with tempfile.TemporaryDirectory() as folder:
        clf.save(Path(folder) / "model.safetensors")
        again = load(Path(folder) / "model.safetensors")
    assert (again.predict(X) == clf.predict(X)).all()
    assert again.generate_missing(X).shape == X_missing.shape
    print(f"sklearn_cmmd {sklearn_cmmd.__version__} from {sklearn_cmmd.__file__}")


if __name__ == "__main__":
    main()
