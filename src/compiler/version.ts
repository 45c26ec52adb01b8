/** The version of hone that engines record; a test holds it to package.json. */
export const HONE_VERSION = "0.1.0";
