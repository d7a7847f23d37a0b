//go:build tools

// Package envoygateway names the controller that the lab builds, so that go.mod and go.sum cover it.
package envoygateway

import _ "github.com/envoyproxy/gateway/cmd/envoy-gateway"
