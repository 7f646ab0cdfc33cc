"""Simulated nodes: what a kubelet and a scheduler do to the API, without containers (docs/kubelet.md)."""
