{{- define "maas.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 36 | trimSuffix "-" -}}
{{- end }}

{{- define "maas.selector" -}}
app.kubernetes.io/name: {{ .context.Chart.Name }}
app.kubernetes.io/instance: {{ .context.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "maas.labels" -}}
{{ include "maas.selector" . }}
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version }}
{{- end }}

{{- define "maas.servingUrl" -}}
{{- if .Values.serving.enabled -}}
http://{{ include "maas.name" . }}-serve-svc:8000
{{- else -}}
{{ required "serving.url is needed where serving.enabled is false" .Values.serving.url }}
{{- end -}}
{{- end }}

{{- define "maas.catalogFiles" -}}
{{- $files := list -}}
{{- range .Values.catalog.files }}{{- $files = append $files (printf "/etc/maas/catalog/%s" .) }}{{- end -}}
{{- join "," $files -}}
{{- end }}

{{/* What the models and whoever sends them calls have to agree on. */}}
{{- define "maas.engines" -}}
- {name: MAAS_CATALOG, value: {{ include "maas.catalogFiles" . | quote }}}
- {name: MAAS_ENGINE_MIN_REPLICAS, value: {{ .Values.serving.engines.minReplicas | quote }}}
- {name: MAAS_ENGINE_MAX_REPLICAS, value: {{ .Values.serving.engines.maxReplicas | quote }}}
{{- end }}

{{/* The settings of gateway, worker and migrations. Secret ones are files. */}}
{{- define "maas.env" -}}
- {name: MAAS_SECRETS_DIR, value: /run/secrets/maas}
- {name: MAAS_SERVING_URL, value: {{ include "maas.servingUrl" . | quote }}}
- {name: MAAS_PROFILE, value: {{ .Values.serving.profile | quote }}}
{{ include "maas.engines" . }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{- define "maas.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "maas.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
{{- end }}

{{/* Folders that a process of the gateway's image writes to, and its secrets. */}}
{{- define "maas.volumes" -}}
- name: secrets
  secret: {secretName: {{ .Values.existingSecret | quote }}, defaultMode: 0440}
- {name: data, emptyDir: {}}
- {name: scratch, emptyDir: {}}
- {name: metrics, emptyDir: {medium: Memory}}
{{- include "maas.catalogVolume" . }}
{{- end }}

{{/* The operator's catalog files, without a subPath: so a changed ConfigMap reaches running pods. */}}
{{- define "maas.catalogVolume" -}}
{{- with .Values.catalog.configMap }}
- name: catalog
  configMap: {name: {{ . | quote }}}
{{- end }}
{{- end }}

{{- define "maas.catalogMount" -}}
{{- if .Values.catalog.configMap }}
- {name: catalog, mountPath: /etc/maas/catalog, readOnly: true}
{{- end }}
{{- end }}

{{- define "maas.volumeMounts" -}}
- {name: secrets, mountPath: /run/secrets/maas, readOnly: true}
- {name: data, mountPath: /var/lib/maas}
- {name: scratch, mountPath: /tmp}
- {name: metrics, mountPath: /run/maas-metrics}
{{- include "maas.catalogMount" . }}
{{- end }}

{{/* Not all replicas on one node, where there are several. */}}
{{- define "maas.spread" -}}
- maxSkew: 1
  topologyKey: kubernetes.io/hostname
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "maas.selector" . | nindent 6 }}
{{- end }}

{{/* A container of the gateway's image: a dict of context, name, command and resources. */}}
{{- define "maas.container" -}}
name: {{ .name }}
image: {{ .context.Values.image.gateway | quote }}
imagePullPolicy: {{ .context.Values.image.pullPolicy }}
command: {{ .command | toJson }}
env:
  {{- include "maas.env" .context | nindent 2 }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  readOnlyRootFilesystem: true
  {{- include "maas.containerSecurity" .context | nindent 2 }}
{{- end }}
