"""The hash of a pod template: `pod-template-hash` of Deployments, `controller-revision-hash`.

The tables below are the Go structs of k8s.io/api/core/v1 (field order and types), as far as their parts matter to
templates that people write; a part that is not described is hashed by its JSON: stable, though not upstream's number.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import orjson

from controllers.godump import Fields, dump, fnv32a, safe_encode
from miniplane.client.api import Object

_TABLE = """
PodTemplateSpec: ObjectMeta=metadata v1.ObjectMeta; Spec v1.PodSpec
ObjectMeta: Name; GenerateName; Namespace; SelfLink; UID types.UID; ResourceVersion; Generation int64
ObjectMeta: CreationTimestamp=- v1.Time; DeletionTimestamp *v1.Time; DeletionGracePeriodSeconds *int64
ObjectMeta: Labels map[string]string; Annotations map[string]string; OwnerReferences []v1.OwnerReference
ObjectMeta: Finalizers []string; ManagedFields=- []v1.ManagedFieldsEntry
PodSpec: Volumes []v1.Volume; InitContainers []v1.Container; Containers []v1.Container
PodSpec: EphemeralContainers []v1.EphemeralContainer; RestartPolicy v1.RestartPolicy
PodSpec: TerminationGracePeriodSeconds *int64; ActiveDeadlineSeconds *int64; DNSPolicy v1.DNSPolicy
PodSpec: NodeSelector map[string]string; ServiceAccountName; DeprecatedServiceAccount=serviceAccount
PodSpec: AutomountServiceAccountToken *bool; NodeName; HostNetwork bool; HostPID bool; HostIPC bool
PodSpec: ShareProcessNamespace *bool; SecurityContext *v1.PodSecurityContext
PodSpec: ImagePullSecrets []v1.LocalObjectReference; Hostname; Subdomain; Affinity *v1.Affinity; SchedulerName
PodSpec: Tolerations []v1.Toleration; HostAliases []v1.HostAlias; PriorityClassName; Priority *int32
PodSpec: DNSConfig *v1.PodDNSConfig; ReadinessGates []v1.PodReadinessGate; RuntimeClassName *string
PodSpec: EnableServiceLinks *bool; PreemptionPolicy *v1.PreemptionPolicy; Overhead v1.ResourceList
PodSpec: TopologySpreadConstraints []v1.TopologySpreadConstraint; SetHostnameAsFQDN *bool; OS *v1.PodOS
PodSpec: HostUsers *bool; SchedulingGates []v1.PodSchedulingGate; ResourceClaims []v1.PodResourceClaim
PodSpec: Resources *v1.ResourceRequirements; HostnameOverride *string; SchedulingGroup *v1.PodSchedulingGroup
Container: Name; Image; Command []string; Args []string; WorkingDir; Ports []v1.ContainerPort
Container: EnvFrom []v1.EnvFromSource; Env []v1.EnvVar; Resources v1.ResourceRequirements
Container: ResizePolicy []v1.ContainerResizePolicy; RestartPolicy *v1.ContainerRestartPolicy
Container: RestartPolicyRules []v1.ContainerRestartRule; VolumeMounts []v1.VolumeMount
Container: VolumeDevices []v1.VolumeDevice; LivenessProbe *v1.Probe; ReadinessProbe *v1.Probe; StartupProbe *v1.Probe
Container: Lifecycle *v1.Lifecycle; TerminationMessagePath; TerminationMessagePolicy v1.TerminationMessagePolicy
Container: ImagePullPolicy v1.PullPolicy; SecurityContext *v1.SecurityContext; Stdin bool; StdinOnce bool; TTY bool
ResourceRequirements: Limits v1.ResourceList; Requests v1.ResourceList; Claims []v1.ResourceClaim
ResourceClaim: Name; Request
ContainerPort: Name; HostPort int32; ContainerPort int32; Protocol v1.Protocol; HostIP
EnvFromSource: Prefix; ConfigMapRef *v1.ConfigMapEnvSource; SecretRef *v1.SecretEnvSource
ConfigMapEnvSource: LocalObjectReference= v1.LocalObjectReference; Optional *bool
SecretEnvSource: LocalObjectReference= v1.LocalObjectReference; Optional *bool
LocalObjectReference: Name
EnvVar: Name; Value; ValueFrom *v1.EnvVarSource
EnvVarSource: FieldRef *v1.ObjectFieldSelector; ResourceFieldRef *v1.ResourceFieldSelector
EnvVarSource: ConfigMapKeyRef *v1.ConfigMapKeySelector; SecretKeyRef *v1.SecretKeySelector
EnvVarSource: FileKeyRef *v1.FileKeySelector
ObjectFieldSelector: APIVersion; FieldPath
ResourceFieldSelector: ContainerName; Resource; Divisor resource.Quantity
ConfigMapKeySelector: LocalObjectReference= v1.LocalObjectReference; Key; Optional *bool
SecretKeySelector: LocalObjectReference= v1.LocalObjectReference; Key; Optional *bool
FileKeySelector: VolumeName; Path; Key; Optional *bool
VolumeMount: Name; ReadOnly bool; RecursiveReadOnly *v1.RecursiveReadOnlyMode; MountPath; SubPath
VolumeMount: MountPropagation *v1.MountPropagationMode; SubPathExpr
VolumeDevice: Name; DevicePath
ContainerResizePolicy: ResourceName v1.ResourceName; RestartPolicy v1.ResourceResizeRestartPolicy
Probe: ProbeHandler= v1.ProbeHandler; InitialDelaySeconds int32; TimeoutSeconds int32; PeriodSeconds int32
Probe: SuccessThreshold int32; FailureThreshold int32; TerminationGracePeriodSeconds *int64
ProbeHandler: Exec *v1.ExecAction; HTTPGet *v1.HTTPGetAction; TCPSocket *v1.TCPSocketAction; GRPC *v1.GRPCAction
ExecAction: Command []string
HTTPGetAction: Path; Port intstr.IntOrString; Host; Scheme v1.URIScheme; HTTPHeaders []v1.HTTPHeader
HTTPHeader: Name; Value
TCPSocketAction: Port intstr.IntOrString; Host
GRPCAction: Port int32; Service *string
Lifecycle: PostStart *v1.LifecycleHandler; PreStop *v1.LifecycleHandler; StopSignal *v1.Signal
LifecycleHandler: Exec *v1.ExecAction; HTTPGet *v1.HTTPGetAction; TCPSocket *v1.TCPSocketAction
LifecycleHandler: Sleep *v1.SleepAction
SleepAction: Seconds int64
SecurityContext: Capabilities *v1.Capabilities; Privileged *bool; SELinuxOptions *v1.SELinuxOptions
SecurityContext: WindowsOptions *v1.WindowsSecurityContextOptions; RunAsUser *int64; RunAsGroup *int64
SecurityContext: RunAsNonRoot *bool; ReadOnlyRootFilesystem *bool; AllowPrivilegeEscalation *bool
SecurityContext: ProcMount *v1.ProcMountType; SeccompProfile *v1.SeccompProfile; AppArmorProfile *v1.AppArmorProfile
Capabilities: Add []v1.Capability; Drop []v1.Capability
SELinuxOptions: User; Role; Type; Level
WindowsSecurityContextOptions: GMSACredentialSpecName *string; GMSACredentialSpec *string; RunAsUserName *string
WindowsSecurityContextOptions: HostProcess *bool
SeccompProfile: Type v1.SeccompProfileType; LocalhostProfile *string
AppArmorProfile: Type v1.AppArmorProfileType; LocalhostProfile *string
PodSecurityContext: SELinuxOptions *v1.SELinuxOptions; WindowsOptions *v1.WindowsSecurityContextOptions
PodSecurityContext: RunAsUser *int64; RunAsGroup *int64; RunAsNonRoot *bool; SupplementalGroups []int64
PodSecurityContext: SupplementalGroupsPolicy *v1.SupplementalGroupsPolicy; FSGroup *int64; Sysctls []v1.Sysctl
PodSecurityContext: FSGroupChangePolicy *v1.PodFSGroupChangePolicy; SeccompProfile *v1.SeccompProfile
PodSecurityContext: AppArmorProfile *v1.AppArmorProfile; SELinuxChangePolicy *v1.PodSELinuxChangePolicy
Sysctl: Name; Value
Affinity: NodeAffinity *v1.NodeAffinity; PodAffinity *v1.PodAffinity; PodAntiAffinity *v1.PodAntiAffinity
NodeAffinity: RequiredDuringSchedulingIgnoredDuringExecution *v1.NodeSelector
NodeAffinity: PreferredDuringSchedulingIgnoredDuringExecution []v1.PreferredSchedulingTerm
NodeSelector: NodeSelectorTerms []v1.NodeSelectorTerm
NodeSelectorTerm: MatchExpressions []v1.NodeSelectorRequirement; MatchFields []v1.NodeSelectorRequirement
NodeSelectorRequirement: Key; Operator v1.NodeSelectorOperator; Values []string
PreferredSchedulingTerm: Weight int32; Preference v1.NodeSelectorTerm
PodAffinity: RequiredDuringSchedulingIgnoredDuringExecution []v1.PodAffinityTerm
PodAffinity: PreferredDuringSchedulingIgnoredDuringExecution []v1.WeightedPodAffinityTerm
PodAntiAffinity: RequiredDuringSchedulingIgnoredDuringExecution []v1.PodAffinityTerm
PodAntiAffinity: PreferredDuringSchedulingIgnoredDuringExecution []v1.WeightedPodAffinityTerm
WeightedPodAffinityTerm: Weight int32; PodAffinityTerm v1.PodAffinityTerm
PodAffinityTerm: LabelSelector *v1.LabelSelector; Namespaces []string; TopologyKey
PodAffinityTerm: NamespaceSelector *v1.LabelSelector; MatchLabelKeys []string; MismatchLabelKeys []string
LabelSelector: MatchLabels map[string]string; MatchExpressions []v1.LabelSelectorRequirement
LabelSelectorRequirement: Key; Operator v1.LabelSelectorOperator; Values []string
Toleration: Key; Operator v1.TolerationOperator; Value; Effect v1.TaintEffect; TolerationSeconds *int64
HostAlias: IP; Hostnames []string
PodDNSConfig: Nameservers []string; Searches []string; Options []v1.PodDNSConfigOption
PodDNSConfigOption: Name; Value *string
PodReadinessGate: ConditionType v1.PodConditionType
TopologySpreadConstraint: MaxSkew int32; TopologyKey; WhenUnsatisfiable v1.UnsatisfiableConstraintAction
TopologySpreadConstraint: LabelSelector *v1.LabelSelector; MinDomains *int32
TopologySpreadConstraint: NodeAffinityPolicy *v1.NodeInclusionPolicy; NodeTaintsPolicy *v1.NodeInclusionPolicy
TopologySpreadConstraint: MatchLabelKeys []string
PodOS: Name v1.OSName
PodSchedulingGate: Name
Volume: Name; VolumeSource= v1.VolumeSource
VolumeSource: HostPath *v1.HostPathVolumeSource; EmptyDir *v1.EmptyDirVolumeSource
VolumeSource: GCEPersistentDisk *v1.GCEPersistentDiskVolumeSource
VolumeSource: AWSElasticBlockStore *v1.AWSElasticBlockStoreVolumeSource; GitRepo *v1.GitRepoVolumeSource
VolumeSource: Secret *v1.SecretVolumeSource; NFS *v1.NFSVolumeSource; ISCSI *v1.ISCSIVolumeSource
VolumeSource: Glusterfs *v1.GlusterfsVolumeSource; PersistentVolumeClaim *v1.PersistentVolumeClaimVolumeSource
VolumeSource: RBD *v1.RBDVolumeSource; FlexVolume *v1.FlexVolumeSource; Cinder *v1.CinderVolumeSource
VolumeSource: CephFS=cephfs *v1.CephFSVolumeSource; Flocker *v1.FlockerVolumeSource
VolumeSource: DownwardAPI *v1.DownwardAPIVolumeSource; FC *v1.FCVolumeSource; AzureFile *v1.AzureFileVolumeSource
VolumeSource: ConfigMap *v1.ConfigMapVolumeSource; VsphereVolume *v1.VsphereVirtualDiskVolumeSource
VolumeSource: Quobyte *v1.QuobyteVolumeSource; AzureDisk *v1.AzureDiskVolumeSource
VolumeSource: PhotonPersistentDisk *v1.PhotonPersistentDiskVolumeSource; Projected *v1.ProjectedVolumeSource
VolumeSource: PortworxVolume *v1.PortworxVolumeSource; ScaleIO *v1.ScaleIOVolumeSource
VolumeSource: StorageOS=storageos *v1.StorageOSVolumeSource; CSI *v1.CSIVolumeSource
VolumeSource: Ephemeral *v1.EphemeralVolumeSource; Image *v1.ImageVolumeSource
HostPathVolumeSource: Path; Type *v1.HostPathType
EmptyDirVolumeSource: Medium v1.StorageMedium; SizeLimit *resource.Quantity
SecretVolumeSource: SecretName; Items []v1.KeyToPath; DefaultMode *int32; Optional *bool
ConfigMapVolumeSource: LocalObjectReference= v1.LocalObjectReference; Items []v1.KeyToPath; DefaultMode *int32
ConfigMapVolumeSource: Optional *bool
KeyToPath: Key; Path; Mode *int32
NFSVolumeSource: Server; Path; ReadOnly bool
PersistentVolumeClaimVolumeSource: ClaimName; ReadOnly bool
DownwardAPIVolumeSource: Items []v1.DownwardAPIVolumeFile; DefaultMode *int32
DownwardAPIVolumeFile: Path; FieldRef *v1.ObjectFieldSelector; ResourceFieldRef *v1.ResourceFieldSelector; Mode *int32
ProjectedVolumeSource: Sources []v1.VolumeProjection; DefaultMode *int32
VolumeProjection: Secret *v1.SecretProjection; DownwardAPI *v1.DownwardAPIProjection
VolumeProjection: ConfigMap *v1.ConfigMapProjection; ServiceAccountToken *v1.ServiceAccountTokenProjection
VolumeProjection: ClusterTrustBundle *v1.ClusterTrustBundleProjection
VolumeProjection: PodCertificate *v1.PodCertificateProjection
SecretProjection: LocalObjectReference= v1.LocalObjectReference; Items []v1.KeyToPath; Optional *bool
ConfigMapProjection: LocalObjectReference= v1.LocalObjectReference; Items []v1.KeyToPath; Optional *bool
DownwardAPIProjection: Items []v1.DownwardAPIVolumeFile
ServiceAccountTokenProjection: Audience; ExpirationSeconds *int64; Path
Time: Time=- time.Time
time.Time: wall=- uint64; ext=- int64; loc=- *time.Location
intstr.IntOrString: Type intstr.Type; IntVal int32; StrVal
resource.Quantity: i resource.int64Amount; d resource.infDecAmount; s; Format resource.Format
resource.int64Amount: value int64; scale resource.Scale
resource.infDecAmount: Dec *inf.Dec
"""

QUANTITY_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def _json_name(name: str) -> str:
    """lowerCamelCase of a Go name: the first word, or the leading acronym, in lower case."""
    size = next((index for index, char in enumerate(name) if not char.isupper()), len(name))
    cut = size if size == len(name) else max(size - 1, 1)
    return name[:cut].lower() + name[cut:]


@cache
def structs() -> dict[str, Fields]:
    """The table above as `dump` takes it. `Name=json type`: `=` alone is an embedded struct, `=-` is never given."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for line in _TABLE.strip().splitlines():
        name, _, fields = line.partition(": ")
        known = found.setdefault(name if "." in name else f"v1.{name}", [])
        for field in fields.split("; "):
            head, _, go_type = field.partition(" ")
            go_name, given, json_name = head.partition("=")
            known.append((go_name, json_name if given else _json_name(go_name), go_type or "string"))
    return {name: tuple(fields) for name, fields in found.items()}


