// Reads one InvokeWithResponseStream with AWS's JavaScript SDK and prints each event as a line of JSON, then the response's own fields.
import { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";

const [endpoint, command, functionName, payload] = process.argv.slice(2);
const client = new LambdaClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});
const print = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const text = (bytes) => Buffer.from(bytes).toString("utf8");

try {
  const input = { FunctionName: functionName, Payload: payload, LogType: "Tail" };
  if (command === "invoke") {
    const answer = await client.send(new InvokeCommand(input));
    print({ status: answer.StatusCode, error: answer.FunctionError ?? null, payload: text(answer.Payload) });
  } else {
    const answer = await client.send(new InvokeWithResponseStreamCommand(input));
    print({ status: answer.StatusCode, version: answer.ExecutedVersion, type: answer.ResponseStreamContentType });
    for await (const event of answer.EventStream) {
      if (event.PayloadChunk) print({ chunk: Buffer.from(event.PayloadChunk.Payload).toString("base64") });
      if (event.InvokeComplete) print({ complete: event.InvokeComplete });
    }
  }
} catch (error) {
  print({ thrown: error.name, message: error.message, status: error.$metadata?.httpStatusCode ?? null });
}
client.destroy();
