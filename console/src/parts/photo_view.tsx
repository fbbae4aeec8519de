// A photo with the box of the face that was found and its five landmarks.
import { useState } from "preact/hooks";

import type { components } from "../api/generated/schema";
import { useWords } from "../words/words";

type Findings = components["schemas"]["PhotoFindings"];

export function PhotoView({ address, findings, label }: { address: string; findings?: Findings | null | undefined; label: string }) {
  const { t } = useWords();
  const [isUnreadable, setUnreadable] = useState(false);
  const [size, setSize] = useState<Size>();
  return (
    <figure class="photo">
      {isUnreadable
        ? <p class="quiet small">{t("photo.noPreview")}</p>
        : <img key={address} src={address} alt={label} onError={() => setUnreadable(true)}
          onLoad={event => setSize({ width: event.currentTarget.naturalWidth, height: event.currentTarget.naturalHeight })} />}
      {findings && size && !isUnreadable && <Overlay findings={findings} size={size} />}
    </figure>
  );
}

/** The size in which the browser shows the photo, turned as its file says. */
interface Size {
  width: number;
  height: number;
}

function Overlay({ findings, size: { width: w, height: h } }: { findings: Findings; size: Size }) {
  const { t } = useWords();
  const { box, landmarks, turned_degrees: turned } = findings;
  const unit = Math.max(w, h) / 100;
  // The coordinates are of the photo turned further until the face is upright.
  const back = { 0: "", 90: `translate(0 ${h}) rotate(-90)`, 180: `translate(${w} ${h}) rotate(180)`, 270: `translate(${w} 0) rotate(90)` }[turned] ?? "";
  return (
    <svg class="overlay" viewBox={`0 0 ${w} ${h}`} role="img" aria-label={t("photo.face")}>
      <g transform={back}>
        <rect class="under" x={box.left} y={box.top} width={box.width} height={box.height} rx={unit} stroke-width={unit * 1.3} />
        <rect class="box" x={box.left} y={box.top} width={box.width} height={box.height} rx={unit} stroke-width={unit * 0.7} />
        {landmarks.map((point, index) => <circle key={index} cx={point.x} cy={point.y} r={unit * 1.1} stroke-width={unit * 0.4} />)}
      </g>
    </svg>
  );
}
