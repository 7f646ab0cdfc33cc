"""What the published schemas do not say about the Go types: which fields are always written.

A zero value that a client sends stays in a pointer field (see `go_pointers`) and vanishes from a plain field with
`omitempty`. Fields without `omitempty` are written even when the client sent nothing. Source: the struct tags of
k8s.io/api, by struct name; one name in several groups shares an entry where the tags agree.
"""

from __future__ import annotations


def table(text: str) -> dict[str, frozenset[str]]:
    """Lines of `Struct: field field` (a struct may have several) as sets."""
    found: dict[str, frozenset[str]] = {}
    for line in text.strip().splitlines():
        name, _, fields = line.strip().partition(": ")
        found[name] = found.get(name, frozenset()) | frozenset(fields.split())
    return found


PLAIN_STRUCTS = table("""
    PodTemplateSpec: metadata spec
    JobTemplateSpec: metadata spec
    PersistentVolumeClaimTemplate: metadata spec
    ResourceClaimTemplateSpec: metadata spec
    PodTemplate: template
    DaemonSetSpec: template updateStrategy
    DeploymentSpec: strategy template
    ReplicaSetSpec: template
    StatefulSetSpec: template updateStrategy
    JobSpec: template
    CronJobSpec: jobTemplate
    HorizontalPodAutoscalerSpec: scaleTargetRef
    ContainerResourceMetricSource: target
    ExternalMetricSource: metric target
    ObjectMetricSource: describedObject metric target
    PodsMetricSource: metric target
    ResourceMetricSource: target
    ContainerResourceMetricStatus: current
    ExternalMetricStatus: metric current
    ObjectMetricStatus: metric current describedObject
    PodsMetricStatus: metric current
    ResourceMetricStatus: current
    Binding: target
    Container: resources
    EphemeralContainer: resources
    ContainerStatus: state lastState
    Event: involvedObject source regarding deprecatedSource
    NodeStatus: daemonEndpoints nodeInfo
    NodeDaemonEndpoints: kubeletEndpoint
    PersistentVolumeClaimSpec: resources
    PreferredSchedulingTerm: preference
    WeightedPodAffinityTerm: podAffinityTerm
    ServiceStatus: loadBalancer
    IngressStatus: loadBalancer
    IngressServiceBackend: port
    HTTPIngressPath: backend
    NetworkPolicySpec: podSelector
    Endpoint: conditions
    FlowSchemaSpec: priorityLevelConfiguration
    LimitedPriorityLevelConfiguration: limitResponse
    ClusterRoleBinding: roleRef
    RoleBinding: roleRef
    CustomResourceDefinitionSpec: names
    CustomResourceDefinitionStatus: acceptedNames
    TokenReviewStatus: user
    SelfSubjectReviewStatus: userInfo
    VolumeAttachmentSpec: source
    MutatingWebhook: clientConfig
    ValidatingWebhook: clientConfig
    ResourceClaimSpec: devices
    AllocationResult: devices
    ResourceSliceSpec: pool
""")

