{{/* What the operator may do where its ModelRollouts and their routes are. */}}
{{- define "modelrollout.rules" -}}
- apiGroups: [modelrollout.dev]
  resources: [modelrollouts]
  verbs: [get, list, watch, patch]
- apiGroups: [modelrollout.dev]
  resources: [modelrollouts/status]
  verbs: [update]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- if .Values.snapshots.enabled }}
- apiGroups: [modelrollout.dev]
  resources: [modelrolloutsnapshots]
  verbs: [get, create, patch]
{{- end }}
{{- end }}

{{- define "modelrollout.gatewayRules" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- end }}

{{- define "modelrollout.subject" -}}
- kind: ServiceAccount
  name: {{ include "modelrollout.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
