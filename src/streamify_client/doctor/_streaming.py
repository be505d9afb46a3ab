"""Whether a function can stream, judging by its runtime, variables, layers and package."""

from collections.abc import Iterator, Mapping
from typing import Any

from ._facts import Answer, Unread
from ._package import Package
from ._report import Finding

WRAPPER = "/opt/streamify-wrapper"
_OTHERS = {
    "/opt/otel-instrument": "OpenTelemetry (ADOT)",
    "/opt/otel-handler": "OpenTelemetry (ADOT)",
    "/opt/datadog_wrapper": "Datadog",
    "/opt/newrelic_lambda_wrapper": "New Relic",
    "/opt/sentry_wrapper": "Sentry",
    "/opt/bootstrap": "Lambda Web Adapter",
}
# The values of streamify_server's variables that a function has to start with.
_ALLOWED = {
    "STREAMIFY_RESPOND": ("auto", "stream", "buffered"),
    "STREAMIFY_RUNTIME": ("auto", "off", "require"),
}
_OLD_CLIENT = "awslambdaric before version 3 lacks what streaming needs"
_FIRST_UNKNOWN_CLIENT = 5  # major version
_FIRST_PYTHON = 11


def streaming(
    configuration: Mapping[str, Any], variables: Mapping[str, str], package: Answer[Package] | None
) -> Iterator[Finding]:
    """Yield the findings on one function."""
    runtime = str(configuration.get("Runtime") or "")
    yield from _layers(configuration)
    yield from _variables(variables, configuration)
    yield from _own_variables(variables)
    if variables.get("STREAMIFY_RESPOND") == "buffered":
        seen = "STREAMIFY_RESPOND=buffered: handlers answer in one piece."
        yield Finding("FAIL", "streaming", seen, "Remove the variable, or set it to auto.")
    elif runtime.startswith("python"):
        yield _of_python(configuration, variables, package)
    else:
        yield _of_another(runtime, configuration)
    if isinstance(package, Unread):
        yield Finding("unknown", "package", f"The package could not be read: {package.reason}.")
    elif package is not None:
        yield from _package(package, configuration, variables)


