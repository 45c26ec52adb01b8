import { defineConfig, type ViteUserConfig } from "vitest/config";
import { ClosingReporter } from "./scripts/closing-reporter.ts";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    environment: "node",
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    reporters: ["default", new ClosingReporter()],
  },
});

export default config;
