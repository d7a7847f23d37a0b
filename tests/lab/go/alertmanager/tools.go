//go:build tools

// Package alertmanager names the program that the lab builds, so that go.mod and go.sum cover it.
package alertmanager

import _ "github.com/prometheus/alertmanager/cmd/alertmanager"
