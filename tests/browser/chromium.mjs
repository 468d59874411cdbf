// Drives a headless Chromium through its debugging pipe (Chrome DevTools Protocol): file
// descriptors 3 and 4, one JSON message each, ended by a zero byte. No port is opened.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const kPrograms = ["chromium", "chromium-browser", "google-chrome"];
const kTimeout = 60_000; // of one command

class Pipe {
  constructor(child) {
    this.next = 1;
    this.waiting = new Map();
    this.listeners = [];
    this.out = child.stdio[3];
    let text = "";
    child.stdio[4].setEncoding("utf8");
    child.stdio[4].on("data", (chunk) => {
      text += chunk;
      for (let end = text.indexOf("\0"); end >= 0; end = text.indexOf("\0")) {
        this.take(JSON.parse(text.slice(0, end)));
        text = text.slice(end + 1);
      }
    });
    child.on("exit", () => {
      for (const { reject } of this.waiting.values()) {
        reject(new Error("the browser ended"));
      }
    });
  }

  take(message) {
    const waiting = this.waiting.get(message.id);
    if (waiting === undefined) {
      this.listeners.forEach((listener) => listener(message));
      return;
    }
    this.waiting.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.error === undefined) {
      waiting.resolve(message.result);
    } else {
      waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), kTimeout);
      this.waiting.set(id, { resolve, reject, timer, method });
    });
  }
}

/** One page. `problems` gets what the console calls an error, and each request for the network. */
class Page {
  constructor(pipe, session) {
    this.pipe = pipe;
    this.session = session;
    this.problems = [];
    this.requests = [];
    pipe.listeners.push((message) => {
      if (message.sessionId === session) {
        this.hear(message.method, message.params);
      }
    });
  }

  hear(method, params) {
    if (method === "Runtime.exceptionThrown") {
      this.problems.push(params.exceptionDetails.exception?.description ?? "exception");
    } else if (method === "Runtime.consoleAPICalled" && ["error", "warning"].includes(params.type)) {
      this.problems.push(params.args.map((arg) => arg.value ?? arg.description).join(" "));
    } else if (method === "Log.entryAdded" && params.entry.level === "error") {
      this.problems.push(params.entry.text);
    } else if (method === "Network.requestWillBeSent") {
      this.requests.push(params.request.url);
    } else if (method === "Page.loadEventFired") {
      this.loaded?.();
    }
  }

  send(method, params) {
    return this.pipe.send(method, params, this.session);
  }

  async open(url) {
    const loaded = new Promise((resolve) => (this.loaded = resolve));
    await this.send("Page.navigate", { url });
    await loaded;
  }

  async evaluate(expression) {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (answer.exceptionDetails !== undefined) {
      throw new Error(answer.exceptionDetails.exception?.description ?? "exception");
    }
    return answer.result.value;
  }

  async size(width, height, dark = false, scale = 1) {
    await this.send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: false,
    });
    await this.send("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
    });
    await this.settle();
  }

  /** Two frames later everything that was asked for has been drawn. */
  async settle() {
    await this.send("Page.bringToFront"); // a page behind another draws nothing
    return this.evaluate(
      "new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(0))))",
    );
  }

  close() {
    return this.send("Page.close");
  }

  async key(key, text = key.length === 1 ? key : "") {
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, text });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", key });
    await this.settle();
  }

  async mouse(type, x, y, more = {}) {
    await this.send("Input.dispatchMouseEvent", { type, x, y, ...more });
  }

  async screenshot(clip = undefined) {
    await this.send("Page.bringToFront");
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: clip !== undefined,
      clip,
    });
    return Buffer.from(data, "base64");
  }
}

export class Browser {
  static async start() {
    const folder = mkdtempSync(join(tmpdir(), "ioasim-browser-"));
    for (const program of kPrograms) {
      const child = spawn(
        program,
        [
          "--headless=new",
          "--remote-debugging-pipe",
          "--no-sandbox",
          "--no-first-run",
          "--disable-gpu",
          "--disable-dev-shm-usage",
          "--disable-background-networking",
          "--hide-scrollbars",
          `--user-data-dir=${folder}`,
        ],
        { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
      );
      const there = await new Promise((resolve) => {
        child.once("spawn", () => resolve(true));
        child.once("error", () => resolve(false));
      });
      if (there) {
        return new Browser(child, folder);
      }
    }
    rmSync(folder, { recursive: true, force: true });
    return null;
  }

  constructor(child, folder) {
    this.child = child;
    this.folder = folder;
    this.pipe = new Pipe(child);
  }

  async page() {
    const { targetId } = await this.pipe.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.pipe.send("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const page = new Page(this.pipe, sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) {
      await page.send(`${domain}.enable`);
    }
    return page;
  }

  async stop() {
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill();
    await gone;
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
