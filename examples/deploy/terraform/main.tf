# A Function URL and a REST API that stream, in Terraform.
# Run make layer, then: terraform init && terraform apply -var user_pool_arn=arn:aws:cognito-idp:...

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.27" # response_transfer_mode
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
  }
}

variable "user_pool_arn" {
  type        = string
  description = "The Cognito user pool whose users may call the REST API"
}

data "aws_region" "current" {}

# The function.

data "archive_file" "report" {
  type        = "zip"
  source_file = "${path.module}/../function_url/app.py"
  output_path = "${path.module}/report.zip"
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "report" {
  name_prefix        = "streamify-report-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_cloudwatch_log_group" "report" {
  name              = "/aws/lambda/streamify-report"
  retention_in_days = 14
}

data "aws_iam_policy_document" "log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.report.arn}:*"]
  }
}

resource "aws_iam_role_policy" "log" {
  role   = aws_iam_role.report.name
  policy = data.aws_iam_policy_document.log.json
}

resource "aws_lambda_layer_version" "streamify" {
  layer_name          = "streamify"
  filename            = "${path.module}/../../../build/streamify-layer.zip"
  source_code_hash    = filebase64sha256("${path.module}/../../../build/streamify-layer.zip")
  compatible_runtimes = ["python3.13"]
}

resource "aws_lambda_function" "report" {
  function_name    = "streamify-report"
  role             = aws_iam_role.report.arn
  filename         = data.archive_file.report.output_path
  source_code_hash = data.archive_file.report.output_base64sha256
  handler          = "app.handler"
  runtime          = "python3.13"
  architectures    = ["arm64"]
  memory_size      = 512
  timeout          = 60
  layers           = [aws_lambda_layer_version.streamify.arn]
  depends_on       = [aws_cloudwatch_log_group.report]
}

# The Function URL, and the permissions of its callers: a URL created since October 2025 requires both actions.

resource "aws_lambda_function_url" "report" {
  function_name      = aws_lambda_function.report.function_name
  authorization_type = "AWS_IAM"
  invoke_mode        = "RESPONSE_STREAM"
}

data "aws_iam_policy_document" "call" {
  statement {
    actions   = ["lambda:InvokeFunctionUrl"]
    resources = [aws_lambda_function.report.arn]
    condition {
      test     = "StringEquals"
      variable = "lambda:FunctionUrlAuthType"
      values   = ["AWS_IAM"]
    }
  }
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.report.arn]
    condition {
      test     = "Bool"
      variable = "lambda:InvokedViaFunctionUrl"
      values   = ["true"]
    }
  }
}

resource "aws_iam_policy" "call" {
  name_prefix = "call-streamify-report-"
  policy      = data.aws_iam_policy_document.call.json
}

# The REST API.

resource "aws_api_gateway_rest_api" "api" {
  name = "streamify-report"
  endpoint_configuration {
    types = ["REGIONAL"] # a stream may be idle for five minutes; behind an edge-optimized endpoint, for thirty seconds
  }
}

resource "aws_api_gateway_authorizer" "users" {
  name          = "users"
  type          = "COGNITO_USER_POOLS"
  rest_api_id   = aws_api_gateway_rest_api.api.id
  provider_arns = [var.user_pool_arn]
}

resource "aws_api_gateway_resource" "report" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "report"
}

resource "aws_api_gateway_method" "get" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = aws_api_gateway_resource.report.id
  http_method   = "GET"
  authorization = "COGNITO_USER_POOLS"
  authorizer_id = aws_api_gateway_authorizer.users.id
}

resource "aws_api_gateway_integration" "get" {
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = aws_api_gateway_resource.report.id
  http_method             = aws_api_gateway_method.get.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  # invoke_arn is for the buffering API, from which API Gateway refuses to stream.
  uri                    = "arn:aws:apigateway:${data.aws_region.current.region}:lambda:path/2021-11-15/functions/${aws_lambda_function.report.arn}/response-streaming-invocations"
  response_transfer_mode = "STREAM"
  timeout_milliseconds   = 60000
}

resource "aws_lambda_permission" "api" {
  function_name = aws_lambda_function.report.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/v1/GET/report"
}

resource "aws_api_gateway_deployment" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  triggers = {
    integration = sha1(jsonencode(aws_api_gateway_integration.get))
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "v1" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  deployment_id = aws_api_gateway_deployment.api.id
  stage_name    = "v1"
}

# A stream occupies the function for as long as it lasts, so limit how many callers can start.
resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  stage_name  = aws_api_gateway_stage.v1.stage_name
  method_path = "*/*"
  settings {
    throttling_rate_limit  = 10
    throttling_burst_limit = 20
  }
}

output "url" {
  value = aws_lambda_function_url.report.function_url
}

output "caller_policy" {
  value = aws_iam_policy.call.arn
}

output "api" {
  value = "${aws_api_gateway_stage.v1.invoke_url}/report"
}
