"""What the lab's two gateways cost and how soon they follow a route, side by side."""
