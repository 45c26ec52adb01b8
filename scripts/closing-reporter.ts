import type { Reporter, TestModule } from "vitest/node";

/** Prints `N passed, N failed, N skipped` last, plain and on its own line, for people and machines that look for it. */
export class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      // A module that could not be loaded has no tests to count, and must not look like a pass.
      count.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") count.passed++;
        else if (state === "failed") count.failed++;
        else count.skipped++;
      }
    }
    const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`;
    // The default reporter writes through its own buffer; on exit is after all of it.
    process.once("exit", () => process.stdout.write(line));
  }
}
