"""Signed links to outcomes, which only the command's sender, or an operator, can use.

The link holds all there is to know (which command, where it lies, who sent it), so any worker of the project can
answer, and a signature, so that no client can make one up or change one.
"""

from __future__ import annotations

import binascii
import secrets

from verbwire import base64url
from verbwire.errors import UndecodableError
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.principal import Principal
from verbwire.security.tokens import OPERATOR, sign, verify
from verbwire.wire.outcome_tokens import OutcomeToken

_LABEL = "verbwire:outcome"
_MAX = 6_000  # characters; a request line holds more


class OutcomeLinks:
    """Signs and checks links. `secret` is the workers' own; without one, links are good at this process only."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret or secrets.token_hex(32)

    def path(self, token: str, actor: str) -> str:
        """Return the path of the outcome: the token of :mod:`verbwire.wire.outcome_tokens` and its sender, signed."""
        text = f"{token}.{base64url.as_text(actor.encode())}"
        return f"/outcomes/{text}.{base64url.as_text(sign(self._secret, _LABEL, text.encode()))}"

    def read(self, text: str, principal: Principal) -> OutcomeToken:
        """Return what a link's last part stands for, if this principal may know; else 404, whatever is wrong."""
        token = self._token(text, principal)
        if token is None:
            raise HttpProblem(
                problem_types.NO_SUCH_OUTCOME, "you have no such outcome: use the path from Location, unchanged"
            )
        return token

    def _token(self, text: str, principal: Principal) -> OutcomeToken | None:
        parts = text.split(".")
        if len(text) > _MAX or len(parts) != 3:
            return None
        token, actor, signature = parts
        try:
            if not verify(self._secret, _LABEL, f"{token}.{actor}".encode(), base64url.from_text(signature)):
                return None
            if base64url.from_text(actor).decode() != principal.actor and OPERATOR not in principal.scopes:
                return None
            return OutcomeToken.decode(token)
        except (binascii.Error, ValueError, UndecodableError):
            return None
