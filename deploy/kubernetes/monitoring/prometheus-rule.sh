#!/bin/sh
# Prints deploy/prometheus/rules.yaml as the Prometheus operator wants it:
#   deploy/kubernetes/monitoring/prometheus-rule.sh | kubectl apply -f -
set -eu
cat <<'HEAD'
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rtms-gateway
  namespace: rtms-gateway
  labels: { app.kubernetes.io/name: rtms-gateway }
spec:
HEAD
rules=$(dirname "$0")/../../prometheus/rules.yaml
sed "s/^./  &/" "$rules"
