// What a user writes: an engine, opened and run; the page's body tells what came out.
import { Session } from "hone-engine/web";

const worker = globalThis.WORKER === undefined ? {} : { worker: () => new Worker(globalThis.WORKER, { type: "module" }) };

async function main() {
  const session = await Session.open("engine.hone", { threads: 2, ...worker });
  const data = Float32Array.from({ length: 25_600 }, (_, i) => ((Math.imul(i + 11, 2654435761) >>> 0) % 4096) / 2048 - 1);
  const { y } = await session.run({ x: { type: "float32", dims: [1, 16, 40, 40], data } });
  const { threads } = session.info;
  await session.close();
  return { threads, y: Array.from(y.data) };
}

main()
  .catch((error) => ({ error: String(error) }))
  .then((result) => {
    document.body.dataset.result = JSON.stringify(result);
  });
