"""The directive ``generated``: a part of the reference that is made of the code whenever the documentation is built.

``{generated} settings`` writes what ``docs/extensions/settings.py`` gives as its ``page()``, in markdown. Nothing of it
is committed, so nothing of it can disagree with the code.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Generated(SphinxDirective):
    """Stands for the markdown of one module's ``page()``."""

    required_arguments = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Return what the markdown means here."""
        module = importlib.import_module(f"docs.extensions.{self.arguments[0]}")
        self.env.note_dependency(str(Path(module.__file__ or "")))
        self.env.note_reread()  # it follows code that Sphinx does not watch
        return self.parse_text_to_nodes(module.page(), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directive."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
