// Exports of the audit trail and verifications of it. Both run in the service: a reload of the page loses nothing.
import { useState } from "preact/hooks";

import { addressOf, call, type Answer } from "../api/call";
import { useAction, useAnswer, type Loaded } from "../api/use_answer";
import { Choice, TextField } from "../parts/field";
import { MomentField, momentOf } from "../parts/moment_field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { useAccess } from "../session";
import { useWords, type Key } from "../words/words";

type Jobs = Answer<"listExports">;
type Job = Jobs["jobs"][number];
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
      {may("listExports") && <Exports />}
      {may("listVerifications") && <VerificationsPanel />}
    </>
  );
}

/** Loads a list again and again while something in it runs. */
function useRunning<T>(load: () => Promise<T>, isRunning: (answer: T) => boolean): Loaded<T> {
  const [interval, setInterval] = useState<number>();
  return useAnswer(async () => {
    const answer = await load();
    setInterval(isRunning(answer) ? EVERY_MS : undefined);
    return answer;
  }, [], interval);
}

function Exports() {
  const { t } = useWords();
  const { may } = useAccess();
  const jobs = useRunning<Jobs>(() => call("listExports"), answer => answer.jobs.some(job => job.state === "running"));
  return (
    <section class="panel">
      <h2>{t("export.title")}</h2>
      {may("startExport") && <ExportForm onStarted={jobs.reload} />}
      <Whenever loaded={jobs}>
        {answer => answer.jobs.length === 0
          ? <p class="empty">{t("export.none")}</p>
          : answer.jobs.map(job => <ExportEntry key={job.id} job={job} onChange={jobs.reload} />)}
      </Whenever>
    </section>
  );
}

function ExportForm({ onStarted }: { onStarted: () => void }) {
  const { t, named } = useWords();
  const [kind, setKind] = useState("");
  const [client, setClient] = useState("");
  const [nik, setNik] = useState("");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const start = useAction<Job>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const body = {
      kind: kind || null, client: client.trim() || null, nik: nik.replace(/[\s.]/g, "") || null, from: momentOf(from), to: momentOf(to),
    };
    if (await start.run(() => call("startExport", { body }))) onStarted();
  };
  return (
    <form autocomplete="off" class="entry" onSubmit={event => void submit(event)}>
      <p class="quiet small">{t("export.about")}</p>
      <Problem failure={start.failure} />
      <div class="fields">
        <Choice label={t("row.kind")} value={kind} onValue={setKind} options={KINDS.map(name => [name, name ? named("kind", name) : t("choice.any")])} />
        <TextField label={t("row.client")} value={client} onValue={setClient} />
        <TextField label={t("export.nik")} inputMode="numeric" value={nik} onValue={setNik} />
        <MomentField label={t("time.from")} value={from} onValue={setFrom} />
        <MomentField label={t("time.to")} value={to} onValue={setTo} />
      </div>
      <div class="buttons"><button class="main" disabled={start.isRunning}>{t("export.start")}</button></div>
    </form>
  );
}

function ExportEntry({ job, onChange }: { job: Job; onChange: () => void }) {
  const { t, time, number, named } = useWords();
  const { may } = useAccess();
  const act = useAction<boolean>();
  const isRunning = job.state === "running";
  const change = async (operation: "removeExport" | "continueExport") => {
    const isDone = await act.run(async () => {
      await call(operation, { path: { id: job.id } });
      return true;
    });
    if (isDone) onChange();
  };
  const tone = job.state === "done" ? "good" : job.state === "failed" ? "bad" : job.state === "interrupted" ? "warn" : "";
  const { criteria } = job;
  const chosen = [
    criteria.one_person && t("export.onePerson"), criteria.kind && named("kind", criteria.kind), criteria.client,
    criteria.from && t("export.from", { time: time(criteria.from) }), t("export.to", { time: time(criteria.to) }),
  ];
  const hasFile = job.state === "done" && job.kept_until != null;
  const mayContinue = ["waiting", "interrupted", "failed"].includes(job.state) && may("continueExport");
  const mayRemove = (hasFile || isRunning || mayContinue) && may("removeExport");
  return (
    <div class="entry">
      <p><span class={`tag ${tone}`}>{named("job", job.state)}</span> <span class="quiet small">{t("export.startedBy", { time: time(job.started_at), operator: job.operator })}</span></p>
      <p class="small">{chosen.filter(Boolean).join(" · ")}</p>
      {isRunning && <progress aria-label={t("export.progress")} />}
      <p class="small number" role="status">
        {t("export.rows", { rows: number(job.rows), kilobytes: number(job.bytes / 1000, 0) })}
        {job.kept_until && ` ${t("export.keptUntil", { time: time(job.kept_until) })}`}
        {job.state === "done" && !hasFile && ` ${t("export.noFile")}`}
      </p>
      {job.error && <p class="small" lang="en">{job.error}</p>}
      <Problem failure={act.failure} />
      <div class="buttons">
        {hasFile && may("downloadExport") && <a class="button" href={addressOf("downloadExport", { id: job.id })} download={`audit-${job.id}.jsonl`}>{t("export.download")}</a>}
        {mayContinue && <button type="button" disabled={act.isRunning} onClick={() => void change("continueExport")}>{t("export.continue")}</button>}
        {mayRemove && <button type="button" class="plain" disabled={act.isRunning} onClick={() => void change("removeExport")}>{t(hasFile ? "export.remove" : "export.stop")}</button>}
      </div>
    </div>
  );
}

function VerificationsPanel() {
  const { t } = useWords();
  const { may } = useAccess();
  const list = useRunning<Verifications>(() => call("listVerifications"), answer => answer.verifications.some(entry => entry.state === "running"));
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
