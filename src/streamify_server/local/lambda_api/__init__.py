"""The Lambda API: invocations, and the reads of the control plane and API Gateway."""
