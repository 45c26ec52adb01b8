/**
 * THE ROOM TABLE. A room (a folder of src/) imports itself, the rooms on its line, and the npm packages on its line; nothing else.
 *
 * browser: the room runs in a browser as well, so it may not reach Node's own modules, except inside a folder called node/.
 * A door is a file src/NAME.ts that the package exports as a subpath.
 * To change a line, write an ADR in docs/adr/ that says why the wall was wrong.
 */
const FOUNDATION = ["tensor", "util"];
const COMPILE = ["text", "passes", "quant", "formats", "schedule", "targets", "ops", "ir", "loop", "engine", ...FOUNDATION];
const RUN = ["text", "runtime", "data", "vision", "metrics", "report", "geometry", "engine", ...FOUNDATION];

const ROOMS = {
  util: { browser: true, imports: [] },
  tensor: { browser: true, imports: ["util"] },
  geometry: { browser: true, imports: ["util"] },
  text: { browser: true, imports: FOUNDATION },
  ir: { browser: true, imports: ["text", ...FOUNDATION] },
  loop: { browser: true, imports: FOUNDATION },
  ops: { browser: true, imports: ["ir", "loop", ...FOUNDATION] },
  passes: { browser: true, imports: ["ops", "ir", "text", ...FOUNDATION] },
  quant: { browser: true, imports: ["passes", "ops", "ir", ...FOUNDATION] },
  formats: { browser: true, imports: ["ops", "ir", "text", ...FOUNDATION], packages: ["pbf", "flatbuffers"] },
  schedule: { browser: true, imports: ["ops", "ir", "loop", ...FOUNDATION] },
  targets: { browser: true, imports: ["loop", ...FOUNDATION] },
  toolchain: { browser: false, imports: ["util"] },
  engine: { browser: true, imports: ["text", ...FOUNDATION] },
  compiler: { browser: true, imports: COMPILE, node: { imports: ["toolchain"] } },
  runtime: { browser: true, imports: ["engine", "text", ...FOUNDATION] },
  data: {
    browser: true,
    imports: ["runtime", "engine", "geometry", ...FOUNDATION],
    packages: ["fast-xml-parser"],
    node: { packages: ["sharp"] },
  },
  metrics: { browser: true, imports: ["geometry", "util"] },
  vision: { browser: true, imports: ["runtime", "engine", "data", "geometry", ...FOUNDATION] },
  report: { browser: true, imports: ["metrics", "vision", "geometry", "engine", ...FOUNDATION] },
  workflow: { browser: false, imports: ["compiler", "toolchain", ...COMPILE, ...RUN], packages: ["onnxruntime-node"] },
  cli: {
    browser: false,
    imports: ["workflow", ...FOUNDATION],
    doors: ["index", "runtime", "data", "vision", "metrics", "report"],
    packages: ["commander", "picocolors", "cli-progress"],
  },
};

/** Doors re-export; what they may reach is what their readers may use. */
const DOORS = {
  index: ["compiler", "toolchain", ...COMPILE],
  runtime: ["runtime", "engine", "text", ...FOUNDATION],
  web: ["runtime", "engine", "text", ...FOUNDATION],
  "web-worker": ["runtime"],
  data: ["data", "engine", "geometry", ...FOUNDATION],
  vision: ["vision", "engine", "data", "geometry", ...FOUNDATION],
  metrics: ["metrics", "geometry", ...FOUNDATION],
  report: ["report", "metrics", ...FOUNDATION],
};

// ---- The rest turns the tables into rules. ----

const TEST = "\\.test\\.ts$|/testing/";
const folders = (names) => `^src/(${names.join("|")})/`;
const doorFiles = (names) => `^src/(${names.join("|")})\\.ts$`;
const packageFolders = (names) => `node_modules/(${names.join("|")})/`;
const NPM = ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-bundled", "npm-no-pkg", "npm-unknown"];

function roomRules([room, { imports, doors = [], packages = [], node = {} }]) {
  const rules = (where, from, mayImport, mayUse) => {
    const inside = [folders([room, ...mayImport]), ...(doors.length > 0 ? [doorFiles(doors)] : [])];
    return [
      {
        name: `rooms: ${where} may import only ${mayImport.join(", ") || "itself"}`,
        severity: "error",
        from,
        to: { path: "^src/", pathNot: inside },
      },
      {
        name: `packages: ${where} may use only ${mayUse.join(", ") || "none"}`,
        severity: "error",
        from,
        to: { dependencyTypes: NPM, ...(mayUse.length > 0 ? { pathNot: packageFolders(mayUse) } : {}) },
      },
    ];
  };
  const nodeSide = `^src/${room}/node/`;
  return [
    ...rules(room, { path: `^src/${room}/`, pathNot: [TEST, nodeSide] }, imports, packages),
    ...rules(
      `${room}/node`,
      { path: nodeSide, pathNot: TEST },
      [...imports, ...(node.imports ?? [])],
      [...packages, ...(node.packages ?? [])],
    ),
  ];
}

function doorRules([door, imports]) {
  return {
    name: `doors: ${door} may import only ${imports.join(", ")}`,
    severity: "error",
    from: { path: doorFiles([door]) },
    to: { path: "^src/", pathNot: folders(imports) },
  };
}

const browserRooms = Object.keys(ROOMS).filter((room) => ROOMS[room].browser);
const browserSide = { path: folders(browserRooms), pathNot: [TEST, "/node/"] };

module.exports = {
  forbidden: [
    ...Object.entries(ROOMS).flatMap(roomRules),
    ...Object.entries(DOORS).map(doorRules),
    {
      name: "rooms: every folder of src/ has a line in the table",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: folders(Object.keys(ROOMS)) },
      to: {},
    },
    {
      name: "doors: every file in src/ itself is a door",
      severity: "error",
      from: { path: "^src/[^/]+\\.ts$", pathNot: doorFiles(Object.keys(DOORS)) },
      to: {},
    },
    { name: "browser rooms: no Node module outside node/", severity: "error", from: browserSide, to: { dependencyTypes: ["core"] } },
    {
      name: "browser rooms: node/ is reached from Node's side only",
      severity: "error",
      from: browserSide,
      to: { path: "^src/[^/]+/node/" },
    },
    {
      name: "web door: never reaches Node's side",
      severity: "error",
      from: { path: doorFiles(["web", "web-worker"]) },
      to: { path: "/node/", reachable: true },
    },
    { name: "no cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no unresolvable imports", severity: "error", from: {}, to: { couldNotResolve: true } },
    { name: "tests are imported by nobody", severity: "error", from: { pathNot: TEST }, to: { path: TEST } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
