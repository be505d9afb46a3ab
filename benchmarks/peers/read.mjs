// Reads streams with AWS's JavaScript SDK. Each line of input is JSON (endpoint, function, view, times), and so is
// each line of output (size, cpu in seconds).
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2]);
const { InvokeWithResponseStreamCommand, LambdaClient } = require("@aws-sdk/client-lambda");
const credentials = { accessKeyId: "test", secretAccessKey: "test" };
let client;

async function read({ function: name, view }) {
  const answer = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: name, Payload: '{"prompt": "hi"}' }));
  const decoder = new TextDecoder();
  let size = 0;
  for await (const event of answer.EventStream) {
    if (!event.PayloadChunk) continue;
    const payload = event.PayloadChunk.Payload;
    size += view === "text" ? decoder.decode(payload, { stream: true }).length : payload.length;
  }
  return size;
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  client ??= new LambdaClient({ endpoint: question.endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
  const before = process.cpuUsage();
  let size = 0;
  for (let turn = 0; turn < question.times; turn++) size += await read(question);
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ size, cpu: (user + system) / 1e6 }));
}
