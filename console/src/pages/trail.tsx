// Exports of the audit trail and verifications of it. Verifications run in the service: a reload of the page loses nothing.
import { useEffect, useState } from "preact/hooks";

import { call, download, type Answer } from "../api/call";
import { useAction, useAnswer, type Loaded } from "../api/use_answer";
import { Choice, TextField } from "../parts/field";
import { MomentField, momentOf } from "../parts/moment_field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { useAccess } from "../session";
import { useWords, type Key } from "../words/words";

type Verifications = Answer<"listVerifications">;
type Verification = Verifications["verifications"][number];

/** How often the progress of what runs is asked for. */
const EVERY_MS = 2000;

const KINDS = ["", "request", "forget", "admin"] as const;

export function Trail() {
  const { t } = useWords();
  const { may } = useAccess();
  return (
    <>
      <PageHead title={t("page.trail")} about={t("trail.about")} />
      {may("exportAudit") && <Export />}
      {may("listVerifications") && <VerificationsPanel />}
    </>
  );
}

/** The verifications, loaded again and again while one of them runs. */
function useVerifications(): Loaded<Verifications> {
  const [interval, setInterval] = useState<number>();
  return useAnswer(async () => {
    const answer = await call("listVerifications");
    setInterval(answer.verifications.some(entry => entry.state === "running") ? EVERY_MS : undefined);
    return answer;
  }, [], interval);
}

function Export() {
  const { t, named, number } = useWords();
  const [kind, setKind] = useState("");
  const [client, setClient] = useState("");
  const [nik, setNik] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [bytes, setBytes] = useState(0);
  const [file, setFile] = useState<string>();
  const run = useAction<Blob>();
  useEffect(() => () => void (file && URL.revokeObjectURL(file)), [file]);

  const submit = async (event: Event) => {
    event.preventDefault();
    setFile(undefined);
    setBytes(0);
    const body = {
      kind: kind || null, client: client.trim() || null, nik: nik.replace(/[\s.]/g, "") || null, from: momentOf(from), to: momentOf(to),
    };
    const blob = await run.run(() => download("exportAudit", { body }, setBytes));
    if (blob) setFile(URL.createObjectURL(blob));
  };
  return (
    <section class="panel">
      <h2>{t("export.title")}</h2>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <p class="quiet small">{t("export.about")}</p>
        <Problem failure={run.failure} />
        <div class="fields">
          <Choice label={t("row.kind")} value={kind} onValue={setKind} options={KINDS.map(name => [name, name ? named("kind", name) : t("choice.any")])} />
          <TextField label={t("row.client")} value={client} onValue={setClient} />
          <TextField label={t("export.nik")} inputMode="numeric" value={nik} onValue={setNik} />
          <MomentField label={t("time.from")} value={from} onValue={setFrom} />
          <MomentField label={t("time.to")} value={to} onValue={setTo} />
        </div>
        {run.isRunning && <progress aria-label={t("export.progress")} />}
        <p class="small number" role="status">{(run.isRunning || file) && t("export.size", { kilobytes: number(bytes / 1000, 0) })}</p>
        <div class="buttons">
          <button class="main" disabled={run.isRunning}>{t("export.start")}</button>
          {file && <a class="button" href={file} download="audit.jsonl">{t("export.download")}</a>}
        </div>
      </form>
    </section>
  );
}

function VerificationsPanel() {
  const { t } = useWords();
  const { may } = useAccess();
  const list = useVerifications();
  const start = useAction<Verification>();
  const begin = async () => {
    if (await start.run(() => call("startVerification"))) list.reload();
  };
  return (
    <section class="panel">
      <header>
        <h2>{t("check.title")}</h2>
        {may("startVerification") && <button type="button" disabled={start.isRunning} onClick={() => void begin()}>{t("check.start")}</button>}
      </header>
      <p class="quiet small">{t("check.about")}</p>
      <Problem failure={start.failure} />
      <Whenever loaded={list}>
        {answer => answer.verifications.length === 0
          ? <p class="empty">{t("check.none")}</p>
          : answer.verifications.map(entry => <VerificationEntry key={entry.id} entry={entry} />)}
      </Whenever>
    </section>
  );
}

function VerificationEntry({ entry }: { entry: Verification }) {
  const { t, time, number } = useWords();
  const { state, report } = entry;
  const tone = state === "intact" ? "good" : state === "running" ? "" : "bad";
  return (
    <div class="entry">
      <p><span class={`tag ${tone}`}>{t(`job.${state}` as Key)}</span> <span class="quiet small">{time(entry.started_at)}</span></p>
      {state === "running" && <progress aria-label={t("check.progress")} />}
      <p class="small number" role="status">{t("check.rows", { rows: entry.checked_rows })}</p>
      {entry.error && <p class="small" lang="en">{entry.error}</p>}
      {report && (
        <p class="small quiet">{t("check.report", { chains: report.chains, erased: report.erased, unrecorded: report.unrecorded, pruned: report.pruned })}</p>
      )}
      {report && report.fault_count > 0 && (
        <Note tone="bad">
          <p>{t("check.faults", { faults: number(report.fault_count) })}</p>
          <ul class="plain-list small" lang="en">{report.faults.slice(0, 20).map(fault => <li key={fault}>{fault}</li>)}</ul>
        </Note>
      )}
    </div>
  );
}
