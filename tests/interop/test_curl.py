"""A shell script with curl is a function, as on the `provided` runtimes."""

from pathlib import Path

import pytest

from streamify_client import StreamClient
from streamify_server.local import LocalLambda

pytestmark = pytest.mark.interop

FUNCTIONS = Path(__file__).parent / "functions"


def test_a_shell_script_streams() -> None:
    with LocalLambda() as aws, StreamClient(**aws.client_kwargs) as client:
        aws.add_function("shell", command="./bootstrap", handler="any.name", code=FUNCTIONS, timeout=30)
        for number in range(2):
            lines = list(client.stream("shell", {"number": number}, verified="off").iter_lines())
            assert lines == [f'event: {{"number":{number}}}', "handler: any.name"]
