{{- define "weir.name" -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}
{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- define "weir.serviceAccount" -}}
{{- default (ternary (include "weir.name" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}
{{- define "weir.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}
{{- define "weir.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if .root.Values.listen.tls }}
  scheme: HTTPS
  {{- end }}
periodSeconds: 10
timeoutSeconds: 5
{{- end }}
