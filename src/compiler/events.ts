/** What the library tells while it works; it never prints. */
export type CompileEvent =
  | { readonly kind: "stage"; readonly stage: "import" | "optimise" | "lower" | "compile" | "link" | "write"; readonly detail?: string }
  /** What the code will be, and why. */
  | { readonly kind: "target"; readonly targets: readonly ("native" | "wasm")[]; readonly why: string }
  | { readonly kind: "pass"; readonly name: string; readonly before: number; readonly after: number }
  | { readonly kind: "kernel"; readonly name: string; readonly schedules: readonly string[]; readonly nodes: readonly string[] }
  | { readonly kind: "progress"; readonly done: number; readonly total: number };

export type OnEvent = (event: CompileEvent) => void;
