"""``verbwire grant-key``: a key with which a producer may sign, for one receiver, on behalf of one actor."""

from __future__ import annotations

from typing import Annotated

import typer

from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings


def grant_key(
    context: Annotated[str, typer.Argument(help="The namespace of the commands: their receiver.")],
    actor: Annotated[str, typer.Option("--actor", help="On whose behalf its holder may send.")],
    scope: Annotated[list[str] | None, typer.Option("--scope", help="What for: all of them. May be repeated.")] = None,
) -> None:
    """Print a key for a producer that is not to have the secret: its setting grant_keys (VERBWIRE_GRANT_KEYS).

    By it the producer proves that its commands to this receiver come from this actor, with exactly these scopes, and
    nothing else. It is a secret, and worth something until the project's grant secrets are replaced.
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
        raise ConfigurationError("there is no secret to derive it from: set grant_secrets (VERBWIRE_GRANT_SECRETS)")
    claim = Claim(settings.names.group(context), actor, tuple(sorted(principal.scopes)))
    print(Key(claim, derive(secrets[0], claim)))
