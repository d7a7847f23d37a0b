//go:build tools

// Package flagger names the controller that the benchmark builds, so that go.mod and go.sum cover it.
package flagger

import _ "github.com/fluxcd/flagger/cmd/flagger"
