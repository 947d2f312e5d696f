"""The compiled extensions of a checkout: one that was built of older code is told as that, not as a missing name."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from types import ModuleType

from verbwire.errors import ConfigurationError


def require_names(extension: ModuleType | None, names: Iterable[str]) -> None:
    """Raise :class:`ConfigurationError` where an extension is there, and lacks one of the names that the code uses.

    `names` may be dotted, those of its classes. A wheel is built at once, with its extensions: only who works on the
    code gets to see it.
    """
    missing = [] if extension is None else [name for name in names if not _has(extension, name)]
    if extension is not None and missing:
        raise ConfigurationError(
            f"the compiled {extension.__name__} is older than the code: it has no {missing[0]}. Run `make setup` in "
            "the checkout, which builds it again (`touch pyproject.toml` first, where that does nothing)"
        )


def _has(extension: ModuleType, name: str) -> bool:
    try:
        attrgetter(name)(extension)
    except AttributeError:
        return False
    return True
