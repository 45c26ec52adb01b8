/** Which image file each annotated image is. */
import { basename, relative, sep } from "node:path";
import { stemOf, type AnnotatedImage, type AnnotationSet, type ImageSizes } from "../data/annotations/annotations.ts";
import { imageSize } from "../data/node/header.ts";
import { listImages } from "../data/node/source.ts";
import { HoneError, type Problem } from "../util/errors.ts";
import { given } from "./events.ts";

export interface ImageFile {
  readonly id: AnnotatedImage["id"];
  readonly path: string;
}

export interface FoundImages {
  readonly files: readonly ImageFile[];
  /** Annotated images that are not in the folder. */
  readonly missing: readonly Problem[];
  /** Files of the folder that no annotation speaks of. */
  readonly unused: number;
}

/**
 * Finds the annotated images in a folder and its folders: by their path, else by their name, else by their name without its ending, where only one
 * file has it. Throws `file.not-found`, and `annotations.invalid` when not a single one is there or the annotations, of which some may not have been
 * read, name none.
 */
export async function findImages(
  folder: string,
  { images, problems: unread }: Pick<AnnotationSet, "images" | "problems">,
  signal?: AbortSignal,
): Promise<FoundImages> {
  const paths = await listImages(folder, { recursive: true, ...given("signal", signal) });
  const find = lookup(folder, paths);
  const missing: Problem[] = [];
  const files = images.flatMap((image): ImageFile[] => {
    const path = find(image.file ?? String(image.id)) ?? find(String(image.id));
    if (path === undefined) missing.push({ message: `there is no image ${image.file ?? image.id} in the folder`, at: { file: folder } });
    return path === undefined ? [] : [{ id: image.id, path }];
  });
  if (files.length === 0) {
    const [example] = images;
    if (example === undefined) throw new HoneError("annotations.invalid", "the annotations name no image", { problems: unread });
    throw new HoneError("annotations.invalid", `none of the ${images.length} annotated images is among the ${paths.length} of the folder`, {
      at: { file: folder },
      hint: `It should hold ${example.file ?? example.id}, for example.`,
    });
  }
  return { files, missing, unused: paths.length - new Set(files.map((f) => f.path)).size };
}

/** The sizes of a folder's images by their name without ending, read from their headers. Those that cannot be read are left out. */
export async function imageSizes(folder: string, signal?: AbortSignal): Promise<ImageSizes> {
  const sizes = new Map<string, { width: number; height: number }>();
  for (const path of await listImages(folder, { recursive: true, ...given("signal", signal) })) {
    if (signal?.aborted === true) throw new HoneError("aborted", "reading the images' sizes was aborted");
    try {
      sizes.set(stemOf(path), await imageSize(path));
    } catch (error) {
      if (!(error instanceof HoneError) || error.code !== "image.unreadable") throw error;
    }
  }
  return sizes;
}

function lookup(folder: string, paths: readonly string[]): (name: string) => string | undefined {
  const [whole, named, stems] = [new Map<string, string>(), new Map<string, string | null>(), new Map<string, string | null>()];
  const once = (map: Map<string, string | null>, key: string, path: string): void => void map.set(key, map.has(key) ? null : path);
  for (const path of paths) {
    whole.set(relative(folder, path).split(sep).join("/"), path);
    once(named, basename(path), path);
    once(stems, stemOf(path), path);
  }
  return (name) => {
    const plain = name.replaceAll("\\", "/");
    return whole.get(plain) ?? named.get(plain.slice(plain.lastIndexOf("/") + 1)) ?? stems.get(stemOf(plain)) ?? undefined;
  };
}
