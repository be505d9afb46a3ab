"""The routes for the control plane's read operations; control_plane.py makes the responses."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from streamify_server.local.functions import Function
from streamify_server.local.service import LambdaService

from . import control_plane, packages, rest_apis
from .ask import Ask
from .reads import GATEWAY_READS, LAMBDA_READS

Route = Callable[[Ask], Awaitable[None]]
_PACKAGE = "/streamify/functions/([^/]+)/code.zip"
_QUERY_LIMIT = 65536


class ControlApi:
    """Answers read operations. There are no write operations: LocalLambda's methods take their place."""

    def __init__(self, service: LambdaService, find: Callable[[Ask], tuple[Function, str]]) -> None:
        self._service = service
        self._find = find
        told: dict[str, Callable[[Function], dict[str, Any]]] = {
            "GetFunctionConfiguration": control_plane.configuration,
            "GetFunctionConcurrency": control_plane.concurrency,
            "ListVersionsByFunction": control_plane.versions,
            "ListAliases": control_plane.aliases,
            "ListTags": control_plane.tags,
            "GetRuntimeManagementConfig": control_plane.runtime_management,
        }
        routes: dict[str, Route] = {
            **{name: self._told(tell) for name, tell in told.items()},
            "ListFunctions": self._list_functions,
            "GetFunction": self._get_function,
            "GetAlias": self._get_alias,
            "GetFunctionUrlConfig": self._get_url,
            "ListFunctionUrlConfigs": self._list_urls,
            "GetPolicy": self._get_policy,
            "GetRestApis": self._get_rest_apis,
            "GetResources": self._get_resources,
        }
        reads = [(f"lambda:{name}", path, routes[name]) for name, path in LAMBDA_READS.items()]
        reads += [("apigateway:GET", path, routes[name]) for name, path in GATEWAY_READS.items()]
        self.routes: list[tuple[str, str, Route]] = [
            *(("GET", path, self._permitted(action, route)) for action, path, route in reads),
            ("GET", _PACKAGE, self._get_package),
            ("POST", "/()", self._query),
        ]

    def _permitted(self, action: str, route: Route) -> Route:
        async def permitted(ask: Ask) -> None:
            if action in self._service.denied:
                raise control_plane.access_denied(self._service.account, action)
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
        opened = self._service.fronts_of(function)
        return [control_plane.url_config(function, each) for each in opened if each.front.api == "url"]

    async def _get_policy(self, ask: Ask) -> None:
        function = self._find(ask)[0]
        policy = control_plane.policy(function, self._service.fronts_of(function))
        if policy is None:
            raise control_plane.no_such_resource()
        await _respond_json(ask, policy)

    async def _get_rest_apis(self, ask: Ask) -> None:
        apis = [each for each in self._service.fronts if each.front.api == "rest"]
        await _respond_json(ask, {"item": [rest_apis.rest_api(each) for each in apis]})

    async def _get_resources(self, ask: Ask) -> None:
        apis = [each for each in self._service.fronts if each.front.api == "rest" and each.id == ask.name]
        if not apis:
            raise rest_apis.no_such_api(ask.name)
        function = self._service.functions[apis[0].front.function]
        await _respond_json(ask, {"item": rest_apis.resources(apis[0], function.arn)})

    async def _query(self, ask: Ask) -> None:
        """Answer AWS's query protocol: only GetCallerIdentity of STS, which many tools call first."""
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
