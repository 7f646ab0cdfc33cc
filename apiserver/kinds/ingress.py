"""networking.k8s.io/v1 Ingress and IngressClass."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, immutable, invalid, not_supported, required, too_long
from apiserver.kinds.kind import Context, Object, Strategy
from apiserver.kinds.service_validation import hostname

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
CONTROLLER_LIMIT = 250
NEVER_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
NEVER_ENDING_PATHS = ("/..", "/.")


class IngressStrategy(Strategy):
    """Ingress."""

    has_generation = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found = _ingress(obj.get("spec") or {}, None)
        annotation = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
        named = (obj.get("spec") or {}).get("ingressClassName")
        if annotation is not None and named is not None and annotation != named:
            why = "must match `ingressClassName` when both are specified"
            found.append(invalid(f"annotations.{CLASS_ANNOTATION}", annotation, why))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _ingress(obj.get("spec") or {}, old.get("spec") or {})

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        known = {item.get("ip") for item in _points(old)}
        found: list[FieldError] = []
        for index, item in enumerate(_points(obj)):
            path, address = f"status.loadBalancer.ingress[{index}]", item.get("ip", "")
            if address and address not in known:
                found += [invalid(f"{path}.ip", address, text) for text in rules.legacy_ip(address)]
            found += hostname(item.get("hostname", ""), f"{path}.hostname")
        return found

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        annotated = CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {})
        if old is not None or not annotated or (obj.get("spec") or {}).get("ingressClassName") is not None:
            return []
        return [f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]


def _points(obj: Object) -> list[Object]:
    found: list[Object] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def _ingress(spec: Object, before: Object | None) -> list[FieldError]:
    """`before` excuses faults that were stored before their rule existed."""
    found: list[FieldError] = []
    ingress_rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    if not ingress_rules and default is None:
        found.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    if default is not None:
        found += _backend(default, "spec.defaultBackend")
    for index, rule in enumerate(ingress_rules):
        found += _rule(rule, f"spec.rules[{index}]")
    check_secrets = not any(_secret_faults(item) for item in (before or {}).get("tls") or ())
    for index, item in enumerate(spec.get("tls") or ()):
        found += _tls(item, f"spec.tls[{index}]", check_secrets)
    name = spec.get("ingressClassName")
    if name is not None:
        found += [invalid("spec.ingressClassName", name, text) for text in rules.dns1123_subdomain(name)]
    return found


def _host_texts(host: str) -> list[str]:
    return rules.wildcard_dns1123_subdomain(host) if "*" in host else rules.dns1123_subdomain(host)


def _tls(item: Object, path: str, check_secrets: bool) -> list[FieldError]:
    found: list[FieldError] = []
    for index, host in enumerate(item.get("hosts") or ()):
        found += [invalid(f"{path}.hosts[{index}]", host, text) for text in _host_texts(host)]
    if check_secrets:
        found += [invalid(f"{path}.secretName", item["secretName"], text) for text in _secret_faults(item)]
    return found


def _secret_faults(item: Object) -> list[str]:
    name = item.get("secretName", "")
    return rules.dns1123_subdomain(name) if name else []


def _rule(rule: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    host, http = rule.get("host", ""), rule.get("http")
    if host:
        if rules.parse_ip(host) is not None:
            found.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        found += [invalid(f"{path}.host", host, text) for text in _host_texts(host)]
    if http is None:
        return found
    if not http.get("paths"):
        found.append(required(f"{path}.http.paths"))
    for index, item in enumerate(http.get("paths") or ()):
        found += _path(item, f"{path}.http.paths[{index}]")
    return found


def _path(item: Object, path: str) -> list[FieldError]:
    kind, value, where = item.get("pathType"), item.get("path", ""), f"{path}.path"
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    found: list[FieldError] = []
    strict = kind in ("Exact", "Prefix")
    if kind not in PATH_TYPES:
        found.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif (strict or value) and not value.startswith("/"):
        found.append(invalid(where, value, "must be an absolute path"))
    if strict:
        found += [invalid(where, value, f"must not contain '{part}'") for part in NEVER_IN_PATHS if part in value]
        ends = [end for end in NEVER_ENDING_PATHS if value.endswith(end)]
        found += [invalid(where, value, f"cannot end with '{end}'") for end in ends]
    return found + _backend(item.get("backend") or {}, f"{path}.backend")


def _backend(backend: Object, path: str) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return reference_faults(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    name = service.get("name", "")
    if not name:
        found = [required(f"{path}.service.name")]
    else:
        found = [invalid(f"{path}.service.name", name, text) for text in rules.dns1123_label(name)]
    return found + _backend_port(service.get("port") or {}, path)


def _backend_port(port: Object, path: str) -> list[FieldError]:
    name, number = port.get("name", ""), port.get("number", 0)
    where = f"{path}.service.port"
    if name and number:
        return [invalid(path, "", "cannot set both port name & port number")]
    if name:
        return [invalid(f"{where}.name", name, text) for text in rules.port_name(name)]
    if number:
        return [invalid(f"{where}.number", number, text) for text in rules.port_number(number)]
    return [required(path, "port name or number is required")]


def reference_faults(reference: Object, path: str) -> list[FieldError]:
    """apiGroup, kind and name of a reference to another object."""
    found: list[FieldError] = []
    group = reference.get("apiGroup")
    if group is not None:
        found += [invalid(f"{path}.apiGroup", group, text) for text in rules.dns1123_subdomain(group)]
    for name in ("kind", "name"):
        found += segment_faults(reference.get(name, ""), f"{path}.{name}")
    return found


def segment_faults(value: str, path: str) -> list[FieldError]:
    """A required part of a URL's path."""
    if not value:
        return [required(path)]
    return [invalid(path, value, text) for text in rules.path_segment(value)]


class IngressClassStrategy(Strategy):
    """IngressClass."""

    has_generation = True

    def default(self, obj: Object) -> None:
        parameters = (obj.get("spec") or {}).get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        controller, found = spec.get("controller", ""), []
        if not controller:
            found.append(required("spec.controller"))
        else:
            if len(controller.encode()) > CONTROLLER_LIMIT:
                found.append(too_long("spec.controller", CONTROLLER_LIMIT))
            found += rules.domain_prefixed_path(controller, "spec.controller")
        if spec.get("parameters") is not None:
            found += _parameters(spec["parameters"], "spec.parameters")
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new, before = ((o.get("spec") or {}).get("controller", "") for o in (obj, old))
        found = [immutable("spec.controller", new)] if new != before else []
        return found + self.validate(obj, context)


def _parameters(parameters: Object, path: str) -> list[FieldError]:
    found = reference_faults(parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope not in ("Namespace", "Cluster"):
        found.append(not_supported(f"{path}.scope", scope, ("Cluster", "Namespace")))
    elif scope == "Cluster":
        if namespace is not None:
            found.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif namespace is None:
        found.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    else:
        found += [invalid(f"{path}.namespace", namespace, text) for text in rules.dns1123_label(namespace)]
    return found
