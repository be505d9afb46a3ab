"""The Lambda API: invocations, and read operations of the control plane and API Gateway."""
