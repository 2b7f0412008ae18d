// Token masks of the same grammars, here and in XGrammar.
//
// Regular expressions and JSON Schemas mean different documents in both programs (white space, other
// members, spellings), so what is compared are GBNF grammars, over a small vocabulary whose tokens
// cross the borders of everything. One difference is explained: XGrammar's mask may leave out a token
// that its own matcher takes (here: "a)" after "("); where its matcher says the same as our mask, the
// mask is at fault.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// The package calls itself an ES module, but is a script for CommonJS.
const require = createRequire(import.meta.url);
const file = require.resolve('@mlc-ai/web-xgrammar');
const xgrammar = {};
new Function('exports', 'module', 'require', '__dirname', '__filename', readFileSync(file, 'utf8'))(
  xgrammar, {}, require, path.dirname(file), file);
const { GrammarCompiler, GrammarMatcher, TokenizerInfo, Grammar } = xgrammar;

const VOCABULARY = ['a', 'b', 'c', 'x', '"', '\\', ',', ':', '{', '}', '[', ']', '(', ')', '1', '2', '.', '-', ' ', '\n',
  'ab', 'abc', 'aa', 'aaaa', '"a', 'a"', '","', '"}', '{"', 'é', 'éa', '12', '123', '-1', '0', '0.5', 'true', 'false',
  '[[', ']]', '],[', '  ', '1]', '\\"', '\\\\', '日本', '本"', '))', 'a)', '(a', '+', '1+', '+1', '1.', '"a":', '":1', 'null}', 'null'];

const GRAMMARS = [
  ['root ::= "a"* "b"', ['', 'a', 'aaa', 'ab']],
  ['root ::= [^"]{2,6} "\\""', ['', 'a', 'ab', 'éé', 'aaaaa', 'aaaaaa']],
  ['root ::= "(" root ")" | "a" | "[" (root ("," root)*)? "]"', ['', '(', '((', '[a', '([', '[[a],', '(a']],
  ['root ::= string ("," string)*\nstring ::= "\\"" ([^"\\\\] | "\\\\" ["\\\\])* "\\""', ['', '"', '"a', '"a\\', '"a",', '"é本']],
  ['root ::= ("a" | "aa"){3,7} "b"?', ['', 'a', 'aaaa', 'aaaaaaaaaaaaaa', 'aaab']],
  ['root ::= term ("+" term)*\nterm ::= "(" root ")" | "-"? [0-9]+ ("." [0-9]+)?', ['', '1', '1+', '(1', '((-1.5)+', '1.', '(1+1)']],
  ['root ::= object\nobject ::= "{" (pair ("," pair)*)? "}"\npair ::= string ":" value\nstring ::= "\\"" [^"\\\\\\n]* "\\""\n' +
   'value ::= object | string | number | "true" | "false" | "null" | "[" (value ("," value)*)? "]"\nnumber ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)?',
  ['', '{', '{"', '{"a', '{"a":', '{"a":1', '{"a":-', '{"a":[', '{"a":[1,[2', '{"a":{"b":tru', '{"a":null', '{}']],
];

export async function masksDiffer(run) {
  const answers = run(GRAMMARS.map(([gbnf, prefixes]) => ({ gbnf, prefixes, vocabulary: VOCABULARY, count: 0 })));
  const stop = VOCABULARY.length;
  const info = await TokenizerInfo.createTokenizerInfo([...VOCABULARY, '</s>'], 'raw', false, stop + 1, [stop]);
  const compiler = await GrammarCompiler.createGrammarCompiler(info);
  const result = { compared: 0, explained: 0, failures: [] };
  for (const [i, [gbnf, prefixes]] of GRAMMARS.entries()) {
    if (answers[i].refused !== undefined) {
      result.failures.push(`masks of ${gbnf}: ${answers[i].refused}`);
      continue;
    }
    const compiled = await compiler.compileGrammar(await Grammar.fromEBNF(gbnf));
    for (const [p, prefix] of prefixes.entries()) {
      const matcher = await GrammarMatcher.createGrammarMatcher(compiled);
      if (prefix !== '' && !matcher._acceptString(prefix)) {
        result.failures.push(`masks of ${gbnf}: XGrammar does not take ${JSON.stringify(prefix)}`);
        continue;
      }
      const bits = await matcher.getNextTokenBitmask();
      const theirs = [...Array(stop + 1).keys()].filter((id) => (bits[id >> 5] >>> (id & 31)) & 1);
      const ours = answers[i].masks[p] ?? [];
      ++result.compared;
      const differing = [...Array(stop + 1).keys()].filter((id) => theirs.includes(id) !== ours.includes(id));
      const unexplained = [];
      for (const id of differing) {
        const again = await GrammarMatcher.createGrammarMatcher(compiled);
        const isTaken = id < stop && again._acceptString(prefix + VOCABULARY[id]);
        if (isTaken !== ours.includes(id)) unexplained.push(id);
        again.dispose();
      }
      result.explained += differing.length - unexplained.length;
      if (unexplained.length > 0) {
        const tokens = unexplained.map((id) => `${theirs.includes(id) ? 'theirs' : 'ours'} ${JSON.stringify(VOCABULARY[id] ?? 'end')}`);
        result.failures.push(`masks of ${gbnf} after ${JSON.stringify(prefix)}: only ${tokens.join(', ')}`);
      }
      matcher.dispose();
    }
  }
  return result;
}
