"""Sphinx configuration."""

import os

from sklearn_cmmd import __version__

project = "sklearn_cmmd"
author = "The sklearn_cmmd developers"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
autosummary_generate = True
default_role = "code"
# Inherited docstrings refer to labels and terms of scikit-learn's own documentation.
suppress_warnings = ["ref.ref", "ref.term"]
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Continuous integration has run the examples before; a build for readers runs them again.
    "plot_gallery": os.environ.get("CI") != "true",
    "min_reported_time": 1e9,
    "download_all_examples": False,
}
