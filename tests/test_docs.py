"""Documentation of everything public: complete, and true to the signatures."""

import importlib
import inspect
import pkgutil
import pydoc
import re
from pathlib import Path

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

DOCS = Path(__file__).parents[1] / "docs"
BUILT = {"_build", "_templates", "auto_examples", "generated"}
PAGES = [page for page in sorted(DOCS.rglob("*.rst")) if not BUILT & set(page.parts)]
LABELS = {
    *(
        label
        for page in PAGES
        for label in re.findall(r"^\.\. _([\w-]+):$", page.read_text(), re.M)
    ),
    *(f"sphx_glr_auto_examples_{path.name}" for path in DOCS.parent.glob("examples/*.py")),
}
QUESTIONS = [
    *("as ``X_missing``", "DataFrames", "categories", "NaN", "absent", "imbalanced", "than memory"),
    *("ω and λ", "estimator", "numbers", "Few of my rows", "network of my own", "How sure"),
    *("Which columns", "GPU", "save", "killed", "worth it", "not use it", "cite"),
]


def links(text):
    return re.findall(r":(doc|ref):`(?:[^`<]*<)?([^`<>]+)>?`", text)


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


def test_every_public_name_is_in_the_reference():
    listed = re.findall(r"^   ([\w.]+)$|``([\w.]+_scorer)``", (DOCS / "api.rst").read_text(), re.M)
    inside = pkgutil.walk_packages(sklearn_cmmd.__path__, "sklearn_cmmd.")
    modules = ["sklearn_cmmd", *(info.name for info in inside)]
    names = {
        f"{module}.{name}".removeprefix("sklearn_cmmd.")
        for module in modules
        for name in getattr(importlib.import_module(module), "__all__", [])
    }
    assert names - {"__version__"} <= {one or other for one, other in listed}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_to_a_page_or_a_label(page):
    for role, target in links(page.read_text()):
        folder = DOCS if target.startswith("/") else page.parent
        is_page = (folder / f"{target.lstrip('/')}.rst").exists()
        made_by_the_build = target == "/auto_examples/index"
        assert target in LABELS if role == "ref" else is_page or made_by_the_build, target


def test_frequent_questions_have_an_answer_with_a_link():
    page = (DOCS / "guide" / "questions.rst").read_text()
    answers = dict(re.findall(r"^(\S.*\?)\n((?:   .*\n)+)", page, re.M))
    for subject in QUESTIONS:
        assert any(subject in question for question in answers), subject
    assert all(links(answer) for answer in answers.values())


@pytest.mark.parametrize("path", sorted(DOCS.glob("inventories/*.txt")), ids=lambda path: path.stem)
def test_names_of_other_packages_exist(path):
    for line in path.read_text().splitlines():
        name, role, _, address, _ = line.split(maxsplit=4)
        whole = address.rpartition("#")[2].replace("$", name).removeprefix("module-")
        if role.startswith("py:"):
            assert pydoc.locate(whole) is not None, name
            assert whole.endswith(name), name
