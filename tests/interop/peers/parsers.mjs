// What npm's parsers make of inputs: one case a line as JSON on stdin, one result a line on stdout.
import { createInterface } from "node:readline";
import busboy from "busboy";
import mask from "json-mask";
import Negotiator from "negotiator";

const negotiate = ({ kind, header, field, available }) => {
  const headers = field === null ? {} : { [header]: field };
  return new Negotiator({ headers })[kind](available ?? undefined);
};

const form = ({ contentType, body }) =>
  new Promise((resolve) => {
    const parts = [];
    const fail = (error) => resolve({ error: String(error) });
    let parser;
    try {
      parser = busboy({ headers: { "content-type": contentType }, defParamCharset: "utf8" });
    } catch (error) {
      fail(error);
      return;
    }
    parser.on("field", (name, value) => parts.push([name, value]));
    parser.on("file", (name, stream, { filename, encoding, mimeType }) => {
      const chunks = [];
      const part = [name, { filename: filename ?? "", encoding, mimeType, content: "" }];
      parts.push(part);
      stream.on("data", (data) => chunks.push(data));
      stream.on("close", () => {
        part[1].content = Buffer.concat(chunks).toString("base64");
      });
    });
    parser.on("error", fail);
    parser.on("close", () => resolve({ parts }));
    parser.end(Buffer.from(body, "base64"));
  });

const peers = { negotiate, mask: ({ value, fields }) => mask(value, fields), form };
for await (const line of createInterface({ input: process.stdin })) {
  const { peer, ...input } = JSON.parse(line);
  console.log(JSON.stringify((await peers[peer](input)) ?? null));
}
