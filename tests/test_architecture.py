"""The house: imports run one way, and importing has no side effects."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_cmmd

ROOT = Path(sklearn_cmmd.__file__).parent

# A module may import from its own layer and from those above it in this list.
LAYERS = [
    {"exceptions", "_random", "_device", "_callers", "_spelling", "_files"},
    {"data"},
    {"networks"},
    {"objective"},
    {"groups", "params", "plan"},
    {"training"},
    {"_fitting"},
    {"persistence", "export"},
    {"_generative"},
    {"_inference"},
    {"_report"},
    {"_base"},
    {"_classifier", "_regressor", "_transformer"},
    {"crossfit"},
    {"_averaged"},
    {"_ensemble"},
    {"metrics"},
    {"_load"},
    {"model_selection"},
    {"datasets"},
    {"inspection"},
    {"plotting"},
]


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(path):
    """Name of the module or package directly below the root that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def layer(name):
    (number,) = [i for i, names in enumerate(LAYERS) if name in names]
    return number


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    for name in imported(path):
        if name.startswith("sklearn_cmmd."):
            assert layer(name.split(".")[1]) <= layer(room(path)), name


def test_every_room_has_a_layer():
    assert {room(path) for path in modules()} == set().union(*LAYERS)


@pytest.mark.parametrize("package", ["networks", "objective"])
@pytest.mark.parametrize("library", ["numpy", "sklearn", "scipy", "skorch"])
def test_networks_and_objective_know_torch_alone(package, library):
    for path in (ROOT / package).rglob("*.py"):
        assert library not in {name.split(".")[0] for name in imported(path)}, path


def test_importing_sets_nothing_global_and_does_not_import_matplotlib_pandas_or_captum():
    # Whatever torch, scikit-learn and skorch load by themselves is not ours.
    code = (
        "import logging, random, sys, warnings, numpy, torch, skorch\n"
        "import sklearn.preprocessing, sklearn.model_selection\n"
        "def state():\n"
        "    return (torch.get_default_dtype(), torch.get_num_threads(),\n"
        "            torch.initial_seed(), torch.get_rng_state().tolist(),\n"
        "            torch.distributions.Distribution._validate_args,\n"
        "            str(numpy.random.get_state()), random.getstate(), numpy.geterr(),\n"
        "            logging.root.level, len(logging.root.handlers), list(warnings.filters),\n"
        "            sklearn.get_config(), torch.are_deterministic_algorithms_enabled(),\n"
        "            torch.backends.cudnn.benchmark)\n"
        "before, loaded = state(), set(sys.modules)\n"
        "import sklearn_cmmd\n"
        "assert state() == before\n"
        "import sklearn_cmmd.datasets, sklearn_cmmd.model_selection\n"
        "import sklearn_cmmd.inspection, sklearn_cmmd.metrics, sklearn_cmmd.plotting\n"
        "ours = {name.split('.')[0] for name in set(sys.modules) - loaded}\n"
        "assert not {'matplotlib', 'pandas', 'captum'} & ours, ours\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
