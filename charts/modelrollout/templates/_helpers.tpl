{{/* Name of everything the chart makes; it ends up in a Lease, so two releases in a namespace do not meet. */}}
{{- define "modelrollout.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Cluster-wide names carry the namespace too: another release may have the same name elsewhere. */}}
{{- define "modelrollout.clusterName" -}}
{{ printf "%s:%s" .Release.Namespace (include "modelrollout.name" .) }}
{{- end }}

{{- define "modelrollout.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "modelrollout.name" .) "default") }}
{{- end }}

{{- define "modelrollout.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "modelrollout.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "modelrollout.labels" -}}
{{ include "modelrollout.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The prober is a workload of its own: no selector of the operator's finds it. */}}
{{- define "modelrollout.prober" -}}
{{ include "modelrollout.name" . }}-preflight
{{- end }}

{{- define "modelrollout.proberSelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-prober
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "modelrollout.proberLabels" -}}
{{ include "modelrollout.proberSelector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Pod Security "restricted", and nothing writable. */}}
{{- define "modelrollout.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "modelrollout.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "modelrollout.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end }}

{{/* Over nodes where there is more than one replica, unless the values say how. */}}
{{- define "modelrollout.spread" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else if gt (int .Values.replicas) 1 }}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "modelrollout.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* Arguments that say which Lease and which namespaces are meant; the same for run and release. */}}
{{- define "modelrollout.scope" -}}
- --lease-name={{ include "modelrollout.name" . }}
- --lease-duration={{ .Values.leaseDurationSeconds }}
{{- with (.Values.config.logs).format }}
- --log-format={{ . }}
{{- end }}
{{- range .Values.watch.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- end }}

{{/* Takes every CEL rule out of a definition, wherever it is; the result is in the argument itself. */}}
{{- define "modelrollout.withoutRules" -}}
{{- if kindIs "map" . }}
{{- $_ := unset . "x-kubernetes-validations" }}
{{- range . }}{{ include "modelrollout.withoutRules" . }}{{ end }}
{{- else if kindIs "slice" . }}
{{- range . }}{{ include "modelrollout.withoutRules" . }}{{ end }}
{{- end }}
{{- end }}

{{/* The version of MutatingAdmissionPolicy that stamps who did something; nothing where there is none or it is off. */}}
{{- define "modelrollout.stamps" -}}
{{- if .Values.admission.stamps }}
{{- if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" }}v1
{{- else if .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy" }}v1beta1
{{- end }}
{{- end }}
{{- end }}

{{/* The kind that tells the Prometheus Operator of the port, where it is asked for and known; nothing elsewhere. */}}
{{- define "modelrollout.monitor" -}}
{{- if .Values.metrics.enabled }}
{{- $kind := .Values.metrics.monitor }}
{{- if .Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind) }}{{ $kind }}{{ end }}
{{- end }}
{{- end }}

{{/* Whether a PrometheusRule is made: where it is asked for and known. */}}
{{- define "modelrollout.alerts" -}}
{{- if and .Values.metrics.enabled .Values.metrics.rules.enabled }}
{{- $kind := "PrometheusRule" }}
{{- if .Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind) }}{{ $kind }}{{ end }}
{{- end }}
{{- end }}
