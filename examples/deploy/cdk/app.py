"""A Function URL and a REST API that stream, in AWS's CDK. Run make layer, then: cdk deploy

The REST API's users are those of a Cognito user pool: cdk deploy -c user_pool_arn=arn:aws:cognito-idp:...
"""

from pathlib import Path

from aws_cdk import App, CfnOutput, Duration, Stack, aws_apigateway, aws_cognito, aws_iam, aws_lambda
from constructs import Construct

HERE = Path(__file__).parent
LAYER = HERE.parents[2] / "build" / "streamify-layer.zip"


class Streaming(Stack):  # type: ignore[misc]
    """One function behind a Function URL and a REST API."""

    def __init__(self, scope: Construct, name: str, *, layer: str, user_pool_arn: str) -> None:
        super().__init__(scope, name)
        self.report = self._function(layer)
        self._function_url()
        self._rest_api(user_pool_arn)

    def _function(self, layer: str) -> aws_lambda.Function:
        runtime = aws_lambda.Runtime.PYTHON_3_13
        streamify = aws_lambda.LayerVersion(
            self, "Streamify", code=aws_lambda.Code.from_asset(layer), compatible_runtimes=[runtime]
        )
        return aws_lambda.Function(
            self,
            "Report",
            code=aws_lambda.Code.from_asset(str(HERE / "function")),
            handler="app.handler",
            runtime=runtime,
            architecture=aws_lambda.Architecture.ARM_64,
            memory_size=512,
            timeout=Duration.seconds(60),
            layers=[streamify],
        )

    def _function_url(self) -> None:
        url = self.report.add_function_url(
            auth_type=aws_lambda.FunctionUrlAuthType.AWS_IAM,
            invoke_mode=aws_lambda.InvokeMode.RESPONSE_STREAM,
        )
        # Attach this to the callers. A URL created since October 2025 requires both actions.
        callers = aws_iam.ManagedPolicy(
            self,
            "CallReport",
            statements=[
                aws_iam.PolicyStatement(
                    actions=["lambda:InvokeFunctionUrl"],
                    resources=[self.report.function_arn],
                    conditions={"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}},
                ),
                aws_iam.PolicyStatement(
                    actions=["lambda:InvokeFunction"],
                    resources=[self.report.function_arn],
                    conditions={"Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
                ),
            ],
        )
        CfnOutput(self, "Url", value=url.url)
        CfnOutput(self, "CallerPolicy", value=callers.managed_policy_arn)

    def _rest_api(self, user_pool_arn: str) -> None:
        pool = aws_cognito.UserPool.from_user_pool_arn(self, "Users", user_pool_arn)
        api = aws_apigateway.RestApi(
            self,
            "Api",
            # A stream may be idle for five minutes; behind an edge-optimized endpoint, for thirty seconds.
            endpoint_types=[aws_apigateway.EndpointType.REGIONAL],
            deploy_options=aws_apigateway.StageOptions(
                stage_name="v1", throttling_rate_limit=10, throttling_burst_limit=20
            ),
            cloud_watch_role=False,
        )
        api.root.add_resource("report").add_method(
            "GET",
            aws_apigateway.LambdaIntegration(
                self.report,
                response_transfer_mode=aws_apigateway.ResponseTransferMode.STREAM,
                allow_test_invoke=False,
                timeout=Duration.seconds(60),
            ),
            authorizer=aws_apigateway.CognitoUserPoolsAuthorizer(
                self, "Authorizer", cognito_user_pools=[pool]
            ),
        )


if __name__ == "__main__":
    app = App()
    Streaming(
        app,
        "StreamifyExample",
        layer=app.node.try_get_context("layer") or str(LAYER),
        user_pool_arn=app.node.get_context("user_pool_arn"),
    )
    app.synth()
