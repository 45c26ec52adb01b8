#!/usr/bin/env node
// The launcher: plain JavaScript, so that it can say what to do when nothing is built yet.
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write("hone is not built yet: run 'npm start'\n");
  process.exitCode = 2;
}
