"""Where the API server is and who we are: a kubeconfig, as client-go reads it."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(slots=True, frozen=True)
class Config:
    """`ca_data` empty means the system's authorities; `certificate` and `key` are PEM of a client certificate."""

    server: str
    token: str = ""
    ca_data: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    insecure: bool = False
    server_name: str = ""

    def address(self) -> tuple[str, int, str]:
        """Host, port and the path that every request starts with. Raises ValueError on a bad URL."""
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not a server URL: {self.server!r}")
        return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/")

    def ssl_context(self) -> ssl.SSLContext | None:
        """None for plain HTTP. Raises ssl.SSLError for material that is none."""
        if self.server.startswith("http:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_data.decode() if self.ca_data else None)
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate:
            _load_certificate(context, self.certificate, self.key)
        return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module reads certificates from files only."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def load(path: str | Path) -> Config:
    """The current context of a kubeconfig. Raises OSError, or ValueError for a file that is none."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(Path(path).read_bytes(), Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {error}") from error
    if not isinstance(found, Mapping):
        raise ValueError(f"{path}: not a kubeconfig")
    context = _named(found, "contexts", str(found.get("current-context") or ""), "context")
    cluster = _named(found, "clusters", str(context.get("cluster") or ""), "cluster")
    user = _named(found, "users", str(context.get("user") or ""), "user")
    folder = Path(path).parent
    return Config(
        server=str(cluster.get("server") or ""),
        token=_token(user, folder),
        ca_data=_material(cluster, "certificate-authority", folder),
        certificate=_material(user, "client-certificate", folder),
        key=_material(user, "client-key", folder),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=str(cluster.get("tls-server-name") or ""),
    )


def _named(config: Mapping[str, Any], section: str, name: str, inner: str) -> Mapping[str, Any]:
    for entry in config.get(section) or ():
        if entry.get("name") == name:
            return entry.get(inner) or {}
    raise ValueError(f"the kubeconfig has no {inner} named {name!r}")


def _material(section: Mapping[str, Any], key: str, folder: Path) -> bytes:
    """`KEY-data` (base64), or the file that `KEY` names."""
    if section.get(f"{key}-data"):
        return base64.b64decode(section[f"{key}-data"])
    return (folder / section[key]).read_bytes() if section.get(key) else b""


def _token(user: Mapping[str, Any], folder: Path) -> str:
    if user.get("token"):
        return str(user["token"])
    return (folder / user["tokenFile"]).read_text().strip() if user.get("tokenFile") else ""
