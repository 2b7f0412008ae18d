// Compares the grammars that Facet makes of JSON Schemas with other implementations:
//
//   - documents (random walks through the token masks) of schemas that were not refused must be valid
//     for ajv;
//   - instances that the JSON Schema test suite calls invalid must not be accepted; the share of the
//     valid ones that are accepted is printed;
//   - masks must equal those of XGrammar for a few grammars.
//
// Usage: node check.mjs PROGRAM   (grammar_documents; `make schema-check` does all of it)
// FACET_SCHEMA_SUITE may name the folder tests/ of a checkout of JSON-Schema-Test-Suite, whose draft
// 7 and 2020-12 are then looked at too.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { masksDiffer } from './masks.mjs';
import { handMade, randomSchema } from './schemas.mjs';

const require = createRequire(import.meta.url);
const Ajv2020 = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;

const program = process.argv[2];
const RANDOM_SCHEMAS = 700;
const DOCUMENTS = 4;

// A schema with instances of known validity.
function suiteCases() {
  const cases = [];
  const root = path.dirname(require.resolve('json-schema-test-suite'));
  const folders = [['draft4', path.join(root, 'tests', 'draft4')]];
  const more = process.env.FACET_SCHEMA_SUITE;
  if (more) for (const draft of ['draft7', 'draft2020-12']) folders.push([draft, path.join(more, draft)]);
  for (const [draft, folder] of folders) {
    if (!existsSync(folder)) throw new Error(`no folder ${folder}`);
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      for (const group of JSON.parse(readFileSync(path.join(folder, file), 'utf8'))) {
        cases.push({ from: `${draft}/${file}: ${group.description}`, schema: group.schema, tests: group.tests });
      }
    }
  }
  return cases;
}

function validator(schema) {
  try {
    const ajv = new Ajv2020({ strict: false, validateFormats: true, logger: false, ownProperties: true });
    addFormats(ajv);
    return ajv.compile(typeof schema === 'object' ? { ...schema, $schema: undefined } : schema);
  } catch {
    return null;
  }
}

function run(requests) {
  const input = requests.map((request) => JSON.stringify(request)).join('\n') + '\n';
  const result = spawnSync(program, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`${program} failed: ${result.signal ?? result.status} ${result.stderr}`);
  return result.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

const cases = [
  ...suiteCases(),
  ...handMade.map((schema, i) => ({ from: `hand-made ${i}`, schema, tests: [] })),
  ...Array.from({ length: RANDOM_SCHEMAS }, (_, i) => ({ from: `random ${i}`, schema: randomSchema(i), tests: [] })),
];
const answers = run(cases.map(({ schema, tests }, i) => ({
  schema, seed: i, count: DOCUMENTS, accept: tests.map((test) => JSON.stringify(test.data)),
})));

const counts = { refused: 0, unchecked: 0, schemas: 0, documents: 0, unfinished: 0, empty: 0, valid: 0, accepted: 0, invalid: 0 };
const reasons = new Map();
const failures = [];
cases.forEach(({ from, schema, tests }, i) => {
  const answer = answers[i];
  if (answer.refused !== undefined) {
    ++counts.refused;
    const reason = answer.refused.replace(/^json schema, [^:]*: /, '').slice(0, 60);
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    if (from.startsWith('random') && !/^json schema/.test(answer.refused)) failures.push(`${from}: ${answer.refused}`);
    return;
  }
  tests.forEach((test, t) => {
    if (test.valid) {
      ++counts.valid;
      counts.accepted += answer.accepts[t] ? 1 : 0;
    } else {
      ++counts.invalid;
      if (answer.accepts[t]) failures.push(`${from}: accepts the invalid ${JSON.stringify(test.data)} (${test.description})`);
    }
  });
  const validate = validator(schema);
  if (validate === null) {
    ++counts.unchecked;
    return;
  }
  ++counts.schemas;
  counts.unfinished += answer.unfinished;
  if (answer.documents.length === 0) ++counts.empty;
  for (const text of answer.documents) {
    ++counts.documents;
    let value;
    try {
      value = JSON.parse(text);
    } catch (error) {
      failures.push(`${from}: not JSON: ${text} ${JSON.stringify(schema)}`);
      continue;
    }
    if (!validate(value)) failures.push(`${from}: ajv refuses ${text}: ${JSON.stringify(validate.errors)} ${JSON.stringify(schema)}`);
  }
});

const masks = await masksDiffer(run);
failures.push(...masks.failures);

console.log(`${cases.length} schemas: ${counts.refused} refused by keyword, ${counts.schemas} checked with ajv, ` +
  `${counts.unchecked} that ajv does not compile`);
console.log(`${counts.documents} documents (${counts.unfinished} walks without end, ${counts.empty} schemas without a document)`);
console.log(`test suite: ${counts.accepted} of ${counts.valid} valid instances accepted, ${counts.invalid} invalid ones looked at`);
console.log(`masks: ${masks.compared} compared with XGrammar, ${masks.explained} tokens differ as masks.mjs explains`);
for (const [reason, count] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, process.env.VERBOSE ? 100 : 8)) {
  console.log(`  refused ${count}: ${reason}`);
}
for (const failure of failures.slice(0, 40)) console.log(`FAILED ${failure.slice(0, 600)}`);
const checks = counts.documents + counts.invalid + masks.compared;
console.log(`${checks - failures.length} passed, ${failures.length} failed`);
if (failures.length > 0 || counts.schemas < 500) process.exit(1);
