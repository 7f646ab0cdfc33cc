"""Pod specs as the real server's internal types print them: the diff in the error of a forbidden update.

Each line of the table is a struct of Kubernetes' internal core API with its fields in order:
`Name` a string, `Name=0` a number, `Name=false` a flag, `Name?` a pointer to a plain value, `Name?Struct` a pointer,
`Name.Struct` a nested struct, `Name[]` and `Name[]Struct` lists, `Name{}map` a map, `Name{}` a value printed as it is,
`+Struct` a struct whose fields stand here. `@name` is the JSON name where it is not the name in lower camel case.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from apiserver.kinds.kind import Object

_STRUCTS = """
PodSpec: Volumes[]Volume InitContainers[]Container Containers[]Container EphemeralContainers[]EphemeralContainer
PodSpec: RestartPolicy TerminationGracePeriodSeconds? ActiveDeadlineSeconds? DNSPolicy@dnsPolicy NodeSelector{}map
PodSpec: ServiceAccountName AutomountServiceAccountToken? NodeName SecurityContext?PodSecurityContext
PodSpec: ImagePullSecrets[]LocalObjectReference Hostname Subdomain SetHostnameAsFQDN? Affinity?Affinity SchedulerName
PodSpec: Tolerations[]Toleration HostAliases[]HostAlias PriorityClassName Priority? PreemptionPolicy?
PodSpec: DNSConfig@dnsConfig?PodDNSConfig ReadinessGates[]PodReadinessGate RuntimeClassName? Overhead{}map
PodSpec: EnableServiceLinks? TopologySpreadConstraints[]TopologySpreadConstraint OS@os?PodOS
PodSpec: SchedulingGates[]PodSchedulingGate ResourceClaims[]PodResourceClaim Resources?ResourceRequirements
PodSpec: HostnameOverride?
Container: Name Image Command[] Args[] WorkingDir Ports[]ContainerPort EnvFrom[]EnvFromSource Env[]EnvVar
Container: Resources.ResourceRequirements ResizePolicy[]ContainerResizePolicy RestartPolicy?
Container: RestartPolicyRules[]ContainerRestartRule VolumeMounts[]VolumeMount VolumeDevices[]VolumeDevice
Container: LivenessProbe?Probe ReadinessProbe?Probe StartupProbe?Probe Lifecycle?Lifecycle TerminationMessagePath
Container: TerminationMessagePolicy ImagePullPolicy SecurityContext?SecurityContext Stdin=false StdinOnce=false
Container: TTY@tty=false
EphemeralContainer: +Container TargetContainerName
ContainerPort: Name HostPort=0 ContainerPort=0 Protocol HostIP@hostIP
EnvFromSource: Prefix ConfigMapRef?NamedReference SecretRef?NamedReference
NamedReference: Name Optional?
EnvVar: Name Value ValueFrom?EnvVarSource
EnvVarSource: FieldRef?ObjectFieldSelector ResourceFieldRef?ResourceFieldSelector ConfigMapKeyRef?KeyReference
EnvVarSource: SecretKeyRef?KeyReference FileKeyRef?FileKeySelector
ObjectFieldSelector: APIVersion@apiVersion FieldPath
ResourceFieldSelector: ContainerName Resource Divisor{}
KeyReference: Name Key Optional?
FileKeySelector: VolumeName Path Key Optional?
ResourceRequirements: Limits{}map Requests{}map Claims[]ResourceClaim
ResourceClaim: Name Request
ContainerResizePolicy: ResourceName RestartPolicy
ContainerRestartRule: Action ExitCodes?ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes: Operator Values[]
VolumeMount: Name ReadOnly=false RecursiveReadOnly? MountPath SubPath MountPropagation? SubPathExpr
VolumeDevice: Name DevicePath
Probe: +ProbeHandler InitialDelaySeconds=0 TimeoutSeconds=0 PeriodSeconds=0 SuccessThreshold=0 FailureThreshold=0
Probe: TerminationGracePeriodSeconds?
ProbeHandler: Exec?ExecAction HTTPGet@httpGet?HTTPGetAction TCPSocket@tcpSocket?TCPSocketAction GRPC@grpc?GRPCAction
LifecycleHandler: Exec?ExecAction HTTPGet@httpGet?HTTPGetAction TCPSocket@tcpSocket?TCPSocketAction Sleep?SleepAction
Lifecycle: PostStart?LifecycleHandler PreStop?LifecycleHandler StopSignal?
ExecAction: Command[]
HTTPGetAction: Path Port{} Host Scheme HTTPHeaders@httpHeaders[]HTTPHeader
HTTPHeader: Name Value
TCPSocketAction: Port{} Host
GRPCAction: Port=0 Service?
SleepAction: Seconds=0
SecurityContext: Capabilities?Capabilities Privileged? SELinuxOptions@seLinuxOptions?SELinuxOptions
SecurityContext: WindowsOptions?WindowsOptions RunAsUser? RunAsGroup? RunAsNonRoot? ReadOnlyRootFilesystem?
SecurityContext: AllowPrivilegeEscalation? ProcMount? SeccompProfile?Profile AppArmorProfile?Profile
Capabilities: Add[] Drop[]
SELinuxOptions: User Role Type Level
WindowsOptions: GMSACredentialSpecName@gmsaCredentialSpecName? GMSACredentialSpec@gmsaCredentialSpec? RunAsUserName?
WindowsOptions: HostProcess?
Profile: Type LocalhostProfile?
PodSecurityContext: HostNetwork=false HostPID@hostPID=false HostIPC@hostIPC=false ShareProcessNamespace? HostUsers?
PodSecurityContext: SELinuxOptions@seLinuxOptions?SELinuxOptions WindowsOptions?WindowsOptions RunAsUser? RunAsGroup?
PodSecurityContext: RunAsNonRoot? SupplementalGroups[] SupplementalGroupsPolicy? FSGroup@fsGroup?
PodSecurityContext: FSGroupChangePolicy@fsGroupChangePolicy? Sysctls[]NameValue SeccompProfile?Profile
PodSecurityContext: AppArmorProfile?Profile SELinuxChangePolicy@seLinuxChangePolicy?
NameValue: Name Value
LocalObjectReference: Name
Toleration: Key Operator Value Effect TolerationSeconds?
HostAlias: IP@ip Hostnames[]
PodDNSConfig: Nameservers[] Searches[] Options[]PodDNSConfigOption
PodDNSConfigOption: Name Value?
PodReadinessGate: ConditionType
PodOS: Name
PodSchedulingGate: Name
PodResourceClaim: Name ResourceClaimName? ResourceClaimTemplateName?
TopologySpreadConstraint: MaxSkew=0 TopologyKey WhenUnsatisfiable LabelSelector{} MinDomains? NodeAffinityPolicy?
TopologySpreadConstraint: NodeTaintsPolicy? MatchLabelKeys[]
Affinity: NodeAffinity?NodeAffinity PodAffinity?PodAffinity PodAntiAffinity?PodAffinity
NodeAffinity: RequiredDuringSchedulingIgnoredDuringExecution?NodeSelector
NodeAffinity: PreferredDuringSchedulingIgnoredDuringExecution[]PreferredSchedulingTerm
NodeSelector: NodeSelectorTerms[]NodeSelectorTerm
NodeSelectorTerm: MatchExpressions[]NodeSelectorRequirement MatchFields[]NodeSelectorRequirement
NodeSelectorRequirement: Key Operator Values[]
PreferredSchedulingTerm: Weight=0 Preference.NodeSelectorTerm
PodAffinity: RequiredDuringSchedulingIgnoredDuringExecution[]PodAffinityTerm
PodAffinity: PreferredDuringSchedulingIgnoredDuringExecution[]WeightedPodAffinityTerm
PodAffinityTerm: LabelSelector{} Namespaces[] TopologyKey NamespaceSelector{} MatchLabelKeys[] MismatchLabelKeys[]
WeightedPodAffinityTerm: Weight=0 PodAffinityTerm.PodAffinityTerm
Volume: Name +VolumeSource
VolumeSource: HostPath?HostPath EmptyDir?EmptyDir GCEPersistentDisk@gcePersistentDisk{}
VolumeSource: AWSElasticBlockStore@awsElasticBlockStore{} GitRepo?GitRepo Secret?SecretVolume NFS@nfs?NFS
VolumeSource: ISCSI@iscsi{} Glusterfs{} PersistentVolumeClaim?ClaimVolume RBD@rbd{} Quobyte{} FlexVolume{} Cinder{}
VolumeSource: CephFS@cephfs{} Flocker{} DownwardAPI@downwardAPI?DownwardVolume FC@fc{} AzureFile{}
VolumeSource: ConfigMap?ConfigMapVolume VsphereVolume{} AzureDisk{} PhotonPersistentDisk{} Projected?Projected
VolumeSource: PortworxVolume{} ScaleIO@scaleIO{} StorageOS@storageos{} CSI@csi?CSIVolume Ephemeral{} Image?ImageVolume
HostPath: Path Type?
EmptyDir: Medium SizeLimit?
GitRepo: Repository Revision Directory
SecretVolume: SecretName Items[]KeyToPath DefaultMode? Optional?
ConfigMapVolume: Name Items[]KeyToPath DefaultMode? Optional?
KeyToPath: Key Path Mode?
NFS: Server Path ReadOnly=false
ClaimVolume: ClaimName ReadOnly=false
DownwardVolume: Items[]DownwardFile DefaultMode?
DownwardFile: Path FieldRef?ObjectFieldSelector ResourceFieldRef?ResourceFieldSelector Mode?
Projected: Sources[]Projection DefaultMode?
Projection: Secret?ProjectedKeys DownwardAPI@downwardAPI?ProjectedDownward ConfigMap?ProjectedKeys
Projection: ServiceAccountToken?Token ClusterTrustBundle?TrustBundle PodCertificate{}
ProjectedKeys: Name Items[]KeyToPath Optional?
ProjectedDownward: Items[]DownwardFile
Token: Audience ExpirationSeconds=0 Path
TrustBundle: Name? SignerName? LabelSelector{} Optional? Path
CSIVolume: Driver ReadOnly? FSType@fsType? VolumeAttributes{}map NodePublishSecretRef?LocalObjectReference
ImageVolume: Reference PullPolicy
PersistentVolumeClaimSpec: AccessModes[] Selector{} Resources.VolumeResources VolumeName StorageClassName? VolumeMode?
PersistentVolumeClaimSpec: DataSource?TypedReference DataSourceRef?SpacedReference VolumeAttributesClassName?
VolumeResources: Limits{}map Requests{}map
TypedReference: APIGroup@apiGroup? Kind Name
SpacedReference: APIGroup@apiGroup? Kind Name Namespace?
PersistentVolumeSource: GCEPersistentDisk@gcePersistentDisk{} AWSElasticBlockStore@awsElasticBlockStore{}
PersistentVolumeSource: HostPath?HostPath Glusterfs{} NFS@nfs?NFS RBD@rbd{} Quobyte{} ISCSI@iscsi{} FlexVolume{}
PersistentVolumeSource: Cinder{} CephFS@cephfs{} FC@fc{} Flocker{} AzureFile{} VsphereVolume{} AzureDisk{}
PersistentVolumeSource: PhotonPersistentDisk{} PortworxVolume{} ScaleIO@scaleIO{} Local?LocalVolume
PersistentVolumeSource: StorageOS@storageos{} CSI@csi{}
LocalVolume: Path FSType@fsType?
"""


class _Field(NamedTuple):
    name: str
    key: str
    form: str  # "", "=", "?", ".", "[]", "{}" or "+"
    extra: str  # the struct's name, or the zero value


_ITEM = re.compile(r"(\+?)([A-Za-z]+)(?:@([A-Za-z]+))?(=|\?|\.|\[\]|\{\})?([A-Za-z0-9]*)")


@lru_cache(maxsize=1)
def _structs() -> dict[str, list[_Field]]:
    found: dict[str, list[_Field]] = {}
    for line in _STRUCTS.strip().splitlines():
        name, _, fields = line.partition(": ")
        found.setdefault(name, []).extend(_field(text) for text in fields.split())
    return found


def _field(text: str) -> _Field:
    match = _ITEM.fullmatch(text)
    assert match is not None, text
    embedded, name, key, form, extra = match.groups()
    return _Field(name, key or name[0].lower() + name[1:], embedded or form or "", extra)


_ZEROS: Mapping[str, Any] = {"0": 0, "false": False}


def internal(value: Object, struct: str) -> dict[str, Any]:
    """A v1 object as the internal struct of that name prints it."""
    shown: dict[str, Any] = {}
    for field in _structs()[struct]:
        if field.form == "+":
            shown.update(internal(value, field.name))
        else:
            shown[field.name] = _shown(value.get(field.key), field)
    return shown


def _shown(value: Any, field: _Field) -> Any:
    if field.form == ".":
        return internal(value or {}, field.extra)
    if value is None:
        return {"": "", "=": _ZEROS.get(field.extra)}.get(field.form)
    if not value and (field.form == "[]" or field.extra == "map"):
        return None  # empty and absent are equal
    if field.form == "[]":
        return [internal(item, field.extra) for item in value] if field.extra else value
    if field.form == "?" and field.extra:
        return internal(value, field.extra)
    return dict(sorted(value.items())) if isinstance(value, dict) else value


_OF_SECURITY = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


def internal_spec(spec: Object) -> dict[str, Any]:
    """A pod spec; the internal type keeps the host's namespaces in the security context."""
    moved = {name: spec[name] for name in _OF_SECURITY if name in spec}
    return internal({**spec, "securityContext": {**(spec.get("securityContext") or {}), **moved}}, "PodSpec")


def _lines(value: Any) -> list[str]:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    for char in "<>&":  # encoding/json keeps HTML out of strings
        text = text.replace(char, f"\\u{ord(char):04x}")
    return [f"{line}\n" for line in text.split("\n")]


def diff(old: Any, new: Any) -> str:
    """A unified diff of two values as indented JSON, without the file names."""
    return "".join(list(difflib.unified_diff(_lines(old), _lines(new), n=3))[2:])
