"""What other gateways export, on real proxies: their names, units and statuses as the operator reads them."""
