"""Security contexts of pods and containers: ids, seccomp, AppArmor, sysctls, Windows, operating systems."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import MAX_INT32, Scope, descending_path, each, in_range, optional_one_of

PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
PROFILE_PATH_LIMIT = 4095
SYSCTL_LIMIT = 253
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_IPC_SYSCTLS = frozenset({"kernel.sem", "kernel.shm_rmid_forced", "kernel.shmall", "kernel.shmmax", "kernel.shmmni"})
_IPC_PREFIXES = ("kernel.msg", "fs.mqueue.")
GROUPS = ("initContainers", "containers", "ephemeralContainers")


def containers(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Every container of a pod spec with its path, in the order in which the real server visits them."""
    for group in GROUPS:
        for index, container in enumerate(spec.get(group) or ()):
            yield container, f"{path}.{group}[{index}]"


def pod_security_context(spec: Object, path: str) -> list[FieldError]:
    """spec.securityContext; `path` is the spec's."""
    context, at = spec.get("securityContext") or {}, f"{path}.securityContext"
    found: list[FieldError] = []
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        if context.get(name) is not None:
            found += in_range(f"{at}.{name}", context[name], 0, MAX_INT32)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        found += in_range(f"{at}.supplementalGroups[{index}]", group, 0, MAX_INT32)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(invalid(f"{at}.shareProcessNamespace", True, why))
    found += _sysctls(spec, context.get("sysctls") or (), f"{at}.sysctls")
    change = context.get("fsGroupChangePolicy")
    found += optional_one_of(f"{at}.fsGroupChangePolicy", change, ("Always", "OnRootMismatch"))
    found += seccomp(context.get("seccompProfile"), f"{at}.seccompProfile")
    found += windows_options(context.get("windowsOptions"), f"{at}.windowsOptions")
    found += app_armor(context.get("appArmorProfile"), f"{at}.appArmorProfile")
    groups = context.get("supplementalGroupsPolicy")
    found += optional_one_of(f"{at}.supplementalGroupsPolicy", groups, ("Merge", "Strict"))
    change = context.get("seLinuxChangePolicy")
    return found + optional_one_of(f"{at}.seLinuxChangePolicy", change, ("MountOption", "Recursive"))


