//go:build tools

// Package rollouts names the controller that the benchmark builds, so that go.mod and go.sum cover it.
package rollouts

import _ "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"
