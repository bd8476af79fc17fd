"""Sphinx configuration."""

import inspect
import os
import zlib
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from numpydoc.xref import DEFAULT_LINKS
from sphinx_gallery.sorting import ExplicitOrder

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

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# In the types of parameters, these names are links, and words such as "int" are not.
DEFAULT_LINKS.clear()
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    "DataFrame": "pandas.DataFrame",
    "IndexedArray": "sklearn_cmmd.datasets.IndexedArray",
    "Modality": "sklearn_cmmd.Modality",
    "Networks": "sklearn_cmmd.Networks",
    "Objective": "sklearn_cmmd.Objective",
    "RandomState": "numpy.random.RandomState",
    "ndarray": "numpy.ndarray",
}
toc_object_entries_show_parents = "hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def names_of(project):
    """Compress the names of another project that these pages use: a build needs no network."""
    names = Path(__file__).with_name("inventories") / f"{project}.txt"
    inventory = Path(__file__).with_name("generated") / f"{project}.inv"
    inventory.parent.mkdir(exist_ok=True)
    head = (
        f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    inventory.write_bytes(head.encode() + zlib.compress(names.read_bytes()))
    return str(inventory)


intersphinx_mapping = {
    project: (address, names_of(project))
    for project, address in {
        "joblib": "https://joblib.readthedocs.io/en/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "python": "https://docs.python.org/3/",
        "scikit-learn": "https://scikit-learn.org/stable/",
        "skorch": "https://skorch.readthedocs.io/en/stable/",
        "torch": "https://docs.pytorch.org/docs/stable/",
    }.items()
}

html_theme = "pydata_sphinx_theme"
html_title = html_short_title = "sklearn_cmmd"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_favicon = "_static/favicon.svg"
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}
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

EXAMPLES = [
    *("quickstart", "breast_cancer", "intervals", "calibration", "absent_views", "few_labels"),
    *("numbers", "several_missing", "images_and_words", "tags", "choosing_omega", "training"),
    *("latent_space", "collapse", "attribution", "checks", "imbalance", "resuming"),
    "custom_network",
]
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": ExplicitOrder([f"plot_{name}.py" for name in EXAMPLES] + ["*"]),
    # What each name of the package is used in, for its page.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_cmmd",),
    # Continuous integration has run the examples before; a build for readers runs them again.
    "plot_gallery": os.environ.get("CI") != "true",
    "write_computation_times": False,
    "download_all_examples": False,
}


def signature_of_class(app, what, name, obj, options, signature, annotation):
    """Show the parameters of a class, also where its ``__new__`` takes any."""
    if what != "class":
        return None
    found = inspect.signature(obj)
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=found.empty)), None


def mathml(formula, **options):
    """Write a formula as MathML, which browsers draw without a script or a network."""
    applied = "<mo>&ApplyFunction;</mo>"  # "log p", where browsers set no space
    return tex2mathml(formula, **options).replace(applied, '<mspace width="0.17em"/>')


def inline_formula(self, node):
    """Write a formula within a line."""
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def block_formula(self, node):
    """Write a formula on lines of its own."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Add what no extension has."""
    app.connect("autodoc-process-signature", signature_of_class)
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
