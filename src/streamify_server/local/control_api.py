"""The reads of the control plane, routed; what they say is in control_plane.py."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from . import control_plane, packages
from .ask import Ask
from .functions import Function
from .service import LambdaService

Route = Callable[[Ask], Awaitable[None]]
_FUNCTION = "/functions/([^/]+)"
_PACKAGE = "/streamify" + _FUNCTION + "/code.zip"
_QUERY_LIMIT = 65536


class ControlApi:
    """Tells what there is; LocalLambda's own methods change it."""

    def __init__(self, service: LambdaService, find: Callable[[Ask], tuple[Function, str]]) -> None:
        self._service = service
        self._find = find
        # Methods and paths are those of the botocore model; tests hold them against it.
        actions: list[tuple[str, str, Route]] = [
            ("ListFunctions", "/2015-03-31/functions/?()", self._list_functions),
            ("GetFunction", "/2015-03-31" + _FUNCTION, self._get_function),
            (
                "GetFunctionConfiguration",
                "/2015-03-31" + _FUNCTION + "/configuration",
                self._told(control_plane.configuration),
            ),
            (
                "GetFunctionConcurrency",
                "/2019-09-30" + _FUNCTION + "/concurrency",
                self._told(control_plane.concurrency),
            ),
            (
                "ListVersionsByFunction",
                "/2015-03-31" + _FUNCTION + "/versions",
                self._told(control_plane.versions),
            ),
            ("ListAliases", "/2015-03-31" + _FUNCTION + "/aliases", self._told(control_plane.aliases)),
            ("GetAlias", "/2015-03-31" + _FUNCTION + "/aliases/([^/]+)", self._get_alias),
            ("GetFunctionUrlConfig", "/2021-10-31" + _FUNCTION + "/url", self._get_url),
            ("ListFunctionUrlConfigs", "/2021-10-31" + _FUNCTION + "/urls", self._list_urls),
            ("ListTags", "/2017-03-31/tags/([^/]+)", self._told(control_plane.tags)),
            ("GetPolicy", "/2015-03-31" + _FUNCTION + "/policy", self._get_policy),
            (
                "GetRuntimeManagementConfig",
                "/2021-07-20" + _FUNCTION + "/runtime-management-config",
                self._told(control_plane.runtime_management),
            ),
        ]
        self.routes: list[tuple[str, str, Route]] = [
            *(("GET", path, self._permitted(action, route)) for action, path, route in actions),
            ("GET", _PACKAGE, self._get_package),
            ("POST", "/()", self._query),
        ]

    def _permitted(self, action: str, route: Route) -> Route:
        async def permitted(ask: Ask) -> None:
            if f"lambda:{action}" in self._service.denied:
                raise control_plane.access_denied(self._service.account, f"lambda:{action}")
            await route(ask)

        return permitted

    def _told(self, tell: Callable[[Function], dict[str, Any]]) -> Route:
        async def route(ask: Ask) -> None:
            await _respond_json(ask, tell(self._find(ask)[0]))

        return route

    async def _list_functions(self, ask: Ask) -> None:
        functions = sorted(self._service.functions.values(), key=lambda function: function.name)
        await _respond_json(ask, control_plane.function_list(functions, ask.query))

    async def _get_function(self, ask: Ask) -> None:
        function = self._find(ask)[0]
        location = f"{self._service.endpoint_url}/streamify/functions/{function.name}/code.zip"
        await _respond_json(ask, control_plane.function(function, location))

    async def _get_package(self, ask: Ask) -> None:
        package = await asyncio.to_thread(packages.packed, self._find(ask)[0].code)
        await ask.respond(200, [("content-type", "application/zip")], package)

    async def _get_alias(self, ask: Ask) -> None:
        await _respond_json(ask, control_plane.alias(self._find(ask)[0], ask.part))

    async def _get_url(self, ask: Ask) -> None:
        urls = self._urls(ask)
        if not urls:
            raise control_plane.no_such_resource()
        await _respond_json(ask, urls[0])

    async def _list_urls(self, ask: Ask) -> None:
        await _respond_json(ask, {"FunctionUrlConfigs": self._urls(ask)})

    def _urls(self, ask: Ask) -> list[dict[str, Any]]:
        function = self._find(ask)[0]
        opened = self._service.function_urls(function.name)
        return [control_plane.url_config(function, url, front, created) for url, front, created in opened]

    async def _get_policy(self, ask: Ask) -> None:
        function = self._find(ask)[0]
        fronts = [front for _, front, _ in self._service.function_urls(function.name)]
        policy = control_plane.policy(function, fronts)
        if policy is None:
            raise control_plane.no_such_resource()
        await _respond_json(ask, policy)

    async def _query(self, ask: Ask) -> None:
        """AWS's query protocol: of STS, what tools ask before anything else."""
        fields = parse_qs((await ask.connection.read_body(_QUERY_LIMIT)).decode("utf-8", "replace"))
        action = fields.get("Action", [""])[0]
        known = action == "GetCallerIdentity"
        if known:
            body = control_plane.caller_identity(self._service.account, ask.request_id)
        else:
            body = control_plane.unknown_action(action, ask.request_id)
        await ask.respond(200 if known else 400, [("content-type", "text/xml")], body)


async def _respond_json(ask: Ask, body: dict[str, Any]) -> None:
    await ask.respond(200, [("content-type", "application/json")], json.dumps(body).encode())
