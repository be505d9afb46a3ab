"""What the code of a documentation page finds around it.

Each page runs in a scratch folder that holds a copy of examples/, with a started LocalLambda under the name
`aws`. The environment points boto3 at it, so that `StreamClient()` on a page is what a user would write. A
hidden block, `<!--- invisible-code-block: python`, adds the functions that a page assumes.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from streamify_server.local import LocalLambda

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def open_page(namespace: dict[str, Any]) -> None:
    """Enter what a page needs; `close_page` leaves it."""
    around = contextlib.ExitStack()
    folder = around.enter_context(tempfile.TemporaryDirectory())
    shutil.copytree(EXAMPLES, Path(folder) / "examples")
    around.enter_context(contextlib.chdir(folder))
    aws = around.enter_context(LocalLambda())
    environment = {
        "AWS_ENDPOINT_URL_LAMBDA": aws.client_kwargs["endpoint_url"],
        "AWS_DEFAULT_REGION": aws.client_kwargs["region_name"],
        "AWS_ACCESS_KEY_ID": aws.client_kwargs["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws.client_kwargs["aws_secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    around.enter_context(mock.patch.dict(os.environ, environment))
    namespace.update(aws=aws, __around=around)


def close_page(namespace: dict[str, Any]) -> None:
    """Leave everything that `open_page` entered, in reverse."""
    around: contextlib.ExitStack = namespace.pop("__around")
    namespace.clear()
    around.close()
