"""``verbwire grant-key``: a key with which a producer may sign, for one receiver, on behalf of one actor."""

from __future__ import annotations

from typing import Annotated

import typer

from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings


def grant_key(
    context: Annotated[str, typer.Argument(help="The namespace of the commands.")],
    actor: Annotated[str, typer.Option("--actor", help="The actor that the holder of the key may send as.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="The scopes that its commands carry, exactly these. May be repeated."),
    ] = None,
) -> None:
    """Print a key for a producer without the secret; it goes into its setting grant_keys (VERBWIRE_GRANT_KEYS).

    With it the producer proves that its commands to this context come from this actor, with exactly these scopes, and
    nothing else. Keep it secret; it is valid until the project's grant secrets are replaced.
    """
    from verbwire.contracts.schema.load import load_catalog
    from verbwire.messages import Kind
    from verbwire.principal import Principal
    from verbwire.secrets import grant_secrets
    from verbwire.wire.grants.grants import Claim, Key, derive
    from verbwire.wire.headers import require_writable

    settings = load_settings()
    known = sorted({each.namespace for each in load_catalog(settings.schemas) if each.kind is Kind.COMMAND})
    if context not in known:
        raise ConfigurationError(f"no context {context!r} has commands, there are {', '.join(known) or 'none'}")
    principal = Principal(actor, scope or ())
    require_writable(principal)
    secrets = grant_secrets(settings)
    if not secrets:
        raise ConfigurationError(
            "there is no secret to derive the key from: set grant_secrets (VERBWIRE_GRANT_SECRETS)"
        )
    claim = Claim(settings.names.context(context), actor, tuple(sorted(principal.scopes)))
    print(Key(claim, derive(secrets[0], claim)))
