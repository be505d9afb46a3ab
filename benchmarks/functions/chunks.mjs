// The producer for middy: a generator wrapped in Readable.from, `count` chunks of `size` bytes each.
import { Readable } from "node:stream";
import middy from "@middy/core";
import { executionModeStreamifyResponse } from "@middy/core/StreamifyResponse";

function* chunks({ size, count }) {
  const chunk = Buffer.alloc(size);
  for (let number = 0; number < count; number++) yield chunk;
}

export const generator = middy({ executionMode: executionModeStreamifyResponse }).handler(async (event) =>
  Readable.from(chunks(event)),
);