def _sysctls(spec: Object, sysctls: list[Object] | tuple[()], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    names: set[str] = set()
    for index, item in enumerate(sysctls):
        at, name = f"{path}[{index}].name", item.get("name", "")
        if not name:
            found.append(required(at))
        elif len(name) > SYSCTL_LIMIT or not re.fullmatch(_SYSCTL, name):
            found.append(invalid(at, name, f"must have at most {SYSCTL_LIMIT} characters and match regex ^{_SYSCTL}$"))
        elif name in names:
            found.append(duplicate(at, name))
        names.add(name)
        found += _host_sysctl(spec, name.replace("/", "."), name, at)
    return found


def _host_sysctl(spec: Object, dotted: str, name: str, path: str) -> list[FieldError]:
    if spec.get("hostNetwork") and dotted.startswith("net."):
        return [invalid(path, name, "may not be specified when 'hostNetwork' is true")]
    if spec.get("hostIPC") and (dotted in _IPC_SYSCTLS or dotted.startswith(_IPC_PREFIXES)):
        return [invalid(path, name, "may not be specified when 'hostIPC' is true")]
    return []


def seccomp(profile: Object | None, path: str) -> list[FieldError]:
    """A SeccompProfile."""
    if profile is None:
        return []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    found: list[FieldError] = []
    if not kind:
        found.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in PROFILES:
        found.append(not_supported(f"{path}.type", kind, PROFILES))
    if kind == "Localhost" and local is None:
        found.append(required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost"))
    elif kind == "Localhost":
        found += descending_path(f"{path}.localhostProfile", local or "")
    elif local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        found.append(invalid(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost"))
    return found


def app_armor(profile: Object | None, path: str) -> list[FieldError]:
    """An AppArmorProfile."""
    if profile is None:
        return []
    kind, local, at = profile.get("type", ""), profile.get("localhostProfile"), f"{path}.localhostProfile"
    if not kind:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in PROFILES:
        return [not_supported(f"{path}.type", kind, PROFILES)]
    if kind != "Localhost":
        why = "can only be set when AppArmor type is Localhost"
        return [] if local is None else [invalid(at, local, why)]
    must = "must be set when AppArmor type is Localhost"
    if local is None:
        return [required(at, must)]
    found: list[FieldError] = []
    if local != local.strip():
        found.append(invalid(at, local, "must not be padded with whitespace"))
    elif not local:
        found.append(required(at, must))
    if len(local) > PROFILE_PATH_LIMIT:
        found.append(too_long(at, PROFILE_PATH_LIMIT))
    return found


def container_security_context(context: Object | None, path: str, scope: Scope) -> list[FieldError]:
    """A container's securityContext."""
    if context is None:
        return []
    found: list[FieldError] = []
    for name in ("runAsUser", "runAsGroup"):
        if context.get(name) is not None:
            found += in_range(f"{path}.{name}", context[name], 0, MAX_INT32)
    mount = context.get("procMount")
    found += optional_one_of(f"{path}.procMount", mount, ("Default", "Unmasked"))
    if scope.host_users and mount == "Unmasked":
        found.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    found += seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    found += _escalation(context, path)
    found += windows_options(context.get("windowsOptions"), f"{path}.windowsOptions")
    return found + app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _escalation(context: Object, path: str) -> list[FieldError]:
    if context.get("allowPrivilegeEscalation") is not False:
        return []
    from apiserver.kinds.pods.internal import internal

    shown = internal(context, "SecurityContext")
    found: list[FieldError] = []
    if context.get("privileged"):
        why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        found.append(invalid(path, shown, why))
    for capability in (context.get("capabilities") or {}).get("add") or ():
        if capability == "CAP_SYS_ADMIN":
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            found.append(invalid(path, shown, why))
    return found


_CREDENTIALS_LIMIT = 64 * 1024
_DOMAIN_LIMIT, _USER_LIMIT = 256, 104
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"{_DNS}(?:\.{_DNS})*")
_USER_CHARACTERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def windows_options(options: Object | None, path: str) -> list[FieldError]:
    """WindowsSecurityContextOptions."""
    if options is None:
        return []
    found: list[FieldError] = []
    name, content = options.get("gmsaCredentialSpecName"), options.get("gmsaCredentialSpec")
    if name is not None:
        found += each(f"{path}.gmsaCredentialSpecName", name, rules.dns1123_subdomain(name))
    if content is not None and not content:
        found.append(invalid(f"{path}.gmsaCredentialSpec", content, "gmsaCredentialSpec cannot be an empty string"))
    elif content is not None and len(content.encode()) > _CREDENTIALS_LIMIT:
        found.append(invalid(f"{path}.gmsaCredentialSpec", content, "gmsaCredentialSpec size must be under 64 KiB"))
    user = options.get("runAsUserName")
    if user is not None:
        found += each(f"{path}.runAsUserName", user, _user_faults(user))
    return found


def _user_faults(name: str) -> list[str]:
    if not name:
        return ["runAsUserName cannot be an empty string"]
    if re.search(r"[\x00-\x1f\x7f]", name):
        return ["runAsUserName cannot contain control characters"]
    if name.count("\\") > 1:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, separator, user = name.rpartition("\\")
    found: list[str] = []
    if len(domain) >= _DOMAIN_LIMIT:
        found.append(f"runAsUserName's Domain length must be under {_DOMAIN_LIMIT} characters")
    if separator and not (_NETBIOS.fullmatch(domain) or _DOMAIN.fullmatch(domain)):
        found.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        found.append("runAsUserName's User cannot be empty")
    elif len(user) > _USER_LIMIT:
        found.append(f"runAsUserName's User length must not be longer than {_USER_LIMIT} characters")
    if re.fullmatch(r"[. ]+", user):
        found.append("runAsUserName's User cannot contain only periods or spaces")
    if _USER_CHARACTERS.search(user):
        found.append("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]")
    return found


def _host_process(holder: Object) -> bool | None:
    found: bool | None = ((holder.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    return found


def host_process(spec: Object, path: str) -> list[FieldError]:
    """HostProcess containers (Windows): all or none, and with the host's network."""
    found: list[FieldError] = []
    pod, count, total = _host_process(spec), 0, 0
    for container, at in containers(spec, path):
        own = _host_process(container)
        total += 1
        if pod is not None and own is not None and pod != own:
            shown = str(pod).lower()
            why = f"pod hostProcess value must be identical if both are specified, was {shown}"
            found.append(invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, why))
        count += bool(pod if own is None else own)
    if count and count != total:
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        found.append(invalid(path, "", why))
    if count and not spec.get("hostNetwork"):
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        found.append(invalid(f"{path}.hostNetwork", False, why))
    return found


def host_users(spec: Object, path: str) -> list[FieldError]:
    """A user namespace of its own excludes the host's other namespaces."""
    if spec.get("hostUsers") is not False:
        return []
    shown = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    why = "when `pod.Spec.HostUsers` is false"
    return [forbidden(f"{path}.{label}", why) for name, label in shown if spec.get(name)]


_WINDOWS_POD = (
    ("securityContext", "appArmorProfile"), ("securityContext", "seLinuxOptions"), ("", "hostUsers"), ("", "hostPID"),
    ("", "hostIPC"), ("securityContext", "seccompProfile"), ("securityContext", "fsGroup"),
    ("securityContext", "fsGroupChangePolicy"), ("securityContext", "sysctls"), ("", "shareProcessNamespace"),
    ("securityContext", "runAsUser"), ("securityContext", "runAsGroup"), ("securityContext", "supplementalGroups"),
    ("securityContext", "supplementalGroupsPolicy"), ("securityContext", "seLinuxChangePolicy"),
)  # fmt: skip
_WINDOWS_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
_FLAGS = frozenset({"hostPID", "hostIPC", "sysctls"})


def operating_system(spec: Object, path: str) -> list[FieldError]:
    """spec.os and what the named system does not have."""
    if spec.get("os") is None:
        return []
    name = spec["os"].get("name", "")
    if not name:
        return [required(f"{path}.os.name", "cannot be empty")]
    if name == "windows":
        return _windows(spec, path)
    return _linux(spec, path) if name == "linux" else [not_supported(f"{path}.os", name, ("linux", "windows"))]


def _linux(spec: Object, path: str) -> list[FieldError]:
    why, holders = "windows options cannot be set for a linux pod", [(spec, path), *containers(spec, path)]
    return [
        forbidden(f"{at}.securityContext.windowsOptions", why)
        for holder, at in holders
        if (holder.get("securityContext") or {}).get("windowsOptions") is not None
    ]


def _windows(spec: Object, path: str) -> list[FieldError]:
    why = "cannot be set for a windows pod"
    found: list[FieldError] = []
    for parent, name in _WINDOWS_POD:
        holder, at = ((spec.get(parent) or {}), f"{path}.{parent}") if parent else (spec, path)
        value = holder.get(name)
        if value is not None and (value or name not in _FLAGS):
            found.append(forbidden(f"{at}.{name}", why))
    for container, at in containers(spec, path):
        context = container.get("securityContext") or {}
        found += [
            forbidden(f"{at}.securityContext.{name}", why)
            for name in _WINDOWS_CONTAINER
            if context.get(name) is not None
        ]
    return found
