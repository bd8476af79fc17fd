"""Documentation of everything public: complete, and true to the signatures."""

import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import FunctionDoc, NumpyDocString

import sklearn_cmmd
import sklearn_cmmd.datasets
import sklearn_cmmd.inspection
import sklearn_cmmd.metrics
import sklearn_cmmd.model_selection
import sklearn_cmmd.plotting
from sklearn_cmmd import CMMDClassifier, CMMDRegressor, CMMDTransformer

DISPLAYS = [getattr(sklearn_cmmd.plotting, name) for name in sklearn_cmmd.plotting.__all__]
PUBLIC = [
    *(getattr(sklearn_cmmd, name) for name in sklearn_cmmd.__all__ if name != "__version__"),
    *(getattr(sklearn_cmmd.datasets, name) for name in sklearn_cmmd.datasets.__all__),
    *(getattr(sklearn_cmmd.inspection, name) for name in sklearn_cmmd.inspection.__all__),
    # Scorers are no functions, but made by one.
    *(
        getattr(sklearn_cmmd.metrics, name)
        for name in sklearn_cmmd.metrics.__all__
        if not name.startswith("neg_")
    ),
    sklearn_cmmd.model_selection.SemiSupervisedSplit,
    *DISPLAYS,
]
METHODS = (
    [
        getattr(cls, name)
        for cls in (CMMDClassifier, CMMDRegressor, CMMDTransformer)
        for name in sorted(vars(cls))
        if not name.startswith(("_", "set_")) and inspect.isfunction(getattr(cls, name))
    ]
    + [
        getattr(cls, name)
        for cls in DISPLAYS
        for name in dir(cls)
        if not name.startswith("_") and callable(getattr(cls, name))
    ]
    + [CMMDClassifier.transform, CMMDClassifier.posterior, CMMDClassifier.generate_missing]
)


def parameters(documented):
    return {
        name.strip().lstrip("*"): entry.type
        for entry in NumpyDocString(inspect.getdoc(documented))["Parameters"]
        for name in entry.name.split(",")
    }


def defaults(documented):
    return {
        name: parameter.default
        for name, parameter in inspect.signature(documented).parameters.items()
        if name != "self"
    }


@pytest.mark.parametrize("documented", [*PUBLIC, *METHODS], ids=lambda d: d.__qualname__)
def test_documented_defaults_are_those_of_the_signature(documented):
    documented_types, signature = parameters(documented), defaults(documented)
    assert set(documented_types) == set(signature)
    for name, default in signature.items():
        found = re.search(r"default=(.+)$", documented_types[name])
        if default is inspect.Parameter.empty or not documented_types[name]:
            assert found is None, name
        else:
            assert found is not None, name
            assert found[1] == (f'"{default}"' if isinstance(default, str) else repr(default)), name


@pytest.mark.parametrize("documented", PUBLIC, ids=lambda d: d.__name__)
def test_public_docstrings_are_complete(documented):
    doc = NumpyDocString(inspect.getdoc(documented))
    assert len(doc["Summary"]) >= 1
    assert doc["Examples"], "an example that runs"
    if not inspect.isclass(documented):
        assert doc["Returns"]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__qualname__)
def test_method_docstrings_are_complete(method):
    doc = FunctionDoc(method)
    assert doc["Summary"]
    assert doc["Returns"]
    assert all(entry.desc for entry in [*doc["Parameters"], *doc["Returns"]])


@pytest.mark.parametrize("cls", [CMMDClassifier, CMMDRegressor, CMMDTransformer])
def test_every_fitted_attribute_is_documented(cls, digits, small):
    X, M, y = digits
    fitted = cls(**small | {"max_epochs": 1}).fit(X, y, X_missing=M)
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    documented = {
        name.strip()
        for entry in NumpyDocString(cls.__doc__)["Attributes"]
        for name in entry.name.split(",")
    }
    assert public <= documented
    assert documented - public <= {"feature_names_in_"}


def test_constraints_cover_the_parameters():
    for estimator in (CMMDClassifier(), CMMDRegressor(), CMMDTransformer()):
        names = set(estimator.get_params(deep=False))
        assert set(estimator._parameter_constraints) == names
    assert "{parameters}" not in CMMDClassifier.__doc__ + CMMDTransformer.__doc__


def test_every_module_has_a_docstring_and_names_that_exist():
    for info in pkgutil.walk_packages(sklearn_cmmd.__path__, "sklearn_cmmd."):
        module = importlib.import_module(info.name)
        assert module.__doc__, info.name
        for name in getattr(module, "__all__", []):
            assert hasattr(module, name), f"{info.name}.{name}"
