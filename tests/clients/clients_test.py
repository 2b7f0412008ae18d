"""The official Python clients, against a running server (FACET_URL)."""
import json
import os
import unittest

import anthropic
import openai

URL = os.environ["FACET_URL"]
CLIENT = openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
CLAUDE = anthropic.Anthropic(base_url=URL, api_key="none", max_retries=0)
SUM = [{"role": "user", "content": "What is 7 plus 5?"}]
PLAIN = {"model": "facet", "messages": SUM, "temperature": 0, "reasoning_effort": "none"}
SCHEMA = {
    "type": "object",
    "properties": {"level": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["level"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "set_light", "strict": True, "parameters": SCHEMA}}]


class OpenAi(unittest.TestCase):
    def test_chat_and_stream_say_the_same(self):
        whole = CLIENT.chat.completions.create(**PLAIN).choices[0].message.content
        stream = CLIENT.chat.completions.create(**PLAIN, stream=True)
        pieces = [c.choices[0].delta.content or "" for c in stream if c.choices]
        self.assertEqual(whole, "7 + 5 = 12.")
        self.assertEqual("".join(pieces), whole)

    def test_a_required_call_is_valid(self):
        answer = CLIENT.chat.completions.create(**PLAIN, tools=TOOLS, tool_choice="required")
        self.assertGreater(len(answer.choices[0].message.tool_calls), 0)
        for call in answer.choices[0].message.tool_calls:
            self.assertIn(json.loads(call.function.arguments)["level"], range(10))

    def test_a_schema_is_kept(self):
        form = {"type": "json_schema", "json_schema": {"name": "light", "schema": SCHEMA, "strict": True}}
        answer = CLIENT.chat.completions.create(**PLAIN, response_format=form)
        self.assertIn(json.loads(answer.choices[0].message.content)["level"], range(10))

    def test_log_probabilities(self):
        answer = CLIENT.chat.completions.create(**PLAIN, logprobs=True, top_logprobs=2)
        tokens = answer.choices[0].logprobs.content
        self.assertGreater(len(tokens), 5)
        self.assertTrue(all(t.logprob <= 0 for t in tokens))

    def test_errors_are_typed(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            CLIENT.chat.completions.create(**{**PLAIN, "temperature": -1})
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.NotFoundError):
            CLIENT.models.retrieve("another")

    def test_responses(self):
        answer = CLIENT.responses.create(model="facet", input="What is 7 plus 5?", temperature=0,
                                         reasoning={"effort": "none"})
        self.assertEqual(answer.output_text, "7 + 5 = 12.")


class Claude(unittest.TestCase):
    def test_message_and_stream_say_the_same(self):
        request = {"model": "facet", "max_tokens": 100, "messages": SUM,
                   "extra_body": {"temperature": 0}}
        whole = CLAUDE.messages.create(**request).content[0].text
        with CLAUDE.messages.stream(**request) as stream:
            self.assertEqual("".join(stream.text_stream), whole)
        self.assertEqual(whole, "7 + 5 = 12.")

    def test_a_named_tool_is_used(self):
        answer = CLAUDE.messages.create(
            model="facet", max_tokens=200, messages=SUM, extra_body={"temperature": 0},
            tools=[{"name": "set_light", "input_schema": SCHEMA}],
            tool_choice={"type": "tool", "name": "set_light"})
        self.assertEqual(answer.stop_reason, "tool_use")
        self.assertIn(answer.content[-1].input["level"], range(10))

    def test_errors_are_typed(self):
        with self.assertRaises(anthropic.BadRequestError):
            CLAUDE.messages.create(model="facet", max_tokens=0, messages=SUM)


if __name__ == "__main__":
    unittest.main()
