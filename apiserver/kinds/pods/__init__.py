"""The rules of pods and pod templates, by topic; `apiserver.kinds.pod` puts them together."""
