export type JsonSchema = { readonly [keyword: string]: unknown };

/** TypeScript types of schemas that may refer to each other by `$id`. Knows the keywords that ours have, and refuses others' shapes. */
export function typesOf(schemas: Readonly<Record<string, JsonSchema>>): string {
  const nameOf = new Map(Object.entries(schemas).map(([name, { $id }]) => [$id, name]));
  const parts = Object.entries(schemas).map(
    ([name, schema]) => `${comment(schema['description'], '')}export type ${name} = ${objectText(schema, nameOf)};\n`,
  );
  return ['// Made by schemas/generate.ts from signal.v1.json.\n', ...parts].join('\n');
}

function objectText({ properties, required }: JsonSchema, nameOf: ReadonlyMap<unknown, string>): string {
  const lines = Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => {
    const mark = (required as string[]).includes(name) ? '' : '?';
    return `${comment(schema['description'], '  ')}  readonly ${name}${mark}: ${typeText(schema, nameOf)};\n`;
  });
  return `{\n${lines.join('')}}`;
}

function typeText(schema: JsonSchema, nameOf: ReadonlyMap<unknown, string>): string {
  const { type, $ref, enum: values, items } = schema;
  if ('const' in schema) return literal(schema['const']);
  if (Array.isArray(values)) return values.map(literal).join(' | ');
  if ($ref !== undefined && nameOf.has($ref)) return nameOf.get($ref) as string;
  if (type === 'array') return `readonly ${typeText(items as JsonSchema, nameOf)}[]`;
  if (type === 'integer') return 'number';
  if (type === 'string' || type === 'number' || type === 'boolean') return type;
  throw new Error(`no type is known for the schema ${JSON.stringify(schema)}`);
}

function literal(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

function comment(description: unknown, indent: string): string {
  return description === undefined ? '' : `${indent}/** ${description} */\n`;
}
