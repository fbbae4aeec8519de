// Takes a photo by drag and drop, by a choice of a file, or by the camera, and shows what was found in it.
import { useEffect, useId, useState } from "preact/hooks";

import type { components } from "../api/generated/schema";
import { useWords } from "../words/words";
import { Camera } from "./camera";
import { Icon } from "./icons";
import { PhotoView } from "./photo_view";

type Findings = components["schemas"]["PhotoFindings"];

export function PhotoInput({ label, file, onFile, findings }: {
  label: string;
  file: File | undefined;
  onFile: (file: File | undefined) => void;
  findings?: Findings | null | undefined;
}) {
  const { t, number } = useWords();
  const id = useId();
  const [isOver, setOver] = useState(false);
  const [isCameraOpen, setCameraOpen] = useState(false);
  const address = useAddressOf(file);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer?.files[0];
    if (dropped) onFile(dropped);
  };
  return (
    <div class="field photo-field" role="group" aria-labelledby={`${id}-label`}>
      <span class="label" id={`${id}-label`}>{label}</span>
      <div class={`drop ${isOver ? "over" : ""} ${file ? "filled" : ""}`} onDrop={drop} onDragLeave={() => setOver(false)}
        onDragOver={event => {
          event.preventDefault();
          setOver(true);
        }}>
        {address ? <PhotoView address={address} findings={findings} label={label} /> : <p class="quiet">{t("photo.drop")}</p>}
        <div class="buttons">
          <input class="hidden" id={id} type="file" accept="image/jpeg,image/png" aria-label={`${label}: ${t("photo.choose")}`}
            onChange={event => {
              const chosen = event.currentTarget.files?.[0];
              event.currentTarget.value = "";
              if (chosen) onFile(chosen);
            }} />
          <label class="button" for={id}><Icon name="upload" />{t(file ? "photo.chooseOther" : "photo.choose")}</label>
          <button type="button" onClick={() => setCameraOpen(true)}><Icon name="camera" />{t("photo.camera")}</button>
          {file && <button type="button" class="plain" onClick={() => onFile(undefined)}>{t("photo.remove")}</button>}
        </div>
        {file && <p class="small quiet">{t("photo.size", { kilobytes: number(file.size / 1000, 0) })}</p>}
      </div>
      {isCameraOpen && (
        <Camera onClose={() => setCameraOpen(false)} onPhoto={taken => {
          onFile(taken);
          setCameraOpen(false);
        }} />
      )}
    </div>
  );
}

/** An address of the file for as long as it is shown. */
function useAddressOf(file: File | undefined): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    if (!file) return setAddress(undefined);
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return address;
}
