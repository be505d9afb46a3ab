"""Deploy to AWS Lambda: the wrapper script, the bootstrap and the layer.

`streamify-wrapper` and `bootstrap` are shell scripts next to this file; `layer` builds the layer with both.
"""
