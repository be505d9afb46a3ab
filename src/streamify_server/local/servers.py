"""The servers of a LocalLambda: the Lambda API, Function URLs and REST APIs, inspectors."""

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from .fronts.front import Front, OpenFront
from .fronts.http_events import Endpoint
from .fronts.http_front import HttpFront
from .functions import timestamp
from .http.connection import Handler
from .http.listener import Guard, Listener
from .http.request import Request, refused
from .http.tls import LocalAuthority
from .lambda_api.api import LambdaApi
from .service import LambdaService

if TYPE_CHECKING:
    from streamify_server.local.inspector.server import Inspector


class Servers:
    """A service and its listening sockets."""

    def __init__(
        self, service: LambdaService, *, authority: LocalAuthority | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.service = service
        self._authority = authority
        self._host = host
        self.api: Listener = self._listener(LambdaApi(service))
        self._fronts: list[Listener] = []
        self._inspectors: list[Inspector] = []

    async def open(self, port: int) -> None:
        """Open the port of the Lambda API.

        Raises:
            OSError: The port is taken.
        """
        await self.api.open(port)
        self.service.endpoint_url = f"{self.api.scheme}://{self.api.address}"

    async def close(self) -> None:
        """Close all connections, then end all processes."""
        await asyncio.gather(*(listener.close() for listener in (self.api, *self._fronts)))
        await asyncio.gather(*(inspector.close() for inspector in self._inspectors))
        await self.service.close()

    def _listener(self, handler: Handler, guard: Guard = refused) -> Listener:
        tls = self._authority.context if self._authority else None
        full = self.service.end_idle
        return Listener(handler, guard=guard, tls=tls, host=self._host, on_full=full)

    @property
    def serving(self) -> list[Request]:
        """The requests whose responses are unfinished and whose callers are still connected."""
        return [request for listener in (self.api, *self._fronts) for request in listener.serving]

    @property
    def answered(self) -> dict[int, Request]:
        """The last requests whose responses were sent completely, by the port of the caller."""
        return {
            port: request
            for listener in (self.api, *self._fronts)
            for port, request in listener.answered.items()
        }

    @property
    def ports(self) -> set[int]:
        """The ports that callers connect to."""
        return {listener.port for listener in (self.api, *self._fronts)}

    async def open_inspector(self, port: int, payloads: bool) -> str:
        """Serve the stream inspector and return its URL."""
        from streamify_server.local.inspector.server import Inspector

        about = {"region": self.service.region, "endpoint": self.service.endpoint_url}
        inspector = Inspector(payloads=payloads, about=about, replay=self.service.replay, host=self._host)
        await inspector.open(port)
        self._inspectors.append(inspector)
        self.service.subscribe(inspector.observe)
        return inspector.url

    async def open_front(self, front: Front, port: int) -> str:
        """Open a Function URL or REST API for a function and return its URL."""
        service, identity = self.service, uuid.uuid4().hex
        suffix = "execute-api" if front.api == "rest" else "lambda-url"
        tld = "amazonaws.com" if front.api == "rest" else "on.aws"
        endpoint = Endpoint(
            id=identity,
            account=service.account,
            domain=f"{identity}.{suffix}.{service.region}.{tld}",
            stage="local" if front.api == "rest" else "$default",
            scheme=self.api.scheme,
        )
        handler = HttpFront(service, front, endpoint)
        listener = self._listener(handler, handler.guard)
        await listener.open(port)
        handler.endpoint = replace(endpoint, port=listener.port)
        self._fronts.append(listener)
        url = f"{listener.scheme}://{listener.address}/"
        service.fronts.append(OpenFront(front, identity, url, timestamp()))
        return url
