import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sha256 } from "./hash.ts";

const theirs = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("the vectors of FIPS 180-4", () => {
  expect(sha256(new TextEncoder().encode("abc"))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256(new Uint8Array())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("every length around the block boundaries agrees with Node's", () => {
  const bytes = randomBytes(300);
  for (let n = 0; n <= bytes.length; n++) expect(sha256(bytes.subarray(0, n)), `length ${n}`).toBe(theirs(bytes.subarray(0, n)));
});

test("a view that starts inside its buffer", () => {
  const bytes = new Uint8Array(randomBytes(1000).buffer, 0, 1000).slice();
  expect(sha256(bytes.subarray(3, 777))).toBe(theirs(bytes.subarray(3, 777)));
});
