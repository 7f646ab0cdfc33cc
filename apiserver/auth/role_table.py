"""What the default roles allow, a rule a line: verbs | groups | resources | names, or verbs | URLs.

`core` is the group without a name; `read`, `write` and `all` are the usual verbs. Names end in a colon.
"""

from __future__ import annotations

VIEW = """
read | core | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers \
replicationcontrollers/scale serviceaccounts services services/status
read | core | bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
resourcequotas resourcequotas/status
read | core | namespaces
read | discovery.k8s.io | endpointslices
read | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status \
replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status
read | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
read | batch | cronjobs cronjobs/status jobs jobs/status
read | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses \
ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale
read | policy | poddisruptionbudgets poddisruptionbudgets/status
read | networking.k8s.io | ingresses ingresses/status networkpolicies
read | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates
"""
EDIT = """
read | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
impersonate | core | serviceaccounts
write | core | pods pods/attach pods/exec pods/portforward pods/proxy
create | core | pods/eviction
write | core | configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets \
serviceaccounts services services/proxy
create | core | serviceaccounts/token
write | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale \
statefulsets statefulsets/scale
write | autoscaling | horizontalpodautoscalers
write | batch | cronjobs jobs
write | extensions | daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies \
replicasets replicasets/scale replicationcontrollers/scale
write | policy | poddisruptionbudgets
write | networking.k8s.io | ingresses networkpolicies
all | coordination.k8s.io | leases
write | resource.k8s.io | resourceclaims resourceclaimtemplates
"""
ADMIN = """
create | authorization.k8s.io | localsubjectaccessreviews
all | rbac.authorization.k8s.io | rolebindings roles
"""

EVENTS = "create patch update | core events.k8s.io | events"
_DELEGATE = """create | authentication.k8s.io | tokenreviews
create | authorization.k8s.io | subjectaccessreviews"""
_LEADER = """watch | core | configmaps
get update | core | configmaps | {name}
create get list update watch | coordination.k8s.io | leases
create get list update watch | coordination.k8s.io | leasecandidates"""
_SIGNER = "approve | certificates.k8s.io | signers | kubernetes.io/"

