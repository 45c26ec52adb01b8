import { HoneError } from "../../util/errors.ts";
import type { Backend, BackendContext } from "./types.ts";

interface Waiter {
  readonly profile: number;
  take(context: BackendContext): void;
  fail(error: unknown): void;
}

/**
 * Contexts that are kept for the next run: at most `limit` at once, first come first served. Idle ones of another profile
 * make way. A synchronous run cannot wait, so it may make one context more, which goes when it is done.
 */
export class ContextPool {
  readonly #backend: Backend;
  readonly #limit: number;
  readonly #idle: BackendContext[] = [];
  readonly #busy = new Set<BackendContext>();
  readonly #waiting: Waiter[] = [];
  #closing: { readonly promise: Promise<void>; readonly done: () => void } | undefined;

  constructor(backend: Backend, limit: number) {
    this.#backend = backend;
    this.#limit = limit;
  }

  /** A context of that profile, when one is free. */
  acquire(profile: number, signal: AbortSignal | undefined): Promise<BackendContext> {
    if (this.#waiting.length === 0 && (this.#busy.size < this.#limit || this.#idle.length > 0)) {
      return new Promise((resolve) => resolve(this.acquireNow(profile)));
    }
    return new Promise((resolve, reject) => {
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const waiter: Waiter = {
        profile,
        take: (context) => {
          settle();
          resolve(context);
        },
        fail: (error) => {
          settle();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.fail(new HoneError("aborted", "the run was aborted before it began"));
        this.#finishClosing();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiter);
    });
  }

  /** A context of that profile at once. Throws what the backend throws. */
  acquireNow(profile: number): BackendContext {
    const at = this.#idle.findIndex((c) => c.profile === profile);
    let context = at < 0 ? undefined : this.#idle.splice(at, 1)[0];
    if (context === undefined) {
      if (this.#idle.length + this.#busy.size >= this.#limit) this.#idle.shift()?.close();
      context = this.#backend.createContext(profile);
    }
    this.#busy.add(context);
    return context;
  }

  release(context: BackendContext): void {
    this.#busy.delete(context);
    if (this.#idle.length + this.#busy.size < this.#limit) this.#idle.push(context);
    else context.close();
    this.#serve();
    this.#finishClosing();
  }

  /** Lets every run that was asked for end, then frees all contexts. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      let done = (): void => undefined;
      const promise = new Promise<void>((resolve) => (done = resolve));
      this.#closing = { promise, done };
      this.#finishClosing();
    }
    return this.#closing.promise;
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#busy.size < this.#limit) {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) return;
      try {
        waiter.take(this.acquireNow(waiter.profile));
      } catch (error) {
        waiter.fail(error);
      }
    }
  }

  #finishClosing(): void {
    if (this.#closing === undefined || this.#busy.size > 0 || this.#waiting.length > 0) return;
    for (const context of this.#idle.splice(0)) context.close();
    this.#closing.done();
  }
}
