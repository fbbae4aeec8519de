// The requests of clients: as they come, and searched by id, by person, or by client, reason and time.
import { useState } from "preact/hooks";

import { call } from "../api/call";
import { Check, Choice, TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { MomentField, momentOf } from "../parts/moment_field";
import { useAccess } from "../session";
import { useWords, type Key } from "../words/words";
import { LiveRequests } from "./live_requests";
import { PagedRows, usePages } from "./rows";

type Way = "live" | "list" | "id" | "person" | "admin";

const KINDS = ["", "request", "forget", "admin"] as const;

export function Requests() {
  const { t } = useWords();
  const { may } = useAccess();
  const ways = ([
    ["live", may("watchRequests")], ["list", may("listRequests")], ["id", may("searchRequest")],
    ["person", may("searchPerson")], ["admin", may("searchAudit")],
  ] as const).filter(([, isAllowed]) => isAllowed).map(([way]) => way);
  const [way, setWay] = useState<Way>(ways[0] ?? "id");
  return (
    <>
      <PageHead title={t("page.requests")} about={t("requests.about")} />
      <div class="panel">
        <div class="switch ways" role="group" aria-label={t("requests.ways")}>
          {ways.map(name => (
            <button key={name} type="button" aria-pressed={way === name} onClick={() => setWay(name)}>{t(`requests.${name}`)}</button>
          ))}
        </div>
        {way === "live" ? <LiveRequests /> : <Search key={way} way={way} />}
      </div>
    </>
  );
}

interface Criteria {
  requestId: string;
  nik: string;
  client: string;
  reason: string;
  kind: string;
  from: string;
  to: string;
  isRefused: boolean;
}

const NOTHING: Criteria = { requestId: "", nik: "", client: "", reason: "", kind: "", from: "", to: "", isRefused: false };

/** The request of a search. What was typed is sent in its body, never in an address. */
function loaderOf(way: Way, typed: Criteria) {
  const time = { from: momentOf(typed.from), to: momentOf(typed.to) };
  const client = typed.client.trim() || null;
  const reason = typed.reason.trim().toUpperCase() || null;
  return (cursor: string | undefined) => {
    const page = { cursor: cursor ?? null, limit: 50 };
    switch (way) {
      case "id": return call("searchRequest", { body: { request_id: typed.requestId.trim(), ...time, ...page } });
      case "person": return call("searchPerson", { body: { nik: typed.nik.replace(/[\s.]/g, ""), ...time, ...page } });
      case "admin": return call("searchAudit", { body: { kind: typed.kind || null, client, reason, ...time, ...page } });
      default: return call("listRequests", { body: { client, reason, refused: typed.isRefused, ...time, ...page } });
    }
  };
}

function Search({ way }: { way: Way }) {
  const { t, named } = useWords();
  const [typed, setTyped] = useState<Criteria>(NOTHING);
  const pages = usePages();
  const change = (part: Partial<Criteria>) => setTyped({ ...typed, ...part });
  const submit = (event: Event) => {
    event.preventDefault();
    void pages.start(loaderOf(way, typed));
  };
  return (
    <>
      <form autocomplete="off" onSubmit={submit}>
        <p class="quiet small">{t(`requests.${way}.about` as Key)}</p>
        <div class="fields">
          {way === "id" && <TextField label={t("request.id")} required maxLength={64} value={typed.requestId} onValue={requestId => change({ requestId })} />}
          {way === "person" && <TextField label={t("field.nik")} hint={t("verify.nikHint")} inputMode="numeric" required value={typed.nik} onValue={nik => change({ nik })} />}
          {way === "admin" && (
            <Choice label={t("row.kind")} value={typed.kind} onValue={kind => change({ kind })}
              options={KINDS.map(kind => [kind, kind ? named("kind", kind) : t("choice.any")])} />
          )}
          {(way === "list" || way === "admin") && (
            <>
              <TextField label={t("row.client")} value={typed.client} onValue={client => change({ client })} />
              <TextField label={t("row.reason")} hint={t("requests.reasonHint")} value={typed.reason} onValue={reason => change({ reason })} />
            </>
          )}
          <MomentField label={t("time.from")} value={typed.from} onValue={from => change({ from })} />
          <MomentField label={t("time.to")} value={typed.to} onValue={to => change({ to })} />
        </div>
        {way === "list" && <Check label={t("requests.refused")} checked={typed.isRefused} onValue={isRefused => change({ isRefused })} />}
        <div class="buttons">
          <button class="main" disabled={pages.isRunning}>{t(pages.isRunning ? "state.running" : "action.search")}</button>
          <button type="button" onClick={() => {
            setTyped(NOTHING);
            pages.clear();
          }}>{t("action.clear")}</button>
          <span class="small quiet">{t("requests.recorded")}</span>
        </div>
      </form>
      <PagedRows pages={pages} caption={t("rows.caption")} />
    </>
  );
}
