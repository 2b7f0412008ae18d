// Schemas to try: the same ones on every run.

// A small generator of random numbers (mulberry32).
function generator(seed) {
  let state = (seed * 2654435761 + 1) >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

const PATTERNS = ['^[a-z]+$', 'foo', '^\\d{3}-\\d{4}$', '[A-Z]{2,}', '^(red|green|blue)$', '^a|b$', '\\w+@\\w+', '"', '^[^\\n"\\\\]*$', '(^a|z)(b|$)', '^.{2,6}$', '\\u00e9|\\t'];
const FORMATS = ['date', 'time', 'date-time', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid', 'uri', 'json-pointer', 'byte'];
const NAMES = ['a', 'b', 'id', 'name', 'value', 'Ünïcode', 'with "quote"', 'x-1', 'line\nbreak', '', 'items'];

function string(random) {
  const schema = { type: 'string' };
  const kind = random(6);
  if (kind === 0) schema.pattern = PATTERNS[random(PATTERNS.length)];
  if (kind === 1) schema.format = FORMATS[random(FORMATS.length)];
  if (kind === 2 || random(4) === 0) schema.minLength = random(5);
  if (kind === 3 || random(4) === 0) schema.maxLength = (schema.minLength ?? 0) + random(30);
  return schema;
}

function number(random) {
  const schema = { type: random(2) ? 'integer' : 'number' };
  const bound = () => [random(2000) - 1000, (random(20000) - 10000) / 100, random(10) - 5, random(1000000) * 1000][random(4)];
  const low = bound();
  const high = low + [0, 1, 10.5, 12345, 0.25][random(5)];
  if (random(2)) schema[random(3) ? 'minimum' : 'exclusiveMinimum'] = low;
  if (random(2)) schema[random(3) ? 'maximum' : 'exclusiveMaximum'] = high;
  if (random(5) === 0) schema.multipleOf = [1, 2, 5, 7, 100, 0.5][random(6)];
  return schema;
}

function array(random, depth) {
  const schema = { type: 'array' };
  if (random(4)) schema.items = any(random, depth - 1);
  if (random(4) === 0) schema.prefixItems = [any(random, depth - 1), any(random, depth - 1)];
  if (random(3) === 0) schema.minItems = random(3);
  if (random(3) === 0) schema.maxItems = (schema.minItems ?? 0) + random(3);
  if (random(8) === 0) { schema.uniqueItems = true; schema.items = { enum: [1, 'a', null, [1]] }; delete schema.prefixItems; }
  return schema;
}

function object(random, depth) {
  const schema = { type: 'object', properties: {} };
  for (let i = random(5); i > 0; --i) schema.properties[NAMES[random(NAMES.length)]] = any(random, depth - 1);
  schema.required = Object.keys(schema.properties).filter(() => random(2));
  if (random(6) === 0) schema.required.push('undeclared');
  if (random(2)) schema.additionalProperties = [true, false, any(random, depth - 1)][random(3)];
  if (random(6) === 0) schema.patternProperties = { '^x-': any(random, depth - 1) };
  if (random(6) === 0) schema.patternProperties = { ...schema.patternProperties, '\\d$': any(random, depth - 1) };
  if (random(6) === 0) schema.minProperties = random(3);
  if (random(6) === 0) schema.maxProperties = (schema.minProperties ?? 0) + schema.required.length + random(2);
  return schema;
}

function any(random, depth) {
  if (depth <= 0) return [string, number][random(2)](random);
  switch (random(12)) {
    case 0: return { enum: ['x', 'xy', 1, 2.5, null, true, { k: [1, {}] }, 'é"\n'].slice(0, 1 + random(8)) };
    case 1: return { const: [0, 'c', { a: 1 }, [], -1.5e3][random(5)] };
    case 2: return { anyOf: [any(random, depth - 1), any(random, depth - 1)] };
    case 3: return { oneOf: [string(random), number(random), { type: ['null', 'boolean'] }] };
    case 4: return { allOf: [object(random, depth), object(random, depth)] };
    case 5: return { type: ['string', 'null', 'integer'], minimum: random(10), maxLength: 5 };
    case 6: case 7: return array(random, depth);
    case 8: case 9: return object(random, depth);
    case 10: return number(random);
    default: return string(random);
  }
}

export function randomSchema(seed) {
  return any(generator(seed), 3);
}

export const handMade = [
  true, {}, { type: 'object' }, { type: 'array' }, { type: ['integer', 'null'] }, { nullable: true, type: 'string' },
  { $defs: { node: { type: 'object', properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } }, required: ['value'], additionalProperties: false } }, $ref: '#/$defs/node' },
  { definitions: { a: { type: 'string' } }, anyOf: [{ $ref: '#/definitions/a' }, { type: 'array', items: { $ref: '#' } }] },
  { type: 'object', properties: { kind: { const: 'circle' }, r: { type: 'number', exclusiveMinimum: 0 } }, required: ['kind', 'r'], additionalProperties: false },
  { oneOf: [{ type: 'object', properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['kind'] }, { type: 'object', properties: { kind: { const: 'b' }, y: { type: 'string' } }, required: ['kind'] }] },
  { oneOf: [{ type: 'object', properties: { a: true }, required: ['a'], additionalProperties: false }, { type: 'object', properties: { b: true }, required: ['b'], additionalProperties: false }] },
  { oneOf: [{ type: 'integer', maximum: 5 }, { type: 'integer', minimum: 6 }] },
  { oneOf: [{ type: 'integer' }, { type: 'number' }] },

  { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
  { not: { type: 'string' } }, { if: {}, then: { type: 'string' } }, { contains: { type: 'string' } },
  { type: 'string', format: 'unheard-of' }, { type: 'string', pattern: '(?=a)b' },
  { type: 'integer', minimum: -9007199254740993, maximum: 12345678901234567890 },
  { type: 'number', minimum: 0, maximum: 1 }, { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1e-9 },
  { type: 'number', minimum: -2.5, maximum: -2.25 }, { type: 'number', minimum: 1e20 }, { type: 'integer', exclusiveMinimum: 0.5, maximum: 1.5 },
  { type: 'integer', multipleOf: 7, minimum: -100, maximum: 100 }, { type: 'integer', multipleOf: 1000 },
  { type: 'string', minLength: 3, maxLength: 3 }, { type: 'string', maxLength: 0 }, { type: 'string', pattern: '^\\S+$', minLength: 2, maxLength: 9 },
  { type: 'string', format: 'date', pattern: '^2' }, { type: 'object', maxProperties: 2 }, { type: 'object', minProperties: 1, additionalProperties: { type: 'integer' } },
  { type: 'object', properties: { a: {}, b: {}, c: {} }, minProperties: 2, maxProperties: 2, additionalProperties: false },
  { type: 'object', properties: { a: { type: 'integer' }, ab: { type: 'string' } }, additionalProperties: { type: 'null' } },
  { properties: { a: { type: 'integer' } } }, { required: ['z'] }, { items: { type: 'integer' } }, { minLength: 2 },
  { allOf: [{ properties: { a: { type: 'integer' } }, required: ['a'] }, { properties: { b: { type: 'string' }, a: { minimum: 3 } }, required: ['b'] }] },
  { allOf: [{ enum: [1, 2, 3] }, { enum: [2, 3, 4] }, { minimum: 3 }] }, { const: { b: 1, a: [true, null, 'x'] } },
  { type: 'array', prefixItems: [{ type: 'integer' }, { type: 'string' }], items: false, minItems: 2 },
  { type: 'array', uniqueItems: true, items: { enum: ['a', 'b', 'c'] }, minItems: 2 },
  { type: 'object', propertyNames: { pattern: '^a' } }, { dependentRequired: { a: ['b'] } }, { type: 'array', uniqueItems: true },
];
