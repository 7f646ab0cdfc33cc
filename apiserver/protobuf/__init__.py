"""Kubernetes' protobuf form of objects (`application/vnd.kubernetes.protobuf`), driven by a table of wire numbers."""
