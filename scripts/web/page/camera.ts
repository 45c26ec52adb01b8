/** The camera, and what keeps it from being used in words. */

const REASONS: Readonly<Record<string, string>> = {
  NotAllowedError: "The camera is not allowed here. Allow it for this page beside the address, then press the button again.",
  NotFoundError: "There is no camera. Connect one, or choose a photo.",
  NotReadableError: "The camera is used by another program. Close that, then press the button again.",
};

export class Camera {
  readonly #stream: MediaStream;
  readonly #video: HTMLVideoElement;

  private constructor(stream: MediaStream, video: HTMLVideoElement) {
    this.#stream = stream;
    this.#video = video;
  }

  /** Asks for it. Throws an Error whose message tells a person what to do. */
  static async open(): Promise<Camera> {
    // Absent in pages from http, whatever TypeScript says.
    const devices = Reflect.get(navigator, "mediaDevices") as MediaDevices | undefined;
    if (devices === undefined) throw new Error("Browsers lend the camera only to pages from https and localhost.");
    try {
      const stream = await devices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
      const video = document.createElement("video");
      video.srcObject = stream;
      video.muted = true;
      video.playsInline = true;
      await video.play();
      return new Camera(stream, video);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw new Error(REASONS[error.name] ?? `The camera cannot be used: ${error.message}`, { cause: error });
    }
  }

  /** What it sees now, as in a mirror. Throws when it was disconnected. */
  frame(): { readonly image: HTMLVideoElement; readonly width: number; readonly height: number; readonly mirrored: true } {
    if (this.#stream.getVideoTracks().every((track) => track.readyState === "ended")) {
      throw new Error("The camera was disconnected, or no longer allowed.");
    }
    return { image: this.#video, width: this.#video.videoWidth, height: this.#video.videoHeight, mirrored: true };
  }

  close(): void {
    this.#stream.getTracks().forEach((track) => {
      track.stop();
    });
  }
}
