"""What the server says on standard error: klog's text form, or a line of JSON each (`--logging-format`)."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apiserver.exchange import Exchange

FORMATS = ("text", "json")
REQUESTS_FROM = 3
"""The verbosity (`-v`) from which every request is a line, as with kube-apiserver."""
log = logging.getLogger("miniplane.http")


def configure(form: str, verbosity: int) -> None:
    """Set up the process's log; `form` is one of FORMATS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger = logging.getLogger("miniplane")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbosity >= REQUESTS_FROM else logging.WARNING)


def wanted() -> bool:
    """Whether requests are logged."""
    return log.isEnabledFor(logging.INFO)


def request(exchange: Exchange, seconds: float) -> None:
    """One line about an answered request."""
    if not wanted():
        return
    fields = {
        "verb": exchange.info.verb if exchange.info else exchange.scope["method"],
        "URI": exchange.uri,
        "latency": f"{seconds * 1000:.3f}ms",
        "userAgent": exchange.header(b"user-agent"),
        "audit-ID": exchange.audit_id.decode("latin-1"),
        "srcIP": ",".join(exchange.source_ips),
        "resp": exchange.status,
    }
    log.info("HTTP", extra={"fields": fields})


class TextFormatter(logging.Formatter):
    """klog: `E1123 09:30:00.123456   4711 server.py:12] "message" key="value"`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows it."""
        when = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        micros = int(record.created % 1 * 1_000_000)
        head = f"{record.levelname[0]}{when}.{micros:06} {record.process:7} {record.filename}:{record.lineno}]"
        words = [_quoted(record.getMessage())]
        words += [f"{key}={_quoted(value)}" for key, value in _fields(record).items()]
        text = f"{head} {' '.join(words)}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class JsonFormatter(logging.Formatter):
    """The JSON form of Kubernetes' components: ts, caller, msg, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, traceback included."""
        import orjson

        found: dict[str, Any] = {
            "ts": round(record.created * 1000, 3),
            "level": record.levelname.lower(),
            "caller": f"{record.filename}:{record.lineno}",
            "msg": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            found["err"] = self.formatException(record.exc_info)
        return orjson.dumps(found, default=str).decode()


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = getattr(record, "fields", {})
    return found


def _quoted(value: Any) -> str:
    """Go's %q, nearly: what clients send cannot begin a line of its own."""
    import orjson

    return orjson.dumps(value).decode() if isinstance(value, str) else str(value)
