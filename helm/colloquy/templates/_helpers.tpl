{{/* Names. The longest suffix is that of a StatefulSet's pods: names stay below 63 characters. */}}
{{- define "colloquy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that never change, to select by. Argument: dict root, component. */}}
{{- define "colloquy.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{/* Labels of an object. */}}
{{- define "colloquy.labels" -}}
{{ include "colloquy.selector" . }}
app.kubernetes.io/part-of: "colloquy"
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- range $name, $value := .root.Values.commonLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Labels of a pod: without versions, so that a new chart alone restarts nothing. */}}
{{- define "colloquy.podLabels" -}}
{{ include "colloquy.selector" . }}
app.kubernetes.io/part-of: "colloquy"
{{- range $name, $value := .root.Values.commonLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- range $name, $value := .root.Values.podLabels }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: dict root, component, name, annotations (optional). */}}
{{- define "colloquy.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "colloquy.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "colloquy.version" -}}
{{- .Values.image.tag | default .Chart.AppVersion -}}
{{- end -}}

{{/* Argument: dict repository, tag, digest. */}}
{{- define "colloquy.reference" -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag }}
{{- end -}}
{{- end -}}

{{- define "colloquy.image" -}}
{{- include "colloquy.reference" (dict "repository" .Values.image.repository "tag" (include "colloquy.version" .) "digest" .Values.image.digest) -}}
{{- end -}}

{{- define "colloquy.modelsImage" -}}
{{- $repository := .Values.models.image.repository | default (printf "%s-models" .Values.image.repository) -}}
{{- $tag := .Values.models.image.tag | default (include "colloquy.version" .) -}}
{{- include "colloquy.reference" (dict "repository" $repository "tag" $tag "digest" .Values.models.image.digest) -}}
{{- end -}}

{{/* Argument: dict root, component: the service account of a pod. */}}
{{- define "colloquy.serviceAccount" -}}
{{- if .root.Values.serviceAccount.name -}}
{{- .root.Values.serviceAccount.name -}}
{{- else if not .root.Values.serviceAccount.create -}}
default
{{- else if has .component (list "nats" "jaeger") -}}
{{- printf "%s-%s" (include "colloquy.fullname" .root) .component -}}
{{- else -}}
{{- include "colloquy.fullname" .root -}}
{{- end -}}
{{- end -}}

{{/* The restricted pod security standard. Argument: dict user, group. */}}
{{- define "colloquy.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .group }}
fsGroup: {{ .group }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "colloquy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What decides where a pod runs. Argument: dict root, component, values, perShard (optional). */}}
{{- define "colloquy.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if .root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- $top := . }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "colloquy.selector" $top | nindent 8 }}
        {{- with $top.shard }}
        colloquy.io/shard: {{ . | quote }}
        {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The broker. */}}
{{- define "colloquy.natsName" -}}
{{- printf "%s-nats" (include "colloquy.fullname" .) -}}
{{- end -}}

{{- define "colloquy.natsHeadless" -}}
{{- printf "%s-headless" (include "colloquy.natsName" .) -}}
{{- end -}}

{{- define "colloquy.natsSecret" -}}
{{- if .Values.nats.enabled -}}
{{- .Values.nats.auth.existingSecret | default (printf "%s-auth" (include "colloquy.natsName" .)) -}}
{{- else -}}
{{- .Values.externalNats.auth.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "colloquy.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "colloquy.natsName" .)) -}}
{{- end -}}

{{- define "colloquy.caSecret" -}}
{{- if .Values.nats.enabled -}}
{{- if .Values.tls.enabled }}{{ include "colloquy.tlsSecret" . }}{{ end -}}
{{- else -}}
{{- .Values.externalNats.caSecret -}}
{{- end -}}
{{- end -}}

{{- define "colloquy.gatewayTlsSecret" -}}
{{- .Values.gateway.tls.existingSecret | default (printf "%s-gateway-tls" (include "colloquy.fullname" .)) -}}
{{- end -}}

{{/* What the gateway's own port speaks, which is also the port's name. */}}
{{- define "colloquy.gatewayScheme" -}}
{{- ternary "https" "http" .Values.gateway.tls.enabled -}}
{{- end -}}

{{/* Who asks the gateway over TLS knows its authority from here: list of volumes, list of mounts. */}}
{{- define "colloquy.gatewayCaVolume" -}}
{{- if .Values.gateway.tls.enabled -}}
- name: gateway-ca
  secret:
    secretName: {{ include "colloquy.gatewayTlsSecret" . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end -}}
{{- end -}}

{{- define "colloquy.gatewayCaMount" -}}
{{- if .Values.gateway.tls.enabled -}}
- name: gateway-ca
  mountPath: /etc/colloquy/gateway-ca
  readOnly: true
{{- end -}}
{{- end -}}

{{/* A certificate in a Secret: cert-manager's, or the chart's own, which is made once and kept. Argument: dict
     root, component, name (of the Secret), settings (certManager), commonName, names, client (whether it
     proves clients, too). */}}
{{- define "colloquy.certificate" -}}
{{- if .settings.certManager.enabled }}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "colloquy.metadata" . | nindent 2 }}
spec:
  secretName: {{ .name }}
  issuerRef:
    {{- toYaml .settings.certManager.issuerRef | nindent 4 }}
  commonName: {{ .commonName }}
  dnsNames:
    {{- range .names }}
    - {{ . | quote }}
    {{- end }}
  usages: [digital signature, key encipherment, server auth{{ if .client }}, client auth{{ end }}]
{{- else }}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .name | default dict }}
{{- $data := get $there "data" | default dict }}
{{- if not (get $data "tls.crt") }}
{{- $days := int .root.Values.tls.days }}
{{- $ca := genCA (printf "%s-ca" .commonName) $days }}
{{- $certificate := genSignedCert .commonName (list "127.0.0.1") .names $days $ca }}
{{- $data = dict "ca.crt" ($ca.Cert | b64enc) "tls.crt" ($certificate.Cert | b64enc) "tls.key" ($certificate.Key | b64enc) }}
{{- end }}
apiVersion: v1
kind: Secret
metadata:
  {{- include "colloquy.metadata" . | nindent 2 }}
type: kubernetes.io/tls
data:
  {{- range list "ca.crt" "tls.crt" "tls.key" }}
  {{ . }}: {{ get $data . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Names of services as pods of any namespace may call them. Argument: dict root, services (list). */}}
{{- define "colloquy.dnsNames" -}}
{{- $names := list "localhost" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- range .services -}}
{{- $names = concat $names (list . (printf "%s.%s" . $namespace) (printf "%s.%s.svc" . $namespace) (printf "%s.%s.svc.cluster.local" . $namespace)) -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Host and port of the broker's monitoring; empty if nobody knows it. */}}
{{- define "colloquy.monitoring" -}}
{{- if .Values.nats.enabled -}}
{{- printf "%s.%s.svc:8222" (include "colloquy.natsHeadless" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.externalNats.monitoring -}}
{{- end -}}
{{- end -}}

{{- define "colloquy.streamReplicas" -}}
{{- if not .Values.nats.enabled -}}
{{- .Values.externalNats.streamReplicas -}}
{{- else if .Values.nats.streamReplicas -}}
{{- .Values.nats.streamReplicas -}}
{{- else -}}
{{- min 3 .Values.nats.replicas -}}
{{- end -}}
{{- end -}}

{{/* Whether the broker syncs before each acknowledgement. */}}
{{- define "colloquy.syncAlways" -}}
{{- if .Values.nats.enabled }}{{ if eq .Values.nats.syncInterval "always" }}true{{ end }}{{ else if .Values.externalNats.syncAlways }}true{{ end -}}
{{- end -}}

{{/* Bytes that one bundled server may store. */}}
{{- define "colloquy.maxFileStore" -}}
{{- $size := .Values.nats.persistence.size -}}
{{- $number := regexFind "^[0-9]+" $size | int64 -}}
{{- $unit := ternary 1099511627776 1073741824 (hasSuffix "Ti" $size) -}}
{{- div (mul $number $unit .Values.nats.maxFileStorePercent) 100 -}}
{{- end -}}

{{/* What the gateway and the doctor are told of the broker's room. What is used is told over all copies
     together, and so is this. Where there are more servers than copies, all may lie on the same ones. */}}
{{- define "colloquy.maxStorage" -}}
{{- if .Values.gateway.maxStorage -}}
{{- .Values.gateway.maxStorage -}}
{{- else if .Values.nats.enabled -}}
{{- printf "%dMiB" (div (mul (include "colloquy.maxFileStore" . | int64) (include "colloquy.streamReplicas" . | int64)) 1048576) -}}
{{- end -}}
{{- end -}}

{{/* Who a process is to the broker, and where that is. Argument: dict root, user. */}}
{{- define "colloquy.brokerEnv" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $mode := ternary "password" $values.externalNats.auth.mode $values.nats.enabled -}}
{{- $url := ternary (printf "nats://%s:4222" (include "colloquy.natsName" $root)) $values.externalNats.url $values.nats.enabled -}}
{{- if eq $mode "password" }}
- name: NATS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "colloquy.natsSecret" $root }}
      key: COLLOQUY_{{ upper .user }}_PASSWORD
- name: COLLOQUY_NATS_URL
  value: {{ regexReplaceAll "^([a-z]+)://" $url (printf "${1}://%s:$(NATS_PASSWORD)@" .user) | quote }}
{{- else }}
- name: COLLOQUY_NATS_URL
  value: {{ $url | quote }}
{{- if eq $mode "credentials" }}
- name: COLLOQUY_NATS_CREDENTIALS
  value: /etc/colloquy/nats/user.creds
{{- end }}
{{- end }}
{{- if include "colloquy.caSecret" $root }}
- name: COLLOQUY_NATS_CA
  value: /etc/colloquy/ca/ca.crt
{{- end }}
{{- if include "colloquy.syncAlways" $root }}
- name: COLLOQUY_GROUP_COMMIT
  value: "true"
{{- end }}
{{- end -}}

{{/* Logs, traces, metrics. */}}
{{- define "colloquy.telemetryEnv" -}}
{{- $values := .Values -}}
- name: COLLOQUY_LOG_FORMAT
  value: {{ $values.log.format | quote }}
- name: RUST_LOG
  value: {{ $values.log.filter | quote }}
{{- $endpoint := include "colloquy.otlpEndpoint" . }}
{{- if $endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ $endpoint | quote }}
- name: OTEL_METRICS_EXPORTER
  value: {{ ternary "otlp,prometheus" "prometheus" $values.otel.metrics | quote }}
- name: OTEL_TRACES_SAMPLER
  value: {{ $values.otel.sampler | quote }}
{{- with $values.otel.samplerArg }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ . | quote }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ printf "service.namespace=%s,service.instance.id=$(POD_NAME),k8s.namespace.name=%s,k8s.pod.name=$(POD_NAME)" .Release.Name .Release.Namespace | quote }}
{{- with $values.otel.existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: headers
{{- end }}
{{- end }}
{{- end -}}

{{- define "colloquy.otlpEndpoint" -}}
{{- if .Values.otel.endpoint -}}
{{- .Values.otel.endpoint -}}
{{- else if .Values.jaeger.enabled -}}
{{- printf "http://%s-jaeger:4318" (include "colloquy.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* Volumes and mounts that come with the broker's settings. Argument: dict root, user. */}}
{{- define "colloquy.brokerMounts" -}}
{{- if include "colloquy.caSecret" .root }}
- name: nats-ca
  mountPath: /etc/colloquy/ca
  readOnly: true
{{- end }}
{{- if and (not .root.Values.nats.enabled) (eq .root.Values.externalNats.auth.mode "credentials") }}
- name: nats-credentials
  mountPath: /etc/colloquy/nats
  readOnly: true
{{- end }}
{{- end -}}

{{- define "colloquy.brokerVolumes" -}}
{{- with include "colloquy.caSecret" .root }}
- name: nats-ca
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- if and (not .root.Values.nats.enabled) (eq .root.Values.externalNats.auth.mode "credentials") }}
- name: nats-credentials
  secret:
    secretName: {{ include "colloquy.natsSecret" .root }}
    items:
      - key: {{ .user }}.creds
        path: user.creds
{{- end }}
{{- end -}}

{{/* Waits for what a service needs at the broker, so that it does not end and start again until the
     bootstrap Job is done. Argument: dict root, needs (list of STREAM or STREAM/CONSUMER). */}}
{{- define "colloquy.wait" -}}
- name: wait
  image: {{ include "colloquy.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [bash, /etc/colloquy/scripts/wait.sh]
  args:
    - {{ include "colloquy.monitoring" .root | quote }}
    - {{ ternary "$G" .root.Values.externalNats.account .root.Values.nats.enabled | quote }}
    {{- range .needs }}
    - {{ . | quote }}
    {{- end }}
  securityContext:
    {{- include "colloquy.containerSecurity" .root | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    - name: scripts
      mountPath: /etc/colloquy/scripts
      readOnly: true
{{- end -}}

{{/* The pod of a role of the program. Argument: dict
       root, component (also the user at the broker), values (of the component), args (of the program),
       env (list, optional), port (dict name, number), data (claim | empty), shard (optional),
       needs (list), models (list), extraVolumes, extraMounts (lists, optional) */}}
{{- define "colloquy.pod" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
metadata:
  labels:
    {{- include "colloquy.podLabels" . | nindent 4 }}
    {{- with .shard }}
    colloquy.io/shard: {{ . | quote }}
    {{- end }}
  {{- with mustMerge (dict) (.values.podAnnotations | default dict) $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "colloquy.serviceAccount" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "colloquy.podSecurity" (dict "user" $values.securityContext.runAsUser "group" $values.securityContext.runAsGroup) | nindent 4 }}
  {{- include "colloquy.placement" . | nindent 2 }}
  {{- $wait := and .needs (include "colloquy.monitoring" $root) }}
  {{- $copy := and .models (eq $values.models.source "image") }}
  {{- if or $wait $copy }}
  initContainers:
    {{- if $wait }}
    {{- include "colloquy.wait" . | nindent 4 }}
    {{- end }}
    {{- if $copy }}
    - name: models
      image: {{ include "colloquy.modelsImage" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: [cp, --recursive, --target-directory=/copy]
      args:
        {{- range .models }}
        - {{ printf "/models/%s" . | quote }}
        {{- end }}
      securityContext:
        {{- include "colloquy.containerSecurity" $root | nindent 8 }}
      resources:
        requests: {cpu: 10m, memory: 16Mi}
        limits: {memory: 256Mi}
      volumeMounts:
        - name: models
          mountPath: /copy
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "colloquy.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        {{- include "colloquy.brokerEnv" (dict "root" $root "user" .component) | nindent 8 }}
        {{- include "colloquy.telemetryEnv" $root | nindent 8 }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - name: {{ .port.name }}
          containerPort: {{ .port.number }}
      {{- $scheme := ternary ", scheme: HTTPS" "" (eq .port.name "https") }}
      # A model is loaded and an index opened before a port is.
      startupProbe:
        httpGet: {path: /livez, port: {{ .port.name }}{{ $scheme }}}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /livez, port: {{ .port.name }}{{ $scheme }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: {{ .port.name }}{{ $scheme }}}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      {{- if eq .component "gateway" }}
      # Until nobody sends requests here any more.
      lifecycle:
        preStop:
          exec:
            command: [sleep, "5"]
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        {{- include "colloquy.containerSecurity" $root | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: data
          mountPath: /data
        {{- if .models }}
        - name: models
          mountPath: /models
          readOnly: true
        {{- end }}
        {{- with include "colloquy.brokerMounts" (dict "root" $root "user" .component) }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .extraMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ .values.tmpSize | default "2Gi" }}
    {{- if ne .data "claim" }}
    - name: data
      emptyDir:
        sizeLimit: 1Gi
    {{- end }}
    {{- if $wait }}
    - name: scripts
      configMap:
        name: {{ include "colloquy.fullname" $root }}-scripts
    {{- end }}
    {{- if .models }}
    - name: models
      {{- if eq $values.models.source "claim" }}
      persistentVolumeClaim:
        claimName: {{ required "models.existingClaim must name a claim when models.source is 'claim'" $values.models.existingClaim }}
        readOnly: true
      {{- else }}
      emptyDir:
        sizeLimit: {{ $values.models.size }}
      {{- end }}
    {{- end }}
    {{- with include "colloquy.brokerVolumes" (dict "root" $root "user" .component) }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* A PodDisruptionBudget. Argument: dict root, component, name, shard (optional). */}}
{{- define "colloquy.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "colloquy.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "colloquy.selector" . | nindent 6 }}
      {{- with .shard }}
      colloquy.io/shard: {{ . | quote }}
      {{- end }}
{{- end -}}

{{/* What a service needs at the broker, from the contract. Argument: dict root, service. */}}
{{- define "colloquy.needs" -}}
{{- get (.root.Files.Get "files/services.json" | fromJson) .service | toJson -}}
{{- end -}}

{{/* Settings that contradict each other are refused before anything is made. */}}
{{- define "colloquy.validate" -}}
{{- $v := .Values -}}
{{- if not $v.nats.enabled -}}
{{- $_ := required "externalNats.url is needed where nats.enabled is false" $v.externalNats.url -}}
{{- if and (ne $v.externalNats.auth.mode "none") (not $v.externalNats.auth.existingSecret) -}}
{{- fail "externalNats.auth.existingSecret is needed: passwords or credentials for every user" -}}
{{- end -}}
{{- if $v.tls.enabled -}}
{{- fail "tls.enabled is for the bundled broker; for another one, give a tls:// address and externalNats.caSecret" -}}
{{- end -}}
{{- else -}}
{{- if gt (include "colloquy.streamReplicas" . | int) (int $v.nats.replicas) -}}
{{- fail "nats.streamReplicas cannot be more than nats.replicas" -}}
{{- end -}}
{{- end -}}
{{- if and $v.tls.certManager.enabled (not $v.tls.certManager.issuerRef) -}}
{{- fail "tls.certManager.issuerRef must name an issuer" -}}
{{- end -}}
{{- if and $v.gateway.tls.certManager.enabled (not $v.gateway.tls.certManager.issuerRef) -}}
{{- fail "gateway.tls.certManager.issuerRef must name an issuer" -}}
{{- end -}}
{{- if and $v.gatewayApi.enabled (not $v.gatewayApi.parentRefs) -}}
{{- fail "gatewayApi.parentRefs must name a gateway" -}}
{{- end -}}
{{- range $name, $worker := $v.workers -}}
{{- $merged := mustMergeOverwrite (deepCopy $v.workerDefaults) $worker -}}
{{- if and $merged.autoscaling.enabled (not (include "colloquy.monitoring" $)) -}}
{{- fail (printf "workers.%s.autoscaling needs externalNats.monitoring: KEDA reads the lag there" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $v.transcribe.speechServer.url (not $v.transcribe.speechServer.model) -}}
{{- fail "transcribe.speechServer.model must name the server's model" -}}
{{- end -}}
{{- if and $v.redaction.existingSecret (not $v.redaction.policy.name) -}}
{{- fail "redaction.existingSecret is a key for the hashes of a policy: redaction.policy.name must name one" -}}
{{- end -}}
{{- /* Pods that lack a model end at their start. A policy of your own may do without a proof. */ -}}
{{- $speech := ternary "" $v.transcribe.model (ne $v.transcribe.speechServer.url "") -}}
{{- $proof := ternary "" $speech (ne $v.redaction.policy.name "") -}}
{{- $entities := ternary "" $v.entities.model (eq $v.entities.model "none") -}}
{{- range $worker, $names := dict "transcribe" (list $speech) "tag" (list $entities) "anonymize" (list $proof $entities) -}}
{{- $merged := mustMergeOverwrite (deepCopy $v.workerDefaults) (deepCopy (get $v.workers $worker | default (dict "enabled" false))) -}}
{{- range $names -}}
{{- if and . $merged.enabled (not (contains "/" .)) (not (has . $merged.models)) -}}
{{- fail (printf "workers.%s.models lacks %s, which %s needs" $worker . $worker) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The claim template of a StatefulSet. Argument: dict root, component, persistence. */}}
{{- define "colloquy.claim" -}}
- metadata:
    name: data
    # Claim templates cannot be changed later: no versions here.
    labels:
      {{- include "colloquy.selector" . | nindent 6 }}
  spec:
    accessModes:
      {{- toYaml .persistence.accessModes | nindent 6 }}
    {{- with .persistence.storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .persistence.size }}
{{- end -}}
