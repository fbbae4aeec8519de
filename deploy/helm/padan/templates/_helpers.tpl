{{/* The labels that every object has. */}}
{{- define "padan.partOf" -}}
app.kubernetes.io/part-of: padan
{{- end }}

{{/* The image, by digest if there is one. */}}
{{- define "padan.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What all pods share: an unprivileged user, no access to the cluster's API. */}}
{{- define "padan.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "padan.container" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* The keys of the store, as files. */}}
{{- define "padan.keys" -}}
- secret:
    name: {{ .Values.secrets.keys }}
    items:
      - { key: person-key, path: person-key }
      - { key: template-keys, path: template-keys }
      - { key: audit-keys, path: audit-keys }
{{- end }}

{{/* The key of commands that record what they do, and need no other. */}}
{{- define "padan.auditKey" -}}
- secret:
    name: {{ .Values.secrets.keys }}
    items:
      - { key: audit-keys, path: audit-keys }
{{- end }}

{{/* The certificate of the authority that signed those of the databases. */}}
{{- define "padan.databaseCa" -}}
- secret:
    name: {{ .Values.secrets.databases }}
    items:
      - { key: database-ca.pem, path: database-ca.pem }
{{- end }}

{{- define "padan.settings" -}}
{{ .Values.settings | default (.Files.Get "files/padan.toml") }}
{{- end }}

{{- define "padan.operatorSettings" -}}
{{ .Values.operations.settings | default (.Files.Get "files/operator.toml") }}
{{- end }}
