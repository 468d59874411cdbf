// open.mjs SITE TRACE: opens a Chrome trace in speedscope, in headless Chromium. Prints the page's
// text and what went through its console. SITE is the folder of speedscope's page.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';

const [, , site, trace] = process.argv;
const types = {
  '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json',
};
const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://host').pathname;
  const page = path === '/' ? 'index.html' : basename(path);
  try {
    const body = await readFile(path === '/trace.json' ? trace : join(site, page));
    response.writeHead(200, {
      'content-type': types[extname(page)] ?? 'application/octet-stream',
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});

// Chromium's debugging protocol over a pipe: messages end with a zero byte.
class Browser {
  #next = 1;
  #waiting = new Map();
  #rest = '';
  events = [];

  constructor(folder) {
    this.process = spawn('chromium', [
      '--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${folder}`,
      '--remote-debugging-pipe', 'about:blank',
    ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    this.process.stdio[4].on('data', (chunk) => {
      const parts = (this.#rest + chunk).split('\0');
      this.#rest = parts.pop();
      for (const part of parts) {
        const message = JSON.parse(part);
        if (message.id) {
          this.#waiting.get(message.id)?.(message.result ?? message.error);
        } else {
          this.events.push(message);
        }
      }
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((done) => { this.#waiting.set(id, done); });
  }
}

server.listen(0, '127.0.0.1', async () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  const profile = mkdtempSync(join(tmpdir(), 'speedscope-'));
  const browser = new Browser(profile);
  const { targetId } = await browser.send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
  await browser.send('Runtime.enable', {}, sessionId);
  await browser.send('Page.navigate', {
    url: `${origin}/#profileURL=${encodeURIComponent(`${origin}/trace.json`)}`,
  }, sessionId);
  const said = () => browser.events
    .filter((event) => event.method === 'Runtime.consoleAPICalled')
    .map((event) => `console: ${event.params.args.map((a) => a.value ?? '').join(' ')}`);
  const deadline = Date.now() + 60_000;
  while (Date.now() < deadline && !said().some((line) => line.startsWith('console: import: '))) {
    await new Promise((later) => { setTimeout(later, 100); });
  }
  await new Promise((later) => { setTimeout(later, 1000); }); // the page draws what it imported
  const page = await browser.send('Runtime.evaluate', {
    expression: 'document.body.innerText', returnByValue: true,
  }, sessionId);
  console.log(page.result?.value ?? '');
  console.log(said().join('\n'));
  const ended = new Promise((done) => { browser.process.on('exit', done); });
  browser.send('Browser.close');
  await ended;
  server.close();
  rmSync(profile, { recursive: true, force: true });
});
