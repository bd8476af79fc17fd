"""What wheel and sdist hold, and that they agree with the repository and with each other."""

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import sklearn_cmmd

pytest.importorskip("build", reason="build is not installed: pip install -e '.[test]'")
pytest.importorskip("hatchling", reason="hatchling is not installed: pip install -e '.[test]'")
ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the wheel, which is built from the sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    # Elsewhere than in the root, where a folder build/ would be taken for the module.
    subprocess.run(command, check=True, cwd=folder, capture_output=True)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def sources():
    """Return the files of the package, as paths below the root."""
    files = (path for path in (ROOT / "sklearn_cmmd").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if path.suffix != ".pyc"}


def test_the_wheel_is_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == sources()
    assert {"sklearn_cmmd/py.typed", "sklearn_cmmd/datasets/data/multiple_features.npz"} <= names
    assert {name.partition("/")[2] for name in about} == {
        *("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")
    }


def test_the_sdist_holds_what_the_tests_need(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert sources() <= names
    beside = {"CHANGELOG.rst", "LICENSE", "README.rst", "SECURITY.md", "constraints.txt"}
    tests = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py")}
    assert beside | tests <= names
    assert not {name for name in names if name.startswith(("benchmarks/", ".ci/", ".git/"))}


def test_the_metadata_are_those_of_the_project(built):
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        said = email.message_from_bytes(wheel.read(name))
    assert said["Version"] == sklearn_cmmd.__version__
    assert set(said.get_all("Provides-Extra")) == set(EXTRAS)
    required = [line for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    assert required == sorted(PROJECT["dependencies"])


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_an_extra_asks_for_the_same_version_everywhere():
    asked = {}
    for requirement in [*PROJECT["dependencies"], *(r for extra in EXTRAS.values() for r in extra)]:
        asked.setdefault(name_of(requirement), set()).add(requirement)
    assert {name: found for name, found in asked.items() if len(found) > 1} == {}


def test_the_tests_have_the_extras_that_users_have():
    for extra in ("plot", "inspect", "onnx", "dask"):
        assert set(EXTRAS[extra]) <= set(EXTRAS["test"]), extra


def test_whatever_is_asked_for_has_a_pinned_version():
    pins = {name_of(line) for line in (ROOT / "constraints.txt").read_text("utf-8").split()}
    for extra in ("plot", "inspect", "onnx", "dask", "examples", "test", "docs"):
        assert {name_of(requirement) for requirement in EXTRAS[extra]} <= pins, extra


def test_every_extra_is_in_the_guide():
    page = ROOT / "docs" / "start" / "install.rst"
    assert set(re.findall(r"^``(\w+)`` ", page.read_text("utf-8"), re.M)) == set(EXTRAS)


def test_a_tag_is_the_version():
    command = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD", "--list", "v*"]
    try:
        tags = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone of the repository")
    assert tags in ([], [f"v{sklearn_cmmd.__version__}"])
