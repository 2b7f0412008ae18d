// The JavaScript clients that people use, against a running server (FACET_URL).
import { test } from 'node:test';
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import Anthropic from '@anthropic-ai/sdk';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateObject, generateText, jsonSchema, streamText, tool } from 'ai';
import Ajv from 'ajv';
import { z } from 'zod';

const url = process.env.FACET_URL;
const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
const model = 'facet';
const sum = [{ role: 'user', content: 'What is 7 plus 5?' }];
const plain = { model, messages: sum, temperature: 0, reasoning_effort: 'none' };

const tools = [
  ['read_file', { path: { type: 'string', maxLength: 40 } }],
  ['set_light', { level: { type: 'integer', minimum: 0, maximum: 9 }, room: { enum: ['kitchen', 'hall'] } }],
  ['add', { a: { type: 'number' }, b: { type: 'number' } }],
  ['search', { words: { type: 'array', items: { enum: ['tea', 'sun', 'rain'] }, minItems: 1, maxItems: 3 } }],
].map(([name, properties]) => ({
  type: 'function',
  function: {
    name,
    description: `Calls ${name}.`,
    strict: true,
    parameters: { type: 'object', properties, required: Object.keys(properties), additionalProperties: false },
  },
}));
const ajv = new Ajv();
const valid = Object.fromEntries(tools.map(({ function: f }) => [f.name, ajv.compile(f.parameters)]));

async function metric(name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1]);
}

test('openai: chat, with usage', async () => {
  const answer = await openai.chat.completions.create(plain);
  assert.equal(answer.choices[0].message.content, '7 + 5 = 12.');
  assert.equal(answer.choices[0].finish_reason, 'stop');
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test('openai: a stream says what the whole answer says, and its usage', async () => {
  let text = '', usage;
  const stream = await openai.chat.completions.create({ ...plain, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, '7 + 5 = 12.');
  assert.ok(usage.completion_tokens > 5);
});

test('openai: thoughts are kept apart from the answer', async () => {
  const { message } = (await openai.chat.completions.create({ model, messages: sum, temperature: 0, reasoning_effort: 'high' })).choices[0];
  assert.ok(message.reasoning_content.length > 0);
  assert.equal(message.content, '7 + 5 = 12.');
});

test('openai: the same seed gives the same answers, n of them', async () => {
  const ask = () => openai.chat.completions.create({ ...plain, temperature: 1.5, n: 3, seed: 11, max_tokens: 20 });
  const texts = (answer) => answer.choices.map((choice) => choice.message.content);
  const first = texts(await ask());
  assert.equal(first.length, 3);
  assert.deepEqual(texts(await ask()), first);
});

test('openai: log probabilities', async () => {
  const answer = await openai.chat.completions.create({ ...plain, logprobs: true, top_logprobs: 3 });
  const { content } = answer.choices[0].logprobs;
  assert.equal(content.map((token) => token.token).join(''), answer.choices[0].message.content);
  for (const token of content) {
    assert.ok(token.logprob <= 0);
    assert.equal(token.top_logprobs.length, 3);
  }
});

test('openai: a tool loop', async () => {
  const messages = [{ role: 'user', content: 'Please read the file index.py.' }];
  const first = await openai.chat.completions.create({ model, messages, tools, temperature: 0 });
  assert.equal(first.choices[0].finish_reason, 'tool_calls');
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.function.name, 'read_file');
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'print(1)' });
  const second = await openai.chat.completions.create({ model, messages, tools, tool_choice: 'none', temperature: 0 });
  assert.equal(second.choices[0].message.tool_calls, undefined);
  assert.ok(second.choices[0].message.content.length > 0);
});

test('openai: forced, single and streamed calls', async () => {
  const forced = { type: 'function', function: { name: 'set_light' } };
  const stream = openai.chat.completions.stream({ ...plain, tools, tool_choice: forced, parallel_tool_calls: false });
  const { tool_calls: calls } = (await stream.finalChatCompletion()).choices[0].message;
  assert.equal(calls.length, 1);
  assert.equal(calls[0].function.name, 'set_light');
  assert.ok(valid.set_light(JSON.parse(calls[0].function.arguments)));
});

test('openai: 100 rounds of an agent with four tools, all calls valid', async () => {
  let calls = 0;
  for (let round = 0; round < 100; round += 10) {
    await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const answer = await openai.chat.completions.create({
        ...plain, messages: [{ role: 'user', content: `Round ${round + i}: do something.` }],
        temperature: 1, seed: round + i, tools, tool_choice: 'required', max_tokens: 400, parallel_tool_calls: false,
      });
      const choice = answer.choices[0];
      assert.equal(choice.finish_reason, 'tool_calls', JSON.stringify(choice));
      for (const { function: f } of choice.message.tool_calls) {
        assert.ok(valid[f.name](JSON.parse(f.arguments)), `${f.name} ${f.arguments}`);
        ++calls;
      }
    }));
  }
  assert.equal(calls, 100);
});

test('openai: a JSON schema made by zod', async () => {
  const Answer = z.object({ sum: z.number().int().min(0).max(99), sure: z.boolean() });
  const answer = await openai.chat.completions.parse({ ...plain, response_format: zodResponseFormat(Answer, 'answer') });
  assert.equal(typeof answer.choices[0].message.parsed.sum, 'number');
});

