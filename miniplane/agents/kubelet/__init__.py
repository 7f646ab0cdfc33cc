"""Simulated nodes: what a kubelet and a scheduler do to the API, without containers (docs/kubelet.md)."""

MOST_NODES = 254
"""Node n is at 192.168.49.(n+1): the last byte ends there."""
