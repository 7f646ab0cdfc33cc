"""Who asks? Client certificates and bearer tokens; everybody else is anonymous."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from apiserver import errors
from apiserver.kinds.kind import User

ISSUER = "https://kubernetes.default.svc"
"""Of service account tokens; what is for nobody in particular is for it."""
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))


@dataclass(slots=True, frozen=True)
class TokenEntry:
    """One line of a token file."""

    token: str
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


def read_token_file(path: str | Path) -> list[TokenEntry]:
    """kube-apiserver's `--token-auth-file`: token,user,uid[,"group1,group2"]. Raises ValueError for a bad line."""
    text = Path(path).read_text(encoding="utf-8")
    found = []
    for number, line in enumerate(csv.reader(io.StringIO(text), skipinitialspace=True), 1):
        if not line or not any(line):
            continue
        if len(line) < 3 or not line[0] or not line[1]:
            raise ValueError(f'{path}, line {number}: want token,user,uid and optionally "group1,group2"')
        groups = tuple(group.strip() for group in line[3].split(",") if group.strip()) if len(line) > 3 else ()
        found.append(TokenEntry(line[0], line[1], line[2], groups))
    return found


class TokenReader(Protocol):
    """Another source of tokens."""

    def user_of(self, token: str, audiences: tuple[str, ...] = ()) -> User | None: ...

    def audiences_of(self, token: str) -> tuple[str, ...]: ...


class Authenticator:
    """Headers -> User."""

    def __init__(self, tokens: Iterable[TokenEntry], accounts: TokenReader, anonymous: bool = True) -> None:
        self.anonymous, self._accounts = anonymous, accounts
        self.users = {entry.token: User(entry.name, entry.uid, (*entry.groups, AUTHENTICATED)) for entry in tokens}

    def user_of(self, token: str) -> User | None:
        """Who a bearer token stands for: the token file first, then service accounts."""
        return self.users.get(token) or self._accounts.user_of(token)

    def reviewed(self, token: str, audiences: tuple[str, ...]) -> tuple[User, list[str]] | None:
        """(who a token stands for, for which of the audiences): a token of the file is for the API server."""
        wanted = audiences or (ISSUER,)
        static = self.users.get(token)
        user = static or self._accounts.user_of(token, wanted)
        meant = (ISSUER,) if static else self._accounts.audiences_of(token)
        shared = [audience for audience in meant if audience in wanted]
        return (user, shared) if user is not None and shared else None

    def authenticate(self, headers: dict[bytes, bytes], certificate: str = "") -> User:
        """Raises 401 for a bad bearer token; a header of another scheme counts as none (403 follows). `certificate` is
        the client's (PEM), verified; it goes before the token."""
        if certificate:
            from apiserver.auth import certificates

            user = certificates.user_of(certificate)
            if user is not None:
                return user
        header = headers.get(b"authorization")
        token = _bearer(header.decode("latin-1")) if header is not None else ""
        if token:
            user = self.user_of(token)
            if user is None:
                raise errors.unauthorized()
            return user
        if not self.anonymous:
            raise errors.unauthorized()
        return ANONYMOUS


def _bearer(header: str) -> str:
    """The token of an Authorization header; "" for another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme == "Bearer" or scheme.lower() == "bearer" else ""
