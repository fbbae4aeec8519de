// Takes a photo with the camera of this machine.
import { useEffect, useRef, useState } from "preact/hooks";

import { useWords, type Key } from "../words/words";
import { Dialog } from "./dialog";

const FAULTS: Record<string, Key> = {
  NotAllowedError: "camera.denied",
  SecurityError: "camera.denied",
  NotFoundError: "camera.none",
  OverconstrainedError: "camera.none",
  NotReadableError: "camera.busy",
  AbortError: "camera.busy",
};

async function openCamera(): Promise<MediaStream> {
  // Absent where the page came by plain HTTP from another machine.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) throw new DOMException("", "SecurityError");
  return devices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } }, audio: false });
}

/** The picture that the camera shows now, as a JPEG file. */
async function takePicture(video: HTMLVideoElement): Promise<File | null> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>(done => canvas.toBlob(done, "image/jpeg", 0.92));
  return blob && new File([blob], "camera.jpg", { type: "image/jpeg" });
}

export function Camera({ onPhoto, onClose }: { onPhoto: (file: File) => void; onClose: () => void }) {
  const { t } = useWords();
  const video = useRef<HTMLVideoElement>(null);
  const [fault, setFault] = useState<Key>();
  const [isReady, setReady] = useState(false);

  useEffect(() => {
    let stream: MediaStream | undefined;
    let isClosed = false;
    const stop = () => stream?.getTracks().forEach(track => track.stop());
    openCamera().then(
      opened => {
        stream = opened;
        if (isClosed) stop();
        else if (video.current) video.current.srcObject = opened;
      },
      (error: unknown) => setFault(FAULTS[error instanceof DOMException ? error.name : ""] ?? "camera.busy"));
    return () => {
      isClosed = true;
      stop();
    };
  }, []);

  const take = async () => {
    const file = video.current && await takePicture(video.current);
    if (file) onPhoto(file);
    else setFault("camera.busy");
  };
  return (
    <Dialog title={t("camera.title")} onClose={onClose}>
      {fault ? (
        <>
          <div class="message bad" role="alert"><div>{t(fault)}</div></div>
          <p class="quiet">{t("camera.instead")}</p>
          <div class="buttons"><button type="button" class="main" onClick={onClose}>{t("action.close")}</button></div>
        </>
      ) : (
        <>
          <video ref={video} class="camera" autoplay playsInline muted aria-label={t("camera.picture")}
            onLoadedData={() => setReady(true)} />
          <p class="quiet small">{t("camera.advice")}</p>
          <div class="buttons">
            <button type="button" class="main" disabled={!isReady} onClick={() => void take()}>{t("camera.take")}</button>
            <button type="button" onClick={onClose}>{t("action.cancel")}</button>
          </div>
        </>
      )}
    </Dialog>
  );
}
