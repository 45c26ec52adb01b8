/** A server for one page: files from memory, on localhost only, under a Content-Security-Policy as strict as hone allows. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import type { Files } from "./bundle.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
  ".jpg": "image/jpeg",
};

/** No eval, no blob:, nothing from elsewhere; WebAssembly may be compiled. */
export const POLICY: string = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
].join("; ");

export interface ServerOptions {
  /** Whether the page may share memory between threads. */
  readonly isolated?: boolean;
  readonly policy?: string;
  readonly port?: number;
}

export interface PageServer {
  readonly url: string;
  close(): Promise<void>;
}

/** What a server says with every file. */
export const headersOf = (isolated: boolean, policy: string = POLICY): Readonly<Record<string, string>> => ({
  "content-security-policy": policy,
  ...(isolated ? { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" } : {}),
});

export async function servePage(files: Files, { isolated = false, policy = POLICY, port = 0 }: ServerOptions = {}): Promise<PageServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname.slice(1) || "index.html";
    const body = files.get(decodeURIComponent(path));
    for (const [name, value] of Object.entries(headersOf(isolated, policy))) response.setHeader(name, value);
    response.setHeader("cache-control", "no-store");
    if (body === undefined) {
      response.writeHead(404).end("not found");
      return;
    }
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    response.end(body);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: used } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${used}/`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export const textFile = (text: string): Uint8Array => new TextEncoder().encode(text);
