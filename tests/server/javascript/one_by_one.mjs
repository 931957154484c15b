// The stock server provider: each flag of the cases on standard input is asked for by itself.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { readFileSync } from 'node:fs';

const { baseUrl, key, context, cases } = JSON.parse(readFileSync(0, 'utf8'));
const headers = key ? [['X-API-Key', key]] : [];
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
const client = OpenFeature.getClient();

const answers = [];
for (const { flag, type, fallback } of cases) {
  answers.push(await client[`get${type}Details`](flag, fallback, context));
}
console.log(JSON.stringify(answers));
