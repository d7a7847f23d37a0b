//go:build tools

// Package kubernetes names the programs of Kubernetes that the lab builds, so that go.mod and go.sum cover them.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
