"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]  # for docs.extensions, which write the reference

_project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

project = "verbwire"
release = version = _project["version"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "docs.extensions.generated",
]
exclude_patterns = ["extensions"]
source_suffix = {".md": "markdown"}

# Markdown that also reads well where no Sphinx is, as on a forge: links go to files, anchors are GitHub's.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

suppress_warnings = ["toc.empty_glob"]

smartquotes = False  # options are written --so

html_theme = "furo"
html_title = f"verbwire {release}"
html_static_path = ["_static"]
html_copy_source = False
html_show_sphinx = False
pygments_style, pygments_dark_style = "tango", "monokai"

autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_module_names = False
maximum_signature_line_length = 88

# `make docs ARGS=linkcheck`. A forge's own anchors are made by its scripts, and local addresses are examples.
linkcheck_anchors = False
linkcheck_timeout = 20
linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost)"]
