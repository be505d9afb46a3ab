"""A recipe (RECIPE) with a model that refuses, stalls, gives up or dies (MODEL_DOES) after its first word."""

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "recipes"))
recipe: Any = importlib.import_module(os.environ["RECIPE"])


async def answer(*_: Any) -> AsyncIterator[str]:
    """In place of the recipe's model."""
    does = os.environ["MODEL_DOES"]
    if does == "refuse":
        raise PermissionError("401: no key")
    yield "begun "
    if does == "stall":
        await asyncio.sleep(3600)
    if does == "die":
        os._exit(1)
    raise RuntimeError("the model gave up")


assert hasattr(recipe, "answer")
recipe.answer = answer
handler = recipe.handler
