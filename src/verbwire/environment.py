"""Settings out of the environment: ``VERBWIRE_NAME`` is a value, ``VERBWIRE_NAME_FILE`` a file that has one.

The second form is that of secrets which Docker and Kubernetes mount: in a file, they are in no listing of a process's
or a container's environment.
"""

from __future__ import annotations

import os
from pathlib import Path

from verbwire.errors import ConfigurationError


def from_environment(name: str) -> tuple[str, str] | None:
    """Return the value of a setting and the variable that it came from, None where neither is set.

    One newline at the end of a file is not part of the value. ConfigurationError where both are set, or the file
    cannot be read; it does not tell what is in it.
    """
    variable = f"VERBWIRE_{name.upper()}"
    file_variable = f"{variable}_FILE"
    value, file = os.environ.get(variable), os.environ.get(file_variable)
    if file is None:
        return None if value is None else (value, variable)
    if value is not None:
        raise ConfigurationError(f"{variable} and {file_variable} are both set: which of them holds? Unset the other")
    try:
        return Path(file).read_text("utf-8").removesuffix("\n").removesuffix("\r"), file_variable
    except OSError as error:
        raise ConfigurationError(f"{file_variable}: {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file_variable}: {file} is not UTF-8 text") from None