def _layers(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    arns = [str(layer.get("Arn")) for layer in configuration.get("Layers") or ()]
    if arns:
        yield Finding("ok", "layers", f"Layers: {', '.join(arns)}.")


def _variables(variables: Mapping[str, str], configuration: Mapping[str, Any]) -> Iterator[Finding]:
    if "PYTHONPATH" in variables:
        seen = f"PYTHONPATH={variables['PYTHONPATH']} changes what the runtime imports."
        yield Finding(
            "warn", "pythonpath", seen, "Remove it; /opt/python and the package are searched anyway."
        )
    wrapper = variables.get("AWS_LAMBDA_EXEC_WRAPPER")
    if not wrapper or wrapper == WRAPPER:
        return
    if wrapper.startswith("/opt/") and not _has_opt(configuration):
        seen = f"AWS_LAMBDA_EXEC_WRAPPER is {wrapper}, but the function has no layer that could hold it."
        yield Finding("FAIL", "wrapper", seen, "Add the layer that it is in, or remove the variable.")
    else:
        seen = f"AWS_LAMBDA_EXEC_WRAPPER is {wrapper} ({_OTHERS.get(wrapper, 'an unknown wrapper')})."
        cure = "Keep it, and put streamify into the package: it streams without a wrapper of its own."
        yield Finding("ok" if wrapper in _OTHERS else "warn", "wrapper", seen, cure)


def _own_variables(variables: Mapping[str, str]) -> Iterator[Finding]:
    for name, allowed in _ALLOWED.items():
        if (variables.get(name) or "auto") not in allowed:
            seen = f"{name} cannot be {variables[name]!r}: decorated handlers fail at their import."
            yield Finding("FAIL", "variables", seen, f"Set it to {' or '.join(allowed)}, or remove it.")


def _has_opt(configuration: Mapping[str, Any]) -> bool:
    """Return whether there can be files in /opt: from layers, or in an image."""
    return bool(configuration.get("Layers")) or configuration.get("PackageType") == "Image"


def _of_python(
    configuration: Mapping[str, Any], variables: Mapping[str, str], package: Answer[Package] | None
) -> Finding:
    wrapper = variables.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper == "/opt/bootstrap":
        return _by_web_adapter(variables)
    version = str(configuration.get("Runtime")).rpartition(".")[2]
    if version.isdecimal() and int(version) < _FIRST_PYTHON:
        seen = f"Runtime {configuration.get('Runtime')} does not stream, and is too old for streamify."
        return Finding("FAIL", "streaming", seen, f"Use python3.{_FIRST_PYTHON} or newer.")
    if variables.get("STREAMIFY_RUNTIME") == "off":
        seen = "STREAMIFY_RUNTIME=off: handlers answer in one piece."
        return Finding("FAIL", "streaming", seen, "Remove the variable.")
    if wrapper == WRAPPER:
        return _by_wrapper(configuration)
    if package is None or isinstance(package, Unread):
        seen = "A managed Python runtime does not stream by itself, and the package was not seen."
        return Finding("unknown", "streaming", seen, "Look for streamify_server in the package or a layer.")
    if package.has_streamify:
        return _of_handler(configuration, package)
    if configuration.get("Layers"):
        seen = "streamify is not in the package; whether a layer has it cannot be seen."
        return Finding(
            "unknown", "streaming", seen, "Put streamify into the package, or into /opt/python of a layer."
        )
    seen = "A managed Python runtime does not stream by itself, and streamify is not in the package."
    return Finding("FAIL", "streaming", seen, "Add streamify to the package and decorate the handler.")


def _by_wrapper(configuration: Mapping[str, Any]) -> Finding:
    if _has_opt(configuration):
        return Finding("ok", "streaming", "Streamify's wrapper starts a runtime that streams.")
    seen = f"AWS_LAMBDA_EXEC_WRAPPER is {WRAPPER}, but the function has no layer that could hold it."
    return Finding("FAIL", "streaming", seen, "Add the Streamify layer, or remove the variable.")


def _of_handler(configuration: Mapping[str, Any], package: Package) -> Finding:
    handler = configuration.get("Handler")
    if package.handler_uses_streamify:
        return Finding("ok", "streaming", "streamify is in the package: decorated handlers stream.")
    if package.handler_uses_streamify is None:
        seen = f"streamify is in the package; whether {handler} uses it cannot be seen."
        return Finding("unknown", "streaming", seen, "Try it: --invoke --payload.")
    seen = f"streamify is in the package, but the module of {handler} does not name streamify_server."
    return Finding("warn", "streaming", seen, "Decorate the handler with @streaming_handler.")


def _by_web_adapter(variables: Mapping[str, str]) -> Finding:
    if variables.get("AWS_LWA_INVOKE_MODE", "").lower() == "response_stream":
        return Finding("ok", "streaming", "Lambda Web Adapter streams (AWS_LWA_INVOKE_MODE=response_stream).")
    seen = "Lambda Web Adapter answers in one piece: AWS_LWA_INVOKE_MODE is not response_stream."
    return Finding("FAIL", "streaming", seen, "Set AWS_LWA_INVOKE_MODE=response_stream.")


def _of_another(runtime: str, configuration: Mapping[str, Any]) -> Finding:
    if runtime.startswith("nodejs"):
        seen = "Node.js runtimes stream where the handler is wrapped in awslambda.streamifyResponse."
        return Finding("unknown", "streaming", seen, "Try it: --invoke --payload.")
    if runtime.startswith("provided") or configuration.get("PackageType") == "Image":
        what = runtime or "A container image"
        seen = f"{what} starts a runtime of its own: whether that one streams cannot be seen."
        return Finding("unknown", "streaming", seen, "Try it: --invoke --payload.")
    seen = f"The managed runtime {runtime} does not stream."
    return Finding(
        "FAIL",
        "streaming",
        seen,
        "Use a runtime that streams: Node.js, Python with streamify, or provided.*.",
    )


def _package(
    package: Package, configuration: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[Finding]:
    runtime = str(configuration.get("Runtime") or "")
    problems = [
        *_handler(package, configuration),
        *_executables(package, configuration, variables),
        *_runtime_client(package),
        *_shadowing(package),
        *_bytecode(package, runtime),
    ]
    yield from problems
    if not problems:
        yield Finding("ok", "package", f"The package has {package.files} files and nothing in the way.")


def _handler(package: Package, configuration: Mapping[str, Any]) -> Iterator[Finding]:
    python = str(configuration.get("Runtime")).startswith("python")
    if python and not package.has_handler and not configuration.get("Layers"):
        handler = configuration.get("Handler")
        seen = f"The module of {handler} is not in the package: the function does not start."
        yield Finding("FAIL", "package.handler", seen, "Set the handler to MODULE.FUNCTION of the package.")


def _executables(
    package: Package, configuration: Mapping[str, Any], variables: Mapping[str, str]
) -> Iterator[Finding]:
    wrapper = variables.get("AWS_LAMBDA_EXEC_WRAPPER", "")
    wanted = [wrapper.removeprefix("/var/task/")] if wrapper.startswith("/var/task/") else []
    # A bootstrap may be in a layer as well.
    provided = str(configuration.get("Runtime")).startswith("provided")
    if provided and ("bootstrap" in package.modes or not configuration.get("Layers")):
        wanted.append("bootstrap")
    for name in wanted:
        if name not in package.modes:
            seen = f"{name} is not in the package: the function does not start."
            yield Finding("FAIL", "package.executable", seen, f"Put {name} into the package.")
        elif not package.modes[name]:
            seen = f"{name} is not executable in the package: the function does not start."
            yield Finding(
                "FAIL", "package.executable", seen, f"chmod +x {name} before zipping, on Linux or macOS."
            )


def _runtime_client(package: Package) -> Iterator[Finding]:
    version = package.versions.get("awslambdaric", "")
    major = version.partition(".")[0]
    if not major.isdecimal():
        return
    if int(major) < 3:
        seen = f"The package carries awslambdaric {version}; {_OLD_CLIENT}."
        yield Finding(
            "FAIL", "package.awslambdaric", seen, "Remove awslambdaric from the package, or upgrade it."
        )
    elif int(major) >= _FIRST_UNKNOWN_CLIENT:
        seen = f"The package carries awslambdaric {version}, which is newer than streamify was tried with."
        cure = f"Remove awslambdaric from the package, or pin it below {_FIRST_UNKNOWN_CLIENT}."
        yield Finding("warn", "package.awslambdaric", seen, cure)


def _shadowing(package: Package) -> Iterator[Finding]:
    if package.shadowing:
        seen = f"These files hide modules of Python's standard library: {', '.join(package.shadowing)}."
        yield Finding("warn", "package.shadowing", seen, "Rename them, or move them into a package.")


def _bytecode(package: Package, runtime: str) -> Iterator[Finding]:
    version = runtime.removeprefix("python")
    if runtime.startswith("python") and package.bytecode and version not in package.bytecode:
        seen = f"The package has bytecode for Python {', '.join(package.bytecode)}; the runtime is {version}."
        yield Finding(
            "warn",
            "package.bytecode",
            seen,
            f"Build the package with Python {version}: cold starts get shorter.",
        )
