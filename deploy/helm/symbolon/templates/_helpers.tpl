{{- define "symbolon.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "symbolon.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "symbolon.redisSelectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}-redis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "symbolon.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "symbolon.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "symbolon.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "symbolon.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "symbolon.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{- /* The settings of both roles, as JSON; a value that is given replaces a default. */}}
{{- define "symbolon.commonSettings" -}}
{{- $settings := dict "SYMBOLON_METRICS_LISTEN" "0.0.0.0:9464" "SYMBOLON_LOG_FORMAT" "json" -}}
{{- if not .Values.redis.existingSecret -}}
{{- $_ := set $settings "SYMBOLON_STORE_URL" (printf "redis://%s-store:6379" (include "symbolon.fullname" .)) -}}
{{- $_ := set $settings "SYMBOLON_CACHE_URL" (printf "redis://%s-cache:6379" (include "symbolon.fullname" .)) -}}
{{- end -}}
{{- toJson $settings -}}
{{- end }}

{{- /* Takes a dict of settings. */}}
{{- define "symbolon.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "symbolon.redisEnv" -}}
{{- with .Values.redis.existingSecret }}
- name: SYMBOLON_STORE_URL
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.redis.storeKey }}}}
- name: SYMBOLON_CACHE_URL
  valueFrom: {secretKeyRef: {name: {{ . }}, key: {{ $.Values.redis.cacheKey }}}}
{{- end }}
{{- end }}

{{- /* Liveness tolerates a minute: /livez says no only where a restart helps. */}}
{{- define "symbolon.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  failureThreshold: 2
  timeoutSeconds: 5
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
{{- end }}

{{- /* Where Pods run: takes the values of a role. */}}
{{- define "symbolon.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* Takes a size and a volume source, which replaces the emptyDir of that size. */}}
{{- define "symbolon.volume" -}}
{{- if .volume -}}
{{- toYaml .volume -}}
{{- else -}}
emptyDir: {sizeLimit: {{ .size }}}
{{- end -}}
{{- end }}
