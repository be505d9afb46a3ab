"""A recipe (RECIPE) whose caller is refused once the model has been asked."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from streamify_server import HttpError

sys.path.insert(0, str(Path(__file__).parents[3] / "examples" / "recipes"))
recipe: Any = importlib.import_module(os.environ["RECIPE"])


def refuse(request: Any) -> None:
    """A quota that is spent, say."""
    raise HttpError(403, "This is not for you.")


handler = recipe.handler.after(refuse)
