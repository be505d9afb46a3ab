"""The read operations that a LocalLambda answers, and can be told to deny, with their paths.

The paths are those of the botocore models; tests compare them.
"""

_FUNCTION = "/functions/([^/]+)"

LAMBDA_READS = {
    "ListFunctions": "/2015-03-31/functions/?()",
    "GetFunction": "/2015-03-31" + _FUNCTION,
    "GetFunctionConfiguration": "/2015-03-31" + _FUNCTION + "/configuration",
    "GetFunctionConcurrency": "/2019-09-30" + _FUNCTION + "/concurrency",
    "ListVersionsByFunction": "/2015-03-31" + _FUNCTION + "/versions",
    "ListAliases": "/2015-03-31" + _FUNCTION + "/aliases",
    "GetAlias": "/2015-03-31" + _FUNCTION + "/aliases/([^/]+)",
    "GetFunctionUrlConfig": "/2021-10-31" + _FUNCTION + "/url",
    "ListFunctionUrlConfigs": "/2021-10-31" + _FUNCTION + "/urls",
    "ListTags": "/2017-03-31/tags/([^/]+)",
    "GetPolicy": "/2015-03-31" + _FUNCTION + "/policy",
    "GetRuntimeManagementConfig": "/2021-07-20" + _FUNCTION + "/runtime-management-config",
}
GATEWAY_READS = {
    "GetRestApis": "/restapis()",
    "GetResources": "/restapis/([^/]+)/resources",
}
# Their names in IAM policies: API Gateway has one action for all read operations.
ACTIONS = (*(f"lambda:{name}" for name in LAMBDA_READS), "apigateway:GET")
