"""What the tests share: servers that misbehave, recorders, golden frames."""