def _int_or_string(value: Any) -> Object:
    return {"type": 1, "strVal": value} if isinstance(value, str) else {"type": 0, "intVal": value}


def _quantity(text: Any) -> Object:
    """A quantity as Go parses it: an integer and a power of ten (or, with a binary suffix, the number itself)."""
    given = str(text)
    number = given.rstrip("".join({*"".join(QUANTITY_SUFFIXES), *"".join(BINARY_SUFFIXES)}))
    suffix = given[len(number) :]
    if suffix in BINARY_SUFFIXES and number.isdigit():
        amount, scale, style = int(number) << BINARY_SUFFIXES[suffix], 0, "BinarySI"
    else:
        whole, _, fraction = number.partition(".")
        digits = f"{whole}{fraction}"
        amount = int(digits) if digits.lstrip("+-").isdigit() else 0
        scale, style = QUANTITY_SUFFIXES.get(suffix, 0) - len(fraction), "DecimalSI"
    return {"i": {"value": amount, "scale": scale}, "d": {}, "s": "", "format": style}


SPECIAL = {"intstr.IntOrString": _int_or_string, "resource.Quantity": _quantity}


def _prepared(value: Any, go_type: str) -> Any:
    """Values that Go holds in another form than JSON shows, converted; empty collections are nil, as after decoding."""
    bare = go_type.lstrip("*")
    if value is None:
        return None
    if bare.startswith("[]"):
        return [_prepared(item, bare[2:]) for item in value] or None
    if bare == "v1.ResourceList":
        return {key: _prepared(item, "resource.Quantity") for key, item in value.items()} or None
    if bare.startswith("map["):
        return value or None
    if bare in SPECIAL:
        return SPECIAL[bare](value)
    fields = structs().get(bare)
    if fields is None:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if isinstance(value, dict) else value
    found = {}
    for _, json_name, inner in fields:
        if json_name == "":
            found.update(_prepared(value, inner))
        elif value.get(json_name) is not None:
            found[json_name] = _prepared(value[json_name], inner)
    return found


def template_hash(template: Object, collisions: int | None) -> str:
    """`controller.ComputeHash`: FNV-1a (32 bits) of the template and the collision count, in the safe alphabet."""
    text = dump(_prepared(template, "v1.PodTemplateSpec"), "v1.PodTemplateSpec", structs())
    data = text.encode() + (struct.pack("<II", collisions, 0) if collisions is not None else b"")
    return safe_encode(str(fnv32a(data)))
