"""CEL as Kubernetes has it: what `cel-expr-python` evaluates, and around it types, costs and libraries."""