ALWAYS = table("""
    OwnerReference: apiVersion kind name uid
    LabelSelectorRequirement: key operator
    Condition: type status lastTransitionTime reason message
    Container: name
    EphemeralContainer: name
    ContainerPort: containerPort
    EnvVar: name
    VolumeMount: name mountPath
    VolumeDevice: name devicePath
    Volume: name
    KeyToPath: key path
    ObjectFieldSelector: fieldPath
    ResourceFieldSelector: resource divisor
    SecretKeySelector: key
    ConfigMapKeySelector: key
    DownwardAPIVolumeFile: path
    HTTPGetAction: port
    TCPSocketAction: port
    GRPCAction: port service
    SleepAction: seconds
    GitRepoVolumeSource: repository
    ISCSIVolumeSource: targetPortal iqn lun
    RBDVolumeSource: monitors image
    GlusterfsVolumeSource: endpoints path
    AWSElasticBlockStoreVolumeSource: volumeID
    GCEPersistentDiskVolumeSource: pdName
    CephFSVolumeSource: monitors
    CinderVolumeSource: volumeID
    FlexVolumeSource: driver
    AzureFileVolumeSource: secretName shareName
    AzureDiskVolumeSource: diskName diskURI
    VsphereVirtualDiskVolumeSource: volumePath
    QuobyteVolumeSource: registry volume
    PhotonPersistentDiskVolumeSource: pdID
    PortworxVolumeSource: volumeID
    ScaleIOVolumeSource: gateway system secretRef
    ControllerRevision: data
    HTTPHeader: name value
    PodSpec: containers
    ProjectedVolumeSource: sources
    HostPathVolumeSource: path
    PersistentVolumeClaimVolumeSource: claimName
    ServiceAccountTokenProjection: path
    CSIVolumeSource: driver
    NFSVolumeSource: server path
    NodeSelector: nodeSelectorTerms
    NodeSelectorRequirement: key operator
    PreferredSchedulingTerm: weight
    WeightedPodAffinityTerm: weight
    PodAffinityTerm: topologyKey
    Taint: key effect
    TopologySpreadConstraint: maxSkew topologyKey whenUnsatisfiable
    PodReadinessGate: conditionType
    PodSchedulingGate: name
    PodOS: name
    SeccompProfile: type
    AppArmorProfile: type
    Sysctl: name value
    HostAlias: ip
    PodResourceClaim: name
    ResourceClaim: name
    PodCondition: type status lastProbeTime lastTransitionTime
    ContainerStatus: name ready restartCount image imageID
    ContainerStateRunning: startedAt
    ContainerStateTerminated: exitCode startedAt finishedAt
    HostIP: ip
    PodIP: ip
    ServicePort: port targetPort
    PortStatus: port protocol
    IngressPortStatus: port protocol
    EndpointAddress: ip
    core.EndpointPort: port
    EndpointSlice: addressType endpoints ports
    Endpoint: addresses
    ForZone: name
    ForNode: name
    NodeCondition: type status lastHeartbeatTime lastTransitionTime
    NodeAddress: type address
    NodeSystemInfo: machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion kubeletVersion
    NodeSystemInfo: kubeProxyVersion operatingSystem architecture
    DaemonEndpoint: Port
    ContainerImage: names
    AttachedVolume: name devicePath
    NamespaceCondition: type status lastTransitionTime
    Event: metadata reportingComponent reportingInstance firstTimestamp lastTimestamp eventTime
    events.Event: metadata eventTime deprecatedFirstTimestamp deprecatedLastTimestamp
    EventSeries: lastObservedTime
    events.EventSeries: count lastObservedTime
    LimitRangeSpec: limits
    LimitRangeItem: type
    ScopedResourceSelectorRequirement: scopeName operator
    ReplicationControllerStatus: replicas
    ReplicationControllerCondition: type status lastTransitionTime
    PersistentVolumeClaimCondition: type status lastProbeTime lastTransitionTime
    TypedLocalObjectReference: apiGroup kind name
    TypedObjectReference: apiGroup kind name
    LocalVolumeSource: path
    CSIPersistentVolumeSource: driver volumeHandle
    ComponentCondition: type status
    ReplicaSetStatus: replicas
    ReplicaSetCondition: type status lastTransitionTime
    DeploymentCondition: type status lastUpdateTime lastTransitionTime
    StatefulSetSpec: selector
    StatefulSetStatus: replicas availableReplicas
    StatefulSetCondition: type status lastTransitionTime
    StatefulSetOrdinals: start
    DeploymentSpec: selector
    ReplicaSetSpec: selector
    DaemonSetSpec: selector
    DaemonSetStatus: currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady
    DaemonSetCondition: type status lastTransitionTime
    ControllerRevision: revision
    ScaleStatus: replicas
    HorizontalPodAutoscalerSpec: maxReplicas
    autoscaling/v2.HorizontalPodAutoscalerStatus: desiredReplicas currentMetrics
    HorizontalPodAutoscalerStatus: currentReplicas desiredReplicas
    HorizontalPodAutoscalerCondition: type status lastTransitionTime
    CrossVersionObjectReference: kind name
    MetricSpec: type
    MetricStatus: type
    MetricTarget: type
    MetricIdentifier: name
    ResourceMetricSource: name
    ResourceMetricStatus: name
    ContainerResourceMetricSource: name container
    HPAScalingPolicy: type value periodSeconds
    JobCondition: type status lastProbeTime lastTransitionTime
    CronJobSpec: schedule
    PodFailurePolicy: rules
    PodFailurePolicyRule: action
    PodFailurePolicyOnExitCodesRequirement: operator values
    PodFailurePolicyOnPodConditionsPattern: type
    SuccessPolicy: rules
    PodDisruptionBudgetStatus: disruptionsAllowed currentHealthy desiredHealthy expectedPods
    ClusterRole: rules
    Role: rules
    PolicyRule: verbs
    RoleRef: apiGroup kind name
    rbac.Subject: kind name
    HTTPIngressRuleValue: paths
    HTTPIngressPath: pathType
    IngressServiceBackend: name
    IPBlock: cidr
    IngressClassParametersReference: kind name
    StorageClass: provisioner
    PriorityClass: value
    RuntimeClass: handler
    CSINodeSpec: drivers
    CSINodeDriver: name nodeID topologyKeys
    CSIStorageCapacity: storageClassName
    VolumeAttachmentSpec: attacher nodeName
    VolumeAttachmentStatus: attached
    VolumeError: time
    storage.TokenRequest: audience
    ParentReference: resource name
    TokenRequestSpec: audiences boundObjectRef expirationSeconds
    TokenRequestStatus: token expirationTimestamp
    SubjectAccessReviewStatus: allowed
    SubjectRulesReviewStatus: resourceRules nonResourceRules incomplete
    ResourceRule: verbs
    NonResourceRule: verbs
    CustomResourceDefinitionSpec: group scope versions
    CustomResourceDefinitionNames: plural kind
    CustomResourceDefinitionStatus: conditions storedVersions
    CustomResourceDefinitionCondition: type status lastTransitionTime
    CustomResourceDefinitionVersion: name served storage
    CustomResourceColumnDefinition: name type jsonPath
    CustomResourceConversion: strategy
    CustomResourceSubresourceScale: specReplicasPath statusReplicasPath
    SelectableField: jsonPath
    ValidationRule: rule
    MutatingWebhook: name sideEffects admissionReviewVersions
    ValidatingWebhook: name sideEffects admissionReviewVersions
    ServiceReference: namespace name
    MatchCondition: name expression
    Validation: expression
    AuditAnnotation: key valueExpression
    Variable: name expression
    APIServiceSpec: groupPriorityMinimum versionPriority
    APIServiceCondition: type status lastTransitionTime
    CertificateSigningRequestSpec: request signerName
    CertificateSigningRequestCondition: type status lastUpdateTime lastTransitionTime
    FlowSchemaCondition: lastTransitionTime
    FlowSchemaSpec: matchingPrecedence
    PriorityLevelConfigurationCondition: lastTransitionTime
    PriorityLevelConfigurationReference: name
    PriorityLevelConfigurationSpec: type
    FlowDistinguisherMethod: type
    PolicyRulesWithSubjects: subjects
    ResourcePolicyRule: verbs apiGroups resources
    NonResourcePolicyRule: verbs nonResourceURLs
    LimitResponse: type
    QueuingConfiguration: queues handSize queueLengthLimit
    ResourcePool: name generation resourceSliceCount
    Device: name
    ResourceSliceSpec: driver
    CELDeviceSelector: expression
    DeviceRequest: name
    OpaqueDeviceConfiguration: driver parameters
    ResourceClaimConsumerReference: resource name uid
    DeviceRequestAllocationResult: request driver pool device
""")
