"""The Lambda API on https."""

from pathlib import Path

import httpx2
import pytest
from botocore.exceptions import SSLError

from streamify_server.local import Fault, LocalLambda
from support.local import add_steps, body_of, boto3_client, invoke, steps, stream


def test_a_client_made_with_client_kwargs_trusts_it_and_no_other_does() -> None:
    with LocalLambda(tls=True) as aws:
        add_steps(aws)
        client = boto3_client(aws)
        assert aws.endpoint_url.startswith("https://127.0.0.1:")
        assert body_of(stream(client, payload=steps(["write", "safe"], ["end"]))) == b"safe"
        client.close()
        stranger = boto3_client(aws, verify=True)
        with pytest.raises(SSLError):
            invoke(stranger)
        stranger.close()
        bundle = Path(aws.client_kwargs["verify"])
    assert not bundle.exists()


def test_a_function_url_is_on_https_too_and_can_be_reset() -> None:
    with LocalLambda(tls=True) as aws:
        add_steps(aws)
        url = aws.function_url("steps", invoke_mode="RESPONSE_STREAM")
        does = '{"steps": [["write", "text"], ["end"]], "content_type": "text/plain"}'
        import ssl

        trust = ssl.create_default_context(cafile=aws.client_kwargs["verify"])
        with httpx2.Client(verify=trust) as client:
            assert client.get(url, headers={"x-steps": does}).text == "text"
            aws.inject("steps", Fault(cut_after=2, cut="rst"), times=1)
            with pytest.raises(httpx2.TransportError):
                client.get(url, headers={"x-steps": does})
