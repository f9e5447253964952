// What the official OpenAI client, LangChain's and the AI SDK make of a node's answers, each line "ok NAME" or "failed NAME: why".
// Expected texts come from plain requests with the same seed.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { AIMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { generateText, streamText } from "ai";
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, model] = process.argv.slice(2);
const hello = [{ role: "system", content: "You are kind." }, { role: "user", content: "Tell me a short story." }];
const next = { role: "user", content: "Thank you!" };
const settings = { temperature: 0.8, seed: 7, max_tokens: 24 };

async function plain(messages, others = {}) {
  const answer = await fetch(`${baseURL}/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages, ...settings, ...others }),
  });
  return (await answer.json()).choices[0].message.content;
}

const first = await plain(hello);
const second = await plain([...hello, { role: "assistant", content: first }, next]);

const cases = {
  async "openai: chat"() {
    const answer = await openai.chat.completions.create({ model, messages: hello, ...settings, logprobs: true, top_logprobs: 2 });
    assert.equal(answer.choices[0].message.content, first);
    assert.equal(answer.choices[0].logprobs.content.length, answer.usage.completion_tokens);
    assert.match(answer.system_fingerprint, /./);
    // The message as it came goes back, and so does a whole conversation.
    const more = await openai.chat.completions.create({ model, messages: [...hello, answer.choices[0].message, next], ...settings });
    assert.equal(more.choices[0].message.content, second);
  },
  async "openai: a stream of a chat"() {
    let text = "", usage = null;
    for await (const chunk of await openai.chat.completions.create({ model, messages: hello, ...settings, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta?.content ?? "";
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, first);
    assert.ok(usage.completion_tokens > 0);
  },
  async "openai: its stream helper"() {
    const stream = openai.chat.completions.stream({ model, messages: hello, ...settings });
    assert.equal(await stream.finalContent(), first);
    const more = openai.chat.completions.stream({ model, messages: [...hello, await stream.finalMessage(), next], ...settings });
    assert.equal(await more.finalContent(), second);
  },
  async "openai: completions, whole and as a stream"() {
    const asked = { model, prompt: ["Once", "Twice"], ...settings, logprobs: 1, n: 2 };
    const whole = await openai.completions.create(asked);
    const texts = ["", "", "", ""];
    for await (const chunk of await openai.completions.create({ ...asked, stream: true })) {
      texts[chunk.choices[0].index] += chunk.choices[0].text;
    }
    assert.deepEqual(texts, whole.choices.map(choice => choice.text));
    assert.equal(new Set(texts).size, 4);
  },
  async "openai: models and errors"() {
    assert.deepEqual((await openai.models.list()).data.map(one => one.id), [model]);
    assert.equal((await openai.models.retrieve(model)).id, model);
    await assert.rejects(openai.chat.completions.create({ model, messages: hello, temperature: 3 }), error =>
      error instanceof OpenAI.BadRequestError && error.param === "temperature" && error.code === "invalid_value");
    await assert.rejects(openai.chat.completions.create({ model: "none", messages: hello }), error => error instanceof OpenAI.NotFoundError);
  },
  async "langchain: a chat that goes on"() {
    const messages = [new SystemMessage(hello[0].content), new HumanMessage(hello[1].content)];
    const answer = await langchain.invoke(messages);
    assert.equal(answer.content, first);
    assert.ok(answer.usage_metadata.output_tokens > 0);
    assert.equal((await langchain.invoke([...messages, answer, new HumanMessage(next.content)])).content, second);
    assert.equal((await langchain.invoke([...messages, new AIMessage(first), new HumanMessage(next.content)])).content, second);
  },
  async "langchain: a stream"() {
    const messages = [new SystemMessage(hello[0].content), new HumanMessage(hello[1].content)];
    let whole;
    for await (const chunk of await langchain.stream(messages)) {
      whole = whole ? whole.concat(chunk) : chunk;
    }
    assert.equal(whole.content, first);
    assert.equal((await langchain.invoke([...messages, whole, new HumanMessage(next.content)])).content, second);
  },
  async "ai sdk: a chat that goes on"() {
    const answer = await generateText({ model: sdk(model), allowSystemInMessages: true, messages: hello, temperature: 0.8, seed: 7, maxOutputTokens: 24 });
    assert.equal(answer.text, first);
    assert.ok(answer.usage.outputTokens > 0);
    const more = await generateText({ model: sdk(model), allowSystemInMessages: true, messages: [...hello, ...answer.response.messages, next], temperature: 0.8, seed: 7, maxOutputTokens: 24 });
    assert.equal(more.text, second);
  },
  async "ai sdk: a stream"() {
    const stream = streamText({ model: sdk(model), allowSystemInMessages: true, messages: hello, temperature: 0.8, seed: 7, maxOutputTokens: 24, onError: ({ error }) => { throw error; } });
    let text = "";
    for await (const part of stream.textStream) {
      text += part;
    }
    assert.equal(text, first);
    assert.ok(["length", "stop"].includes(await stream.finishReason));
    assert.ok((await stream.usage).outputTokens > 0);
  },
};

const openai = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const langchain = new ChatOpenAI({ model, apiKey: "none", temperature: 0.8, maxTokens: 24, maxRetries: 0, modelKwargs: { seed: 7 }, configuration: { baseURL } });
const sdk = createOpenAICompatible({ name: "grid", baseURL, apiKey: "none", includeUsage: true });

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`failed ${name}: ${String(error.stack ?? error).replaceAll("\n", " | ")}`);
  }
}
