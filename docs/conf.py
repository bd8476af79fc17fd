"""Sphinx configuration."""

import inspect
import os

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

from sklearn_cmmd import __version__

project = "sklearn_cmmd"
author = project_copyright = "The sklearn_cmmd developers"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "auto_examples/*.ipynb", "generated/backreferences"]
templates_path = ["_templates"]
# Names in backticks are links wherever there is a page for them, and code elsewhere.
default_role = "py:obj"
rst_prolog = ".. currentmodule:: sklearn_cmmd"
# Inherited docstrings refer to labels and terms of scikit-learn's own documentation.
suppress_warnings = ["ref.ref", "ref.term"]

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The names that these pages use, in plain text: a build needs no network.
intersphinx_mapping = {
    "joblib": ("https://joblib.readthedocs.io/en/stable/", "inventories/joblib.txt"),
    "numpy": ("https://numpy.org/doc/stable/", "inventories/numpy.txt"),
    "pandas": ("https://pandas.pydata.org/docs/", "inventories/pandas.txt"),
    "python": ("https://docs.python.org/3/", "inventories/python.txt"),
    "scikit-learn": ("https://scikit-learn.org/stable/", "inventories/scikit-learn.txt"),
    "skorch": ("https://skorch.readthedocs.io/en/stable/", "inventories/skorch.txt"),
    "torch": ("https://docs.pytorch.org/docs/stable/", "inventories/torch.txt"),
}

html_theme = "pydata_sphinx_theme"
html_title = html_short_title = "sklearn_cmmd"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_math_renderer = "mathml"
html_sidebars = {"index": [], "changelog": []}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "navbar_end": ["version", "theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "ExampleTitleSortKey",
    # What each name of the package is used in, for its page.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_cmmd",),
    # Continuous integration has run the examples before; a build for readers runs them again.
    "plot_gallery": os.environ.get("CI") != "true",
    "min_reported_time": 1e9,
    "download_all_examples": False,
}


def signature_of_class(app, what, name, obj, options, signature, annotation):
    """Show the parameters of a class, also where its ``__new__`` takes any."""
    if what != "class":
        return None
    found = inspect.signature(obj)
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty)), None


def inline_formula(self, node):
    """Write a formula as MathML, which browsers draw without a script or a network."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_formula(self, node):
    """Write a formula of its own line."""
    self.body.append(f'<div class="formula">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Add what no extension has."""
    app.connect("autodoc-process-signature", signature_of_class)
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
