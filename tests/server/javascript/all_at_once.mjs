// The stock web provider: all flags in one request, and again once the stream of changes says so.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { createInterface } from 'node:readline';

// What a browser has, as far as the provider needs it.
class EventSource extends EventTarget {
  constructor(url) {
    super();
    this.ending = new AbortController();
    this.read(url).catch(() => this.dispatchEvent(new Event('error')));
  }

  async read(url) {
    const answer = await fetch(url, { signal: this.ending.signal });
    this.dispatchEvent(new Event('open'));
    console.log(JSON.stringify({ stream: answer.status }));
    let text = '';
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const events = text.split('\n\n');
      text = events.pop();
      for (const event of events.filter((event) => event.startsWith('event: message\n'))) {
        this.dispatchEvent(new MessageEvent('message', { data: event.split('data: ')[1] }));
      }
    }
  }

  close() {
    this.ending.abort();
  }
}
globalThis.EventSource = EventSource;

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { baseUrl, context, cases } = JSON.parse((await input.next()).value);
const client = OpenFeature.getClient();
client.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) => tell({ flagsChanged }));
await OpenFeature.setContext(context);
await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, cacheMode: 'disabled' }));
tell({});
await input.next();
await OpenFeature.close();
process.exit(0);

function tell(more) {
  const answers = cases.map(({ flag, type, fallback }) => client[`get${type}Details`](flag, fallback));
  console.log(JSON.stringify({ ...more, answers }));
}
