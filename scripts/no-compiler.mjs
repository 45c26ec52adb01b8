// A PATH with every command of this machine but its C compilers: what a fresh machine has.
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const COMPILER = /^(?:.*-)?(?:cc|c\+\+|gcc|g\+\+|clang|clang\+\+|c89|c99|tcc|icx)(?:-[\d.]+)?$/;

/** A folder of links to the commands in PATH, compilers left out, and how to remove it. Anyone may read it. */
export function pathWithoutCompiler() {
  const folder = mkdtempSync(join(tmpdir(), "hone-path-"));
  const taken = new Set();
  for (const place of (process.env.PATH ?? "").split(delimiter)) {
    for (const name of place === "" ? [] : list(place)) {
      if (taken.has(name) || COMPILER.test(name)) continue;
      taken.add(name);
      symlinkSync(join(place, name), join(folder, name));
    }
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return []; // A place in PATH that is not there.
  }
}
