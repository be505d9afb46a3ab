// Reads the answer to one message as `useChat` does; prints each state of the message's text, then the error if any.
import { DefaultChatTransport, readUIMessageStream } from "ai";

const [api, text] = process.argv.slice(2);
const parts = await new DefaultChatTransport({ api }).sendMessages({
  trigger: "submit-message",
  chatId: "chat",
  messages: [{ id: "1", role: "user", parts: [{ type: "text", text }] }],
});
let failure = "The answer was cut off.";
const noted = parts.pipeThrough(
  new TransformStream({
    transform(part, controller) {
      if (part.type === "finish") failure = null;
      controller.enqueue(part);
    },
  }),
);
const texts = [];
for await (const message of readUIMessageStream({ stream: noted, onError: (error) => (failure = error.message) })) {
  texts.push(message.parts.map((part) => part.text ?? "").join(""));
}
console.log(JSON.stringify({ texts, failure }));
