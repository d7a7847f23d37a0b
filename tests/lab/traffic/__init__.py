"""What is sent through the gateway, and the record of every answer and every weight of the route."""
