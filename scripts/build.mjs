// npm run build: set up what is missing and bring dist/ up to date.
import { ensureBuilt, ensureInstalled } from "./setup.mjs";

ensureInstalled();
ensureBuilt();
