"""The recipes behind local Function URLs, with the real packages; `make recipes` installs these."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from streamify_server.local import LocalLambda

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"
APPS = Path(__file__).parent / "apps"

Serve = Callable[..., str]

# The suite's own environment has none of these; `make recipes` fails where one is missing.
collect_ignore_glob = [] if any(map(find_spec, ("anthropic", "mcp", "openai"))) else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("recipes")


def load(name: str) -> ModuleType:
    """Import a recipe."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def aws() -> Iterator[LocalLambda]:
    with LocalLambda() as aws:
        yield aws


@pytest.fixture
def serve(aws: LocalLambda) -> Serve:
    """Run a recipe, or an app of apps/; return the URL at which it answers, with a slash at its end."""

    def serve(name: str, handler: str = "handler", timeout: float = 8, **environment: str) -> str:
        aws.add_function(
            name,
            handler=f"{name}.{handler}",
            code=APPS if (APPS / f"{name}.py").exists() else RECIPES,
            timeout=timeout,
            memory_size=512,
            environment=environment,
        )
        return aws.function_url(name, invoke_mode="RESPONSE_STREAM")

    return serve
