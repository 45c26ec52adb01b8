/** Writes the networks of architectures.ts and transformers.ts as ONNX files: npm run models -- FOLDER [NAME...]. Files that are there are left alone. */
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeOnnx } from "../../src/formats/onnx/write.ts";
import { ARCHITECTURES } from "./architectures.ts";
import { TRANSFORMERS } from "./transformers.ts";

const NETWORKS = { ...ARCHITECTURES, ...TRANSFORMERS };

/** The path of a network's file in the folder, written if it is not there. Throws for a name that is none. */
export async function ensureModel(name: string, folder: string): Promise<string> {
  const path = join(folder, `${name}.onnx`);
  if (existsSync(path)) return path;
  const make = NETWORKS[name];
  if (make === undefined) throw new Error(`there is no network ${name}; there are ${Object.keys(NETWORKS).join(", ")}`);
  const { model, macs, parameters } = make();
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.tmp`, writeOnnx(model));
  await rename(`${path}.tmp`, path);
  process.stderr.write(`${path}: ${(macs / 1e9).toFixed(2)} G MACs, ${(parameters / 1e6).toFixed(2)} M parameters\n`);
  return path;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, ...names] = process.argv.slice(2);
  if (folder === undefined) {
    process.stderr.write("usage: npm run models -- FOLDER [NAME...]\n");
    process.exit(2);
  }
  for (const name of names.length > 0 ? names : Object.keys(NETWORKS)) process.stdout.write(`${await ensureModel(name, folder)}\n`);
}
