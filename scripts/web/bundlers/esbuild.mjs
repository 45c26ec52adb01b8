import { cpSync } from "node:fs";
import { build } from "esbuild";

await build({
  entryPoints: { main: "main.js", worker: "node_modules/hone-engine/dist/web-worker.js" },
  bundle: true,
  minify: true,
  format: "esm",
  outdir: "dist",
  // esbuild does not look for workers: the page says where this one is.
  define: { "globalThis.WORKER": '"worker.js"' },
});
cpSync("public", "dist", { recursive: true });
cpSync("index.html", "dist/index.html");
