"""The directive ``generated``: a part of the reference that is made of the code whenever the documentation is built.

``{generated} settings`` writes what ``docs/extensions/settings.py`` gives as its ``page()``, in markdown;
``{generated} errors.tree`` what another function gives. Nothing of it is committed, so none of it can disagree.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Generated(SphinxDirective):
    """Stands for the markdown that a module gives."""

    required_arguments = 1
    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Return what the markdown means here."""
        name, _, part = self.arguments[0].partition(".")
        module = importlib.import_module(f"docs.extensions.{name}")
        self.env.note_dependency(str(Path(module.__file__ or "")))
        self.env.note_reread()  # it follows code that Sphinx does not watch
        text = getattr(module, part or "page")()
        # MyST puts sections into the document at once, before what this returns: no text may stand before the first.
        has_sections = text.startswith("## ")
        if not has_sections and "\n## " in text:
            raise self.error(f"{self.arguments[0]} begins without a heading and has one later")
        return self.parse_text_to_nodes(text, allow_section_headings=has_sections)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directive."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
