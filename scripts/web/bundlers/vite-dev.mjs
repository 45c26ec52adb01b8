// Vite's development server, as it is started while a page is being written; prints where it listens, and ends with its input.
import { createServer } from "vite";

const server = await createServer({
  root: import.meta.dirname,
  logLevel: "warn",
  // hone looks for its worker beside itself: it must stay where it is.
  optimizeDeps: { exclude: ["hone-engine"] },
  server: { host: "127.0.0.1", port: 0, headers: JSON.parse(process.argv[2] ?? "{}") },
});
await server.listen();
process.stdout.write(`${server.resolvedUrls.local[0]}\n`);
process.stdin.resume().on("end", () => void server.close().then(() => process.exit()));
