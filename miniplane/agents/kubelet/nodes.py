"""Node objects as a kubelet registers them, and their Leases."""

from __future__ import annotations

import ipaddress
import uuid
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
"""How long a Lease holds; renewed every quarter of that (kubelet's nodeLeaseDurationSeconds and its fraction)."""
VERSION = "v1.36.2"

HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
CAPACITY = {
    "cpu": "8",
    "ephemeral-storage": "102687672Ki",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "memory": "32827192Ki",
}
ALLOCATABLE = {**CAPACITY, "ephemeral-storage": "94637058436", "memory": "32724792Ki"}
"""Less what a real node keeps for itself (eviction thresholds: 100Mi of memory, a tenth of the disk)."""

DECLARED_FEATURES = [
    "GuaranteedQoSPodCPUResize",
    "InPlacePodLevelResourcesVerticalScaling",
    "RestartAllContainersOnContainerExits",
]
"""What a kubelet of 1.36 without a CPU manager declares (KEP-5328): resizes that need one of them are admitted."""


@dataclass(slots=True, frozen=True)
class SimulatedNode:
    """The n-th node, counted from 1: k8s-node01 at 192.168.49.2 with pods from 10.244.1.0/24."""

    number: int
    max_pods: int = 110
    ip_families: tuple[str, ...] = ("IPv4",)

    @property
    def name(self) -> str:
        return f"k8s-node{self.number:02}"

    @property
    def address(self) -> str:
        return str(ipaddress.ip_address("192.168.49.1") + self.number)

    @property
    def pod_cidr(self) -> str:
        return str(ipaddress.ip_network((ipaddress.ip_address("10.244.0.0") + 256 * self.number, 24)))

    @property
    def _ipv6_network(self) -> ipaddress.IPv6Network:
        return ipaddress.IPv6Network((int(ipaddress.ip_address("fd00:10:244::")) + (self.number << 64), 64))

    def in_families(self, ipv4: str, ipv6: str) -> list[str]:
        """What of the two the node has, its first family first."""
        return [ipv6 if family == "IPv6" else ipv4 for family in self.ip_families]

    def pod_ips(self, address: str) -> list[str]:
        """All addresses of the pod that has this IPv4 address: the IPv6 one is at the same place of its network."""
        place = int(ipaddress.ip_address(address)) & 0xFF
        return self.in_families(address, str(self._ipv6_network[place]))

    def ipv4_of(self, address: str) -> str:
        """The IPv4 address that belongs to a pod's first address."""
        if ":" not in address:
            return address
        place = int(ipaddress.ip_address(address)) & 0xFF
        return str(ipaddress.ip_network(self.pod_cidr)[place])

    @property
    def host_ips(self) -> list[str]:
        """The node's addresses: node 1 has 192.168.49.2 and fd00:192:168:49::2."""
        ipv6 = ipaddress.ip_address("fd00:192:168:49::1") + self.number
        return self.in_families(self.address, str(ipv6))

    def object(self, now: str) -> Object:
        """The Node to create."""
        cidrs = self.in_families(self.pod_cidr, str(self._ipv6_network))
        return {
            "metadata": {"name": self.name, "labels": self._labels()},
            "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
            "status": self.status(now, now),
        }

    def _labels(self) -> dict[str, str]:
        return {
            "beta.kubernetes.io/arch": "amd64",
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
        }

    def status(self, now: str, since: str) -> Object:
        """The status at `now`; its conditions hold `since`."""
        pods = {"pods": str(self.max_pods)}
        return {
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in self.host_ips),
                {"type": "Hostname", "address": self.name},
            ],
            "capacity": {**CAPACITY, **pods},
            "allocatable": {**ALLOCATABLE, **pods},
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": since,
                }
                for kind, status, reason, message in HEALTHY
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "declaredFeatures": DECLARED_FEATURES,
            "nodeInfo": self._info(),
        }

    def _info(self) -> Object:
        identity = uuid.uuid5(uuid.NAMESPACE_DNS, self.name)
        return {
            "architecture": "amd64",
            "bootID": str(uuid.uuid5(identity, "boot")),
            "containerRuntimeVersion": "simulated://1.0.0",
            "kernelVersion": "6.1.0-simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": identity.hex,
            "operatingSystem": "linux",
            "osImage": "miniplane simulated node",
            "systemUUID": str(identity),
        }

    def lease(self, node_uid: str, now_micro: str) -> Object:
        """The node's Lease, owned by the Node."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": node_uid}
        return {
            "metadata": {"name": self.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": now_micro,
            },
        }
