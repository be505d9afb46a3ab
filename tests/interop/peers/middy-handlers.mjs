// Handlers on middy, streamed: what a team has today.
import { Readable } from "node:stream";
import middy from "@middy/core";
import { executionModeStreamifyResponse } from "@middy/core/StreamifyResponse";

const sent = () => new Promise((resolve) => setTimeout(resolve, 300));
const streamed = () => middy({ executionMode: executionModeStreamifyResponse });

export const string = streamed().handler(async (event) => `Hello ${event.name}, ` + "x".repeat(event.more ?? 0));

export const stream = streamed().handler(async (event) => Readable.from(event.chunks));

export const http = streamed().handler(async () => ({
  statusCode: 201,
  headers: { "Content-Type": "text/csv", "X-Rows": "2" },
  body: Readable.from(["a,b\n", "1,2\n", "3,4\n"]),
}));

export const early = streamed().handler(async () => {
  throw new TypeError("before the first byte");
});

export const late = streamed().handler(async () =>
  Readable.from(
    (async function* () {
      yield "some";
      yield " rows\n";
      await sent(); // or the process would take what it has not sent yet with it
      throw new TypeError("in mid-stream");
    })(),
  ),
);
