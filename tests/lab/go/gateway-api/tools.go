//go:build tools

// Package gatewayapi names the module whose CustomResourceDefinitions the lab installs, so that go.sum covers it.
package gatewayapi

import _ "sigs.k8s.io/gateway-api/apis/v1"
