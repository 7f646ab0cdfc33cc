"""Go's named types: decoding errors print them (`of type v1.ServiceType`), the published schemas only say `string`."""

from __future__ import annotations

_TEXT = """
    types.UID: ObjectMeta.uid OwnerReference.uid ObjectReference.uid Preconditions.uid BoundObjectReference.uid
    v1.ManagedFieldsOperationType: ManagedFieldsEntry.operation
    v1.LabelSelectorOperator: LabelSelectorRequirement.operator
    v1.DeletionPropagation: DeleteOptions.propagationPolicy
    v1.ConditionStatus: Condition.status PodCondition.status NodeCondition.status NamespaceCondition.status
    v1.ConditionStatus: DeploymentCondition.status ReplicaSetCondition.status StatefulSetCondition.status
    v1.ConditionStatus: DaemonSetCondition.status JobCondition.status ReplicationControllerCondition.status
    v1.ConditionStatus: PersistentVolumeClaimCondition.status CustomResourceDefinitionCondition.status
    v1.PodConditionType: PodCondition.type PodReadinessGate.conditionType
    v1.NodeConditionType: NodeCondition.type
    v1.NamespaceConditionType: NamespaceCondition.type
    v1.DeploymentConditionType: DeploymentCondition.type
    v1.JobConditionType: JobCondition.type
    v1.Protocol: ServicePort.protocol ContainerPort.protocol EndpointPort.protocol NetworkPolicyPort.protocol
    v1.Protocol: PortStatus.protocol IngressPortStatus.protocol
    v1.ServiceType: ServiceSpec.type
    v1.ServiceAffinity: ServiceSpec.sessionAffinity
    v1.ServiceExternalTrafficPolicy: ServiceSpec.externalTrafficPolicy
    v1.ServiceInternalTrafficPolicy: ServiceSpec.internalTrafficPolicy
    v1.IPFamilyPolicy: ServiceSpec.ipFamilyPolicy
    []v1.IPFamily: ServiceSpec.ipFamilies
    v1.LoadBalancerIPMode: LoadBalancerIngress.ipMode
    v1.AddressType: EndpointSlice.addressType
    v1.RestartPolicy: PodSpec.restartPolicy
    v1.ContainerRestartPolicy: Container.restartPolicy EphemeralContainer.restartPolicy
    v1.DNSPolicy: PodSpec.dnsPolicy
    v1.PreemptionPolicy: PodSpec.preemptionPolicy PriorityClass.preemptionPolicy
    v1.PullPolicy: Container.imagePullPolicy EphemeralContainer.imagePullPolicy ImageVolumeSource.pullPolicy
    v1.TerminationMessagePolicy: Container.terminationMessagePolicy EphemeralContainer.terminationMessagePolicy
    v1.ResourceList: ResourceRequirements.limits ResourceRequirements.requests VolumeResourceRequirements.limits
    v1.ResourceList: VolumeResourceRequirements.requests PodSpec.overhead NodeStatus.capacity NodeStatus.allocatable
    v1.ResourceList: ResourceQuotaSpec.hard ResourceQuotaStatus.hard ResourceQuotaStatus.used LimitRangeItem.max
    v1.ResourceList: LimitRangeItem.min LimitRangeItem.default LimitRangeItem.defaultRequest
    v1.ResourceList: LimitRangeItem.maxLimitRequestRatio PersistentVolumeSpec.capacity
    v1.ResourceList: PersistentVolumeClaimStatus.capacity ContainerStatus.allocatedResources
    v1.LimitType: LimitRangeItem.type
    []v1.ResourceQuotaScope: ResourceQuotaSpec.scopes
    v1.ResourceQuotaScope: ScopedResourceSelectorRequirement.scopeName
    v1.ScopeSelectorOperator: ScopedResourceSelectorRequirement.operator
    v1.PodPhase: PodStatus.phase
    v1.PodQOSClass: PodStatus.qosClass
    v1.URIScheme: HTTPGetAction.scheme
    v1.MountPropagationMode: VolumeMount.mountPropagation
    v1.RecursiveReadOnlyMode: VolumeMount.recursiveReadOnly
    v1.HostPathType: HostPathVolumeSource.type
    v1.StorageMedium: EmptyDirVolumeSource.medium
    []v1.Capability: Capabilities.add Capabilities.drop
    v1.ProcMountType: SecurityContext.procMount
    v1.SeccompProfileType: SeccompProfile.type
    v1.AppArmorProfileType: AppArmorProfile.type
    v1.PodFSGroupChangePolicy: PodSecurityContext.fsGroupChangePolicy
    v1.SupplementalGroupsPolicy: PodSecurityContext.supplementalGroupsPolicy
    v1.TolerationOperator: Toleration.operator
    v1.TaintEffect: Toleration.effect Taint.effect
    v1.NodeSelectorOperator: NodeSelectorRequirement.operator
    v1.UnsatisfiableConstraintAction: TopologySpreadConstraint.whenUnsatisfiable
    v1.NodeInclusionPolicy: TopologySpreadConstraint.nodeAffinityPolicy TopologySpreadConstraint.nodeTaintsPolicy
    v1.OSName: PodOS.name
    []v1.FinalizerName: NamespaceSpec.finalizers
    v1.NamespacePhase: NamespaceStatus.phase
    v1.NodePhase: NodeStatus.phase
    v1.NodeAddressType: NodeAddress.type
    v1.SecretType: Secret.type
    []v1.PersistentVolumeAccessMode: PersistentVolumeClaimSpec.accessModes PersistentVolumeSpec.accessModes
    v1.PersistentVolumeMode: PersistentVolumeClaimSpec.volumeMode PersistentVolumeSpec.volumeMode
    v1.PersistentVolumeReclaimPolicy: PersistentVolumeSpec.persistentVolumeReclaimPolicy StorageClass.reclaimPolicy
    v1.PersistentVolumeClaimPhase: PersistentVolumeClaimStatus.phase
    v1.PersistentVolumePhase: PersistentVolumeStatus.phase
    v1.VolumeBindingMode: StorageClass.volumeBindingMode
    v1.DeploymentStrategyType: DeploymentStrategy.type
    v1.StatefulSetUpdateStrategyType: StatefulSetUpdateStrategy.type
    v1.DaemonSetUpdateStrategyType: DaemonSetUpdateStrategy.type
    v1.PodManagementPolicyType: StatefulSetSpec.podManagementPolicy
    v1.ConcurrencyPolicy: CronJobSpec.concurrencyPolicy
    v1.CompletionMode: JobSpec.completionMode
    v1.PodReplacementPolicy: JobSpec.podReplacementPolicy
    v2.MetricSourceType: MetricSpec.type MetricStatus.type
    v2.MetricTargetType: MetricTarget.type
    v2.ScalingPolicySelect: HPAScalingRules.selectPolicy
    v2.HPAScalingPolicyType: HPAScalingPolicy.type
    v1.PathType: HTTPIngressPath.pathType
    []v1.PolicyType: NetworkPolicySpec.policyTypes
    v1.UnhealthyPodEvictionPolicyType: PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy
    v1.CoordinatedLeaseStrategy: LeaseSpec.strategy
    v1.ResourceScope: CustomResourceDefinitionSpec.scope
    v1.ConversionStrategyType: CustomResourceConversion.strategy
    v1.FailurePolicyType: MutatingWebhook.failurePolicy ValidatingWebhook.failurePolicy
    v1.FailurePolicyType: ValidatingAdmissionPolicySpec.failurePolicy
    v1.MatchPolicyType: MutatingWebhook.matchPolicy ValidatingWebhook.matchPolicy MatchResources.matchPolicy
    v1.SideEffectClass: MutatingWebhook.sideEffects ValidatingWebhook.sideEffects
    v1.FSGroupPolicy: CSIDriverSpec.fsGroupPolicy
"""


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _TEXT.strip().splitlines():
        name, _, fields = line.strip().partition(": ")
        found.update(dict.fromkeys(fields.split(), name))
    return found


NAMED = _table()
"""`Struct.field` -> the Go type of its value."""
