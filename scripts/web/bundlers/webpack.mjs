import { cpSync, readFileSync, writeFileSync } from "node:fs";
import webpack from "webpack";

const stats = await new Promise((resolve, reject) => {
  const compiler = webpack({
    mode: "production",
    context: import.meta.dirname,
    entry: "./main.js",
    output: { path: `${import.meta.dirname}/dist` },
    performance: { hints: false },
  });
  compiler.run((error, done) => (error ? reject(error) : resolve(done)));
});
if (stats.hasErrors() || stats.hasWarnings()) {
  process.stdout.write(stats.toString());
  process.exit(1);
}
cpSync("public", "dist", { recursive: true });
// A classic script, as webpack makes them.
writeFileSync("dist/index.html", readFileSync("index.html", "utf8").replace('type="module"', "defer"));
