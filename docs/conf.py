"""Sphinx's settings for the web pages; `tools/web_pages.py` copies this file beside the executed lessons."""

from numpy.typing import ArrayLike
from sphinx.util.typing import stringify_annotation

import segcourse

project = "segcourse"
version = release = segcourse.__version__
html_title = "segcourse"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"  # light and dark, search, and pages that fit a phone
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
templates_path = ["_templates"]
html_copy_source = False
html_show_sphinx = html_show_copyright = False
pygments_dark_style = "github-dark-high-contrast"

nb_execution_mode = "off"  # tools/web_pages.py has executed the lessons
nb_ipywidgets_js = {}  # widgets come with their own script, or as a static picture
nb_mime_priority_overrides = [("html", "text/html", 0)]
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write `x` for code
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 80
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]


def setup(app):
    """Let the reference name NumPy's type `ArrayLike` instead of listing what it consists of."""
    app.connect("autodoc-process-signature", short_signature)


def short_signature(app, what, name, thing, options, signature, returns):
    return signature and signature.replace(stringify_annotation(ArrayLike, "smart"), "ArrayLike"), returns
