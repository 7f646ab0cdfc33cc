"""Which fields of the Go types are pointers to scalars: a zero value that a client sends stays there (`replicas: 0`).

Source: the structs of k8s.io/api, by struct name (see `go_fields`).
"""

from __future__ import annotations

from apiserver.schema.go_fields import table

POINTERS = table("""
    ObjectMeta: deletionGracePeriodSeconds
    OwnerReference: controller blockOwnerDeletion
    DeleteOptions: gracePeriodSeconds orphanDependents propagationPolicy
    Preconditions: uid resourceVersion
    PodSpec: terminationGracePeriodSeconds activeDeadlineSeconds automountServiceAccountToken shareProcessNamespace
    PodSpec: priority runtimeClassName enableServiceLinks preemptionPolicy setHostnameAsFQDN hostUsers
    PodSpec: hostnameOverride
    PodSecurityContext: runAsUser runAsGroup runAsNonRoot fsGroup fsGroupChangePolicy supplementalGroupsPolicy
    PodSecurityContext: seLinuxChangePolicy
    SecurityContext: privileged runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation
    SecurityContext: procMount
    WindowsSecurityContextOptions: gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess
    SeccompProfile: localhostProfile
    AppArmorProfile: localhostProfile
    PodDNSConfigOption: value
    Container: restartPolicy
    EphemeralContainer: restartPolicy
    Probe: terminationGracePeriodSeconds
    GRPCAction: service
    VolumeMount: mountPropagation recursiveReadOnly
    Toleration: tolerationSeconds
    TopologySpreadConstraint: minDomains nodeAffinityPolicy nodeTaintsPolicy
    ConfigMapKeySelector: optional
    SecretKeySelector: optional
    FileKeySelector: optional
    ConfigMapEnvSource: optional
    SecretEnvSource: optional
    ConfigMapVolumeSource: defaultMode optional
    SecretVolumeSource: defaultMode optional
    ConfigMapProjection: optional
    SecretProjection: optional
    DownwardAPIVolumeSource: defaultMode
    DownwardAPIVolumeFile: mode
    ProjectedVolumeSource: defaultMode
    KeyToPath: mode
    ServiceAccountTokenProjection: expirationSeconds
    ClusterTrustBundleProjection: name signerName optional
    EmptyDirVolumeSource: sizeLimit
    HostPathVolumeSource: type
    CSIVolumeSource: readOnly fsType
    AzureDiskVolumeSource: cachingMode fsType readOnly kind
    ISCSIVolumeSource: initiatorName
    FCVolumeSource: lun
    ContainerStatus: started stopSignal
    Lifecycle: stopSignal
    PodStatus: resourceClaimStatuses
    PodResourceClaim: resourceClaimName resourceClaimTemplateName
    ServicePort: appProtocol
    ServiceSpec: ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy
    ServiceSpec: trafficDistribution
    ClientIPConfig: timeoutSeconds
    LoadBalancerIngress: ipMode
    PortStatus: error
    IngressPortStatus: error
    EndpointAddress: nodeName
    discovery.EndpointPort: name protocol port appProtocol
    core.EndpointPort: appProtocol
    Endpoint: hostname nodeName zone
    EndpointConditions: ready serving terminating
    ConfigMap: immutable
    Secret: immutable
    ServiceAccount: automountServiceAccountToken
    PersistentVolumeClaimSpec: storageClassName volumeMode volumeAttributesClassName
    PersistentVolumeClaimStatus: currentVolumeAttributesClassName
    PersistentVolumeSpec: volumeMode volumeAttributesClassName
    TypedLocalObjectReference: apiGroup
    TypedObjectReference: apiGroup namespace
    ReplicationControllerSpec: replicas
    DeploymentSpec: replicas revisionHistoryLimit progressDeadlineSeconds
    DeploymentStatus: collisionCount terminatingReplicas
    RollingUpdateDeployment: maxUnavailable maxSurge
    ReplicaSetSpec: replicas
    ReplicaSetStatus: terminatingReplicas
    StatefulSetSpec: replicas revisionHistoryLimit
    StatefulSetStatus: collisionCount
    RollingUpdateStatefulSetStrategy: partition maxUnavailable
    DaemonSetSpec: revisionHistoryLimit
    DaemonSetStatus: collisionCount
    RollingUpdateDaemonSet: maxUnavailable maxSurge
    JobSpec: parallelism completions activeDeadlineSeconds backoffLimit backoffLimitPerIndex maxFailedIndexes
    JobSpec: manualSelector ttlSecondsAfterFinished completionMode suspend podReplacementPolicy managedBy
    JobStatus: terminating ready failedIndexes
    SuccessPolicyRule: succeededIndexes succeededCount
    PodFailurePolicyOnExitCodesRequirement: containerName
    CronJobSpec: timeZone startingDeadlineSeconds suspend successfulJobsHistoryLimit failedJobsHistoryLimit
    HorizontalPodAutoscalerSpec: minReplicas targetCPUUtilizationPercentage
    HorizontalPodAutoscalerStatus: observedGeneration currentCPUUtilizationPercentage
    HPAScalingRules: stabilizationWindowSeconds selectPolicy tolerance
    MetricTarget: value averageValue averageUtilization
    MetricValueStatus: value averageValue averageUtilization
    PodDisruptionBudgetSpec: minAvailable maxUnavailable unhealthyPodEvictionPolicy
    IngressSpec: ingressClassName
    HTTPIngressPath: pathType
    IngressClassParametersReference: apiGroup scope namespace
    NetworkPolicyPort: protocol port endPort
    StorageClass: reclaimPolicy allowVolumeExpansion volumeBindingMode
    CSIDriverSpec: attachRequired podInfoOnMount storageCapacity fsGroupPolicy requiresRepublish seLinuxMount
    CSIDriverSpec: nodeAllocatableUpdatePeriodSeconds serviceAccountTokenInSecrets preventPodSchedulingIfMissing
    TokenRequest: expirationSeconds
    VolumeNodeResources: count
    VolumeAttachmentSource: persistentVolumeName
    VolumeError: errorCode
    PriorityClass: preemptionPolicy
    LeaseSpec: holderIdentity leaseDurationSeconds leaseTransitions strategy preferredHolder
    TokenRequestSpec: expirationSeconds
    MutatingWebhook: failurePolicy matchPolicy sideEffects timeoutSeconds reinvocationPolicy
    ValidatingWebhook: failurePolicy matchPolicy sideEffects timeoutSeconds
    RuleWithOperations: scope
    WebhookClientConfig: url
    ServiceReference: path port
    ValidatingAdmissionPolicySpec: failurePolicy
    MutatingAdmissionPolicySpec: failurePolicy
    Validation: reason
    MatchResources: matchPolicy
    ParamRef: parameterNotFoundAction
    CertificateSigningRequestSpec: expirationSeconds
    PriorityLevelConfigurationSpec: nominalConcurrencyShares
    LimitedPriorityLevelConfiguration: nominalConcurrencyShares lendablePercent borrowingLimitPercent
    ExemptPriorityLevelConfiguration: nominalConcurrencyShares lendablePercent
    CustomResourceDefinitionSpec: preserveUnknownFields
    CustomResourceSubresourceScale: labelSelectorPath
    CustomResourceDefinitionVersion: deprecationWarning
    CustomResourceConversion: webhook
    JSONSchemaProps: maximum minimum maxLength minLength maxItems minItems multipleOf maxProperties minProperties
    JSONSchemaProps: x-kubernetes-preserve-unknown-fields x-kubernetes-list-type x-kubernetes-map-type
    ValidationRule: reason optionalOldSelf
    NodeSystemInfo: swap
    NodeRuntimeHandlerFeatures: recursiveReadOnlyMounts userNamespaces
    NodeFeatures: supplementalGroupsPolicy
    NodeSwapStatus: capacity
    ResourceSliceSpec: nodeName allNodes perDeviceNodeSelection
    Device: nodeName allNodes bindsToNode allowMultipleAllocations
    DeviceAttribute: int bool string version
    ExactDeviceRequest: adminAccess
    DeviceRequestAllocationResult: adminAccess
    ResourceClaimParentReference: namespace
""")
