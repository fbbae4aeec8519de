// Requests as they are answered, newest first.
import { useEffect, useRef, useState } from "preact/hooks";

import { addressOf } from "../api/call";
import { useWords } from "../words/words";
import { Rows, type Row } from "./rows";

/** How many rows stay on the page. */
const MOST = 100;

type State = "connecting" | "open" | "broken" | "ended";

export function LiveRequests() {
  const { t } = useWords();
  const [rows, setRows] = useState<readonly Row[]>([]);
  const [state, setState] = useState<State>("connecting");
  const [isPaused, setPaused] = useState(false);
  const waiting = useRef<Row[]>([]);
  const [turn, setTurn] = useState(0);

  useEffect(() => {
    if (isPaused) return undefined;
    setState("connecting");
    const source = new EventSource(addressOf("watchRequests"));
    source.onopen = () => setState("open");
    source.onerror = () => setState(source.readyState === EventSource.CLOSED ? "ended" : "broken");
    source.addEventListener("row", event => waiting.current.push(JSON.parse((event as MessageEvent<string>).data) as Row));
    source.addEventListener("end", () => {
      source.close();
      setState("ended");
    });
    // Many rows that come at once are shown together.
    const timer = setInterval(() => {
      if (waiting.current.length === 0) return;
      const fresh = waiting.current.splice(0).reverse();
      setRows(before => [...fresh, ...before].slice(0, MOST));
    }, 400);
    return () => {
      clearInterval(timer);
      source.close();
    };
  }, [isPaused, turn]);
  return (
    <>
      <div class="buttons live-bar">
        <span class={`live ${state === "open" && !isPaused ? "on" : ""}`} role="status"><i />{t(isPaused ? "live.paused" : `live.${state}`)}</span>
        <button type="button" onClick={() => setPaused(!isPaused)}>{t(isPaused ? "live.resume" : "live.pause")}</button>
        {state === "ended" && !isPaused && <button type="button" onClick={() => setTurn(turn + 1)}>{t("action.retry")}</button>}
      </div>
      {rows.length > 0 ? <Rows rows={rows} caption={t("requests.live")} /> : <p class="empty">{t("live.none")}</p>}
    </>
  );
}
