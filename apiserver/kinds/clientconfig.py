"""How webhooks are called (admission and conversion): `clientConfig`, review versions, and the rules for them."""

from __future__ import annotations

from urllib.parse import urlsplit

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Object

REVIEW_VERSIONS = ("v1", "v1beta1")
FORM = "; desired format: https://host[/path]"


def default_client_config(config: Object | None) -> None:
    service = (config or {}).get("service")
    if service is not None and service.get("port") is None:
        service["port"] = 443


def client_config_faults(config: Object, path: str) -> list[FieldError]:
    """Exactly one of `url` and `service`, and what is wrong with it."""
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    if url is not None:
        return _url_faults(url, f"{path}.url")
    assert service is not None
    return service_faults(service, f"{path}.service")


def _url_faults(url: str, path: str) -> list[FieldError]:
    try:
        parsed = urlsplit(url)
    except ValueError as error:
        return [required(path, f"url must be a valid URL: {error}{FORM}")]
    found: list[FieldError] = []
    if parsed.scheme != "https":
        found.append(invalid(path, parsed.scheme, f"'https' is the only allowed URL scheme{FORM}"))
    host = parsed.netloc.rpartition("@")[2]
    if not host:
        found.append(invalid(path, host, f"host must be provided{FORM}"))
    if "@" in parsed.netloc:
        user = parsed.netloc.rpartition("@")[0]
        found.append(invalid(path, user, "user information is not permitted in the URL"))
    if parsed.fragment:
        found.append(invalid(path, parsed.fragment, "fragments are not permitted in the URL"))
    if parsed.query:
        found.append(invalid(path, parsed.query, "query parameters are not permitted in the URL"))
    return found


def service_faults(service: Object, path: str) -> list[FieldError]:
    """A reference to a Service: name, namespace, port and path."""
    found = [required(f"{path}.{name}", f"service {name} is required") for name in ("name", "namespace")]
    found = [one for one in found if not service.get(one.field.rpartition(".")[2])]
    port = service.get("port", 443)
    texts = rules.port_number(port)
    if texts:
        found.append(invalid(f"{path}.port", port, f"port is not valid: {', '.join(texts)}"))
    return found + _path_faults(service.get("path") or "/", f"{path}.path")


def _path_faults(value: str, path: str) -> list[FieldError]:
    if value == "/":
        return []
    if value == "//":
        return [invalid(path, value, "segment[0] may not be empty")]
    found = [] if value.startswith("/") else [invalid(path, value, "must start with a '/'")]
    for index, step in enumerate(value[1:].removesuffix("/").split("/")):
        texts = rules.dns1123_subdomain(step) if step else ["may not be empty"]
        joint = ": " if step else " "
        found += [invalid(path, value, f"segment[{index}]{joint}{text}") for text in texts]
    return found


def review_version_faults(versions: list[str], path: str, hint: str = "") -> list[FieldError]:
    """The versions of review objects that a webhook understands; one of them must be ours."""
    if not versions:
        return [required(path, hint)]
    found: list[FieldError] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            found.append(invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            found += [invalid(f"{path}[{index}]", version, text) for text in rules.dns1035_label(version)]
    if not set(versions) & set(REVIEW_VERSIONS):
        found.append(invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return found


ONLY_WEBHOOK = "should not be set when strategy is not set to Webhook"


def conversion_faults(spec: Object) -> list[FieldError]:
    """spec.conversion of a CustomResourceDefinition. The paths are those of the real server's internal type."""
    stated, path = spec.get("conversion") or {}, "spec.conversion"
    strategy, webhook = stated.get("strategy") or "", stated.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions") or []
    found = [] if strategy else [required(f"{path}.strategy")]
    if strategy not in ("", "None", "Webhook"):
        found.append(not_supported(f"{path}.strategy", strategy, ("None", "Webhook")))
    if strategy == "Webhook":
        if spec.get("preserveUnknownFields"):
            why = "must be None if spec.preserveUnknownFields is true"
            found.append(invalid(f"{path}.strategy", strategy, why))
        if config is None:
            found.append(required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook"))
        else:
            found += client_config_faults(config, f"{path}.webhookClientConfig")
        return found + review_version_faults(versions, f"{path}.conversionReviewVersions")
    found += [forbidden(f"{path}.webhookClientConfig", ONLY_WEBHOOK)] if config is not None else []
    return found + ([forbidden(f"{path}.conversionReviewVersions", ONLY_WEBHOOK)] if versions else [])
