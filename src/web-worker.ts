/** The program of the worker that `hone-engine/web` starts, for bundlers that must be told of it by name. */
import "./runtime/web/worker.ts";
