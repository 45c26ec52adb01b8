export declare function pathWithoutCompiler(): { readonly folder: string; readonly remove: () => void };
