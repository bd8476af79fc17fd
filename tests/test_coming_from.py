"""The lines of other packages in "Coming from …" run as they stand, where those are installed."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from sklearn_cmmd.datasets import load_multiple_features

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "coming_from.rst"
if not PAGE.is_file():
    pytest.skip("the page is not here", allow_module_level=True)

BLOCKS = re.findall(
    r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8"), re.MULTILINE
)
PACKAGES = ["multivae", "cca_zoo", "scvi", "imml"]
VIEWS = "fourier", "zernike", "profiles"


def lines_of(package):
    (lines,) = [block for block in BLOCKS if re.search(rf"(from|import) {package}\b", block)]
    return textwrap.dedent(lines)


def cells():
    """Three tables of counts of the same cells, with their types in the first."""
    anndata = pytest.importorskip("anndata", reason="AnnData is not installed")
    mudata = pytest.importorskip("mudata", reason="MuData is not installed")
    rng = np.random.default_rng(0)
    tables = {}
    for name, width in (("rna", 30), ("atac", 40), ("protein", 8)):
        table = anndata.AnnData(rng.poisson(2.0, (80, width)).astype(np.float32))
        table.obs_names = [f"cell {number}" for number in range(80)]
        table.var_names = [f"{name} {number}" for number in range(width)]
        tables[name] = table
    tables["rna"].obs["cell_type"] = rng.choice(["one", "other", "unknown"], 80)
    return mudata.MuData(tables)


@pytest.fixture
def names():
    """What the lines take for granted: 100 digits, in which no view or some is absent, and new."""
    sets = [load_multiple_features(observed=view, missing="karhunen_loeve") for view in VIEWS]
    rows = np.random.default_rng(0).permutation(len(sets[0].target))[:150]
    views = [StandardScaler().fit_transform(each.data[rows]) for each in sets]
    has = np.random.default_rng(1).random((3, 100)) < 0.8
    has[2] = True  # no row without any view
    names = {view: values[:100] for view, values in zip(VIEWS, views, strict=True)}
    names |= {f"new_{view}": values[100:] for view, values in zip(VIEWS, views, strict=True)}
    names |= {"has": dict(zip(VIEWS, torch.from_numpy(has), strict=True))}
    names |= {"has_all": has.all(axis=0), "Xs_new": [values[100:] for values in views]}
    return names | {"y": sets[0].target[rows[:100]], "y_new": sets[0].target[rows[100:]]}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", PACKAGES)
def test_lines_of_another_package_run(package, names, tmp_path, monkeypatch):
    pytest.importorskip(package, reason=f"{package} is not installed: see benchmarks/peers")
    monkeypatch.chdir(tmp_path)
    if package == "multivae":
        arrays = [name for name in names if name.removeprefix("new_") in VIEWS]
        names |= {name: torch.from_numpy(names[name]).float() for name in arrays}
    if package == "scvi":
        names["mdata"] = cells()
    Path("words.txt").write_text("one word and another\n" * 3)
    exec(compile(lines_of(package), str(PAGE), "exec"), names)
    if package in ("multivae", "cca_zoo"):
        assert names["made"].shape == (50, 216)
    if package == "scvi":
        assert np.allclose(names["types"].sum(axis=1), 1, atol=1e-4)
    if package == "imml":
        assert sum(map(len, names["proba"])) == 50
        assert not any(np.isnan(np.asarray(view)).any() for view in names["full"])


def test_no_block_is_left_out():
    assert len(BLOCKS) == len(PACKAGES)