test('openai: errors name the field', async () => {
  const cases = [
    [{ temperature: 'hot' }, 'temperature'], [{ n: 0 }, 'n'], [{ messages: [] }, 'messages'],
    [{ tools, tool_choice: 'maybe' }, 'tool_choice'], [{ audio: { voice: 'x' } }, 'audio'],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { not: { type: 'object' } } } } },
      'response_format.json_schema.schema'],
  ];
  for (const [change, param] of cases) {
    await assert.rejects(openai.chat.completions.create({ ...plain, ...change }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError, String(error));
      assert.equal(error.param, param);
      return true;
    });
  }
});

test('openai: a client that leaves cancels its reply', async () => {
  const before = await metric('facet_replies_cancelled_total');
  const stream = await openai.chat.completions.create({ ...plain, grammar: 'root ::= [a-z]{20000,30000}', stream: true, max_tokens: 7000 });
  for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
  stream.controller.abort();
  for (let i = 0; i < 100 && (await metric('facet_replies_cancelled_total')) === before; ++i)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await metric('facet_replies_cancelled_total'), before + 1);
  assert.equal(await metric('facet_replies_running'), 0);
});

test('openai: models and completions', async () => {
  const models = [];
  for await (const one of openai.models.list()) models.push(one.id);
  assert.equal(models.length, 1);
  assert.equal((await openai.models.retrieve(models[0])).id, models[0]);
  const answer = await openai.completions.create({ model, prompt: 'The sum is', max_tokens: 4, temperature: 0 });
  assert.ok(answer.choices[0].text.length > 0 && answer.usage.completion_tokens <= 4);
});

test('openai: responses, whole, streamed and with a tool', async () => {
  const request = { model, input: 'What is 7 plus 5?', temperature: 0, reasoning: { effort: 'none' } };
  const answer = await openai.responses.create(request);
  assert.equal(answer.output_text, '7 + 5 = 12.');
  const stream = openai.responses.stream(request);
  assert.equal((await stream.finalResponse()).output_text, '7 + 5 = 12.');
  const called = await openai.responses.create({
    ...request, input: [{ role: 'user', content: 'Please read the file index.py.' }],
    tools: tools.map(({ function: f }) => ({ type: 'function', ...f })), tool_choice: 'required',
  });
  const call = called.output.find((item) => item.type === 'function_call');
  assert.ok(valid[call.name](JSON.parse(call.arguments)));
});

test('anthropic: a message, a stream, tokens', async () => {
  const request = { model, max_tokens: 100, temperature: 0, messages: sum };
  const answer = await anthropic.messages.create(request);
  assert.deepEqual(answer.content.map((block) => block.type), ['text']);
  assert.equal(answer.content[0].text, '7 + 5 = 12.');
  assert.equal(answer.stop_reason, 'end_turn');
  const final = await anthropic.messages.stream({ ...request, thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 2000 }).finalMessage();
  assert.deepEqual(final.content.map((block) => block.type), ['thinking', 'text']);
  assert.ok((await anthropic.messages.countTokens({ model, messages: sum })).input_tokens > 5);
  const stopped = await anthropic.messages.create({ ...request, stop_sequences: ['='] });
  assert.equal(stopped.stop_reason, 'stop_sequence');
  assert.equal(stopped.stop_sequence, '=');
});

test('anthropic: a tool loop', async () => {
  const anthropicTools = tools.map(({ function: f }) => ({ name: f.name, description: f.description, input_schema: f.parameters }));
  const messages = [{ role: 'user', content: 'Please read the file index.py.' }];
  const first = await anthropic.messages.stream({ model, max_tokens: 400, temperature: 0, messages, tools: anthropicTools, tool_choice: { type: 'any' } }).finalMessage();
  assert.equal(first.stop_reason, 'tool_use');
  const use = first.content.find((block) => block.type === 'tool_use');
  assert.ok(valid[use.name](use.input));
  messages.push({ role: 'assistant', content: first.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'print(1)' }] });
  const second = await anthropic.messages.create({ model, max_tokens: 200, temperature: 0, messages, tools: anthropicTools, tool_choice: { type: 'none' } });
  assert.equal(second.stop_reason, 'end_turn');
  await assert.rejects(anthropic.messages.create({ model, max_tokens: 0, messages }), Anthropic.BadRequestError);
});

test('ai: text, stream, tool and object', async () => {
  const ai = createOpenAICompatible({ name: 'facet', baseURL: `${url}/v1`, supportsStructuredOutputs: true })(model);
  const ask = { model: ai, prompt: 'What is 7 plus 5?', temperature: 0 };
  const answer = await generateText(ask);
  assert.equal(answer.text, '7 + 5 = 12.');
  assert.ok(answer.reasoningText.length > 0);
  let text = '';
  for await (const piece of streamText(ask).textStream) text += piece;
  assert.equal(text, '7 + 5 = 12.');
  const called = await generateText({
    ...ask, toolChoice: 'required',
    tools: { set_light: tool({ description: 'Sets the light.', inputSchema: jsonSchema(tools[1].function.parameters) }) },
  });
  assert.ok(valid.set_light(called.toolCalls[0].input));
  const { object } = await generateObject({ ...ask, schema: z.object({ sum: z.number().int().min(0).max(99) }) });
  assert.equal(typeof object.sum, 'number');
});