CLUSTER_ROLES = f"""
cluster-admin:
* | * | *
* | *
system:auth-delegator:
{_DELEGATE}
system:basic-user:
create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
create | authentication.k8s.io | selfsubjectreviews
system:certificates.k8s.io:certificatesigningrequests:nodeclient:
create | certificates.k8s.io | certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient:
create | certificates.k8s.io | certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:kube-apiserver-client-approver:
{_SIGNER}kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver:
{_SIGNER}kube-apiserver-client-kubelet
system:certificates.k8s.io:kubelet-serving-approver:
{_SIGNER}kubelet-serving
system:certificates.k8s.io:legacy-unknown-approver:
{_SIGNER}legacy-unknown
system:discovery:
get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:heapster:
read | core | events namespaces nodes pods
read | extensions | deployments
system:kube-aggregator:
read | core | endpoints services
system:kube-controller-manager:
{EVENTS}
create | coordination.k8s.io | leases
get update | coordination.k8s.io | leases | kube-controller-manager
create | core | secrets serviceaccounts
delete | core | secrets
get | core | configmaps namespaces secrets serviceaccounts
update | core | secrets serviceaccounts
{_DELEGATE}
list watch | * | *
create | core | serviceaccounts/token
system:kube-dns:
list watch | core | endpoints services
system:kube-scheduler:
{EVENTS}
create | coordination.k8s.io | leases
get list update watch | coordination.k8s.io | leases | kube-scheduler
all | coordination.k8s.io | leasecandidates
read | core | nodes
delete get list watch | core | pods
create | core | bindings pods/binding
patch update | core | pods/status
read | core | replicationcontrollers services
read | apps extensions | replicasets
read | apps | statefulsets
read | policy | poddisruptionbudgets
read | core | persistentvolumeclaims persistentvolumes
{_DELEGATE}
read | storage.k8s.io | csinodes
read | storage.k8s.io | volumeattachments
read | core | namespaces
read | storage.k8s.io | csidrivers
read | storage.k8s.io | csistoragecapacities
read | resource.k8s.io | deviceclasses
get list patch update watch | resource.k8s.io | resourceclaims
get list patch update watch | resource.k8s.io | resourceclaims/status
get list patch update watch | core | pods/finalizers
read | resource.k8s.io | resourceslices
patch update | resource.k8s.io | resourceclaims/binding
system:kubelet-api-admin:
read | core | nodes
proxy | core | nodes
* | core | nodes/log nodes/metrics nodes/proxy nodes/stats
* | core | nodes/configz nodes/healthz nodes/pods
system:monitoring:
get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
system:node:
create | authentication.k8s.io | tokenreviews
create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews
read | core | services
create get list watch | core | nodes
patch update | core | nodes/status
patch update | core | nodes
create patch update | core | events
read | core | pods
create delete | core | pods
patch update | core | pods/status
create | core | pods/eviction
read | core | configmaps secrets
get | core | persistentvolumeclaims persistentvolumes
get | core | endpoints
create get list watch | certificates.k8s.io | certificatesigningrequests
create delete get patch update | coordination.k8s.io | leases
get | storage.k8s.io | volumeattachments
create | core | serviceaccounts/token
get patch update | core | persistentvolumeclaims/status
read | storage.k8s.io | csidrivers
create delete get patch update | storage.k8s.io | csinodes
read | node.k8s.io | runtimeclasses
get | resource.k8s.io | resourceclaims
deletecollection | resource.k8s.io | resourceslices
get | core | serviceaccounts
system:node-bootstrapper:
create get list watch | certificates.k8s.io | certificatesigningrequests
system:node-problem-detector:
get | core | nodes
patch | core | nodes/status
{EVENTS}
system:node-proxier:
list watch | core | endpoints services
read | core | nodes
{EVENTS}
list watch | networking.k8s.io | servicecidrs
list watch | discovery.k8s.io | endpointslices
system:persistent-volume-provisioner:
create delete get list watch | core | persistentvolumes
get list update watch | core | persistentvolumeclaims
read | storage.k8s.io | storageclasses
watch | core | events
{EVENTS}
system:public-info-viewer:
get | /healthz /livez /readyz /version /version/
system:service-account-issuer-discovery:
get | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
system:volume-scheduler:
get list patch update watch | core | persistentvolumes
read | storage.k8s.io | storageclasses
get list patch update watch | core | persistentvolumeclaims
"""
ROLES = f"""
kube-public/system:controller:bootstrap-signer:
read | core | configmaps
update | core | configmaps | cluster-info
{EVENTS}
kube-system/extension-apiserver-authentication-reader:
read | core | configmaps | extension-apiserver-authentication
kube-system/system::leader-locking-kube-controller-manager:
{_LEADER.format(name="kube-controller-manager")}
kube-system/system::leader-locking-kube-scheduler:
{_LEADER.format(name="kube-scheduler")}
kube-system/system:controller:bootstrap-signer:
read | core | secrets
kube-system/system:controller:cloud-provider:
create get list watch | core | configmaps
kube-system/system:controller:token-cleaner:
delete get list watch | core | secrets
{EVENTS}
"""

_PLANE = ("User kube-controller-manager", "User kube-scheduler")
CLUSTER_BINDINGS = {
    "cluster-admin": ("Group masters",),
    "system:basic-user": ("Group authenticated",),
    "system:discovery": ("Group authenticated",),
    "system:kube-controller-manager": _PLANE[:1],
    "system:kube-dns": ("ServiceAccount kube-dns",),
    "system:kube-scheduler": _PLANE[1:],
    "system:monitoring": ("Group monitoring",),
    "system:node": (),
    "system:node-proxier": ("User kube-proxy",),
    "system:public-info-viewer": ("Group authenticated", "Group unauthenticated"),
    "system:service-account-issuer-discovery": ("Group serviceaccounts",),
    "system:volume-scheduler": _PLANE[1:],
}
"""Users and groups below `system:`; service accounts of kube-system. Bindings are called like their roles."""
_LEADERS = "kube-system/system::leader-locking-"
BINDINGS = {
    "kube-public/system:controller:bootstrap-signer": ("ServiceAccount bootstrap-signer",),
    "kube-system/extension-apiserver-authentication-reader": _PLANE,
    _LEADERS + "kube-controller-manager": (
        *_PLANE[:1],
        "ServiceAccount kube-controller-manager",
        "ServiceAccount leader-election-controller",
    ),
    _LEADERS + "kube-scheduler": (*_PLANE[1:], "ServiceAccount kube-scheduler"),
    "kube-system/system:controller:bootstrap-signer": ("ServiceAccount bootstrap-signer",),
    "kube-system/system:controller:cloud-provider": ("ServiceAccount cloud-provider",),
    "kube-system/system:controller:token-cleaner": ("ServiceAccount token-cleaner",),
}
RENAMED = {"extension-apiserver-authentication-reader": "system::extension-apiserver-authentication-reader"}
"""Bindings that are not called like their roles."""
