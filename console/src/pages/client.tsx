// One client: its limits, what it used of them, its calls by day, its last refusals, and what an operator may do to it.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction, useAnswer } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check, TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { countByDay, UsageChart } from "../parts/usage_chart";
import { go, to } from "../router";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { changedRules, RulesFields, typedRules, type TypedRules } from "./client_rules";
import { SecretsDialog, type Secrets } from "./client_secrets";
import { ClientState } from "./client_state";
import { Rows } from "./rows";

type Details = Answer<"showClient">;
type Act = "change" | "rotate" | "state" | "remove";

/** Days that the chart shows. */
const DAYS = 31;

/** The day in Jakarta, `days` ago. */
export function dayInJakarta(days: number): string {
  return new Date(Date.now() + 7 * 3_600_000 - days * 86_400_000).toISOString().slice(0, 10);
}

export function ClientPage({ name }: { name: string }) {
  const { t } = useWords();
  const { may } = useAccess();
  const details = useAnswer(() => call("showClient", { path: { name } }), [name]);
  const [act, setAct] = useState<Act>();
  const done = () => {
    setAct(undefined);
    details.reload();
  };
  const client = details.answer?.client;
  return (
    <>
      <PageHead title={name} about={t("client.about")}><a class="button" href={to("clients")}>{t("client.all")}</a></PageHead>
      <Whenever loaded={details}>
        {answer => (
          <>
            <div class="columns">
              <Limits details={answer} may={may} onAct={setAct} />
              <Quotas details={answer} />
            </div>
            {may("showUsage") && <UsagePanel name={name} />}
            {may("listRequests") && <RefusalsPanel name={name} />}
          </>
        )}
      </Whenever>
      {client && act === "change" && <ChangeDialog client={client} onClose={() => setAct(undefined)} onDone={done} />}
      {client && act === "rotate" && <RotateDialog name={name} onClose={() => setAct(undefined)} onDone={done} />}
      {client && act === "state" && <StateDialog client={client} onClose={() => setAct(undefined)} onDone={done} />}
      {client && act === "remove" && <RemoveDialog name={name} onClose={() => setAct(undefined)} />}
    </>
  );
}

function Limits({ details, may, onAct }: { details: Details; may: ReturnType<typeof useAccess>["may"]; onAct: (act: Act) => void }) {
  const { t, number, minute, named } = useWords();
  const { client } = details;
  const { rules } = client;
  const list = (values: readonly string[], none: string) => (values.length > 0 ? values.map(value => <div key={value}><code>{value}</code></div>) : none);
  return (
    <section class="panel">
      <header><h2>{t("client.limits")}</h2><div><ClientState isDisabled={client.disabled} isSandbox={client.sandbox} /></div></header>
      <dl class="facts">
        <dt>{t("client.username")}</dt><dd><code>{client.username}</code></dd>
        <dt>{t("client.rate")}</dt>
        <dd>{rules.rate ? t("client.rateIs", { rate: number(rules.rate.per_second, 3), burst: text(rules.rate.burst) }) : t("client.unlimited")}</dd>
        <dt>{t("client.endpoints")}</dt>
        <dd>{rules.endpoints ? rules.endpoints.map(name => named("endpoint", name)).join(", ") || "–" : t("client.allEndpoints")}</dd>
        <dt>{t("client.networks")}</dt><dd>{list(rules.networks, t("client.anyNetwork"))}</dd>
        <dt>{t("client.certificates")}</dt><dd>{list(rules.certificates, t("client.noCertificate"))}</dd>
        <dt>{t("client.fields")}</dt><dd>{list(rules.fields, "–")}</dd>
        <dt>{t("client.created")}</dt><dd>{minute(client.created_at)}</dd>
        <dt>{t("client.changed")}</dt><dd>{minute(client.changed_at)}</dd>
        {client.old_password_until && <><dt>{t("client.oldPassword")}</dt><dd>{minute(client.old_password_until)}</dd></>}
        {client.old_api_key_until && <><dt>{t("client.oldApiKey")}</dt><dd>{minute(client.old_api_key_until)}</dd></>}
      </dl>
      <div class="buttons acts">
        {may("changeClientRules") && <button type="button" onClick={() => onAct("change")}>{t("client.change")}</button>}
        {may("rotateClient") && <button type="button" onClick={() => onAct("rotate")}>{t("client.rotate")}</button>}
        {may("setClientState") && <button type="button" class={client.disabled ? "" : "danger"} onClick={() => onAct("state")}>{t(client.disabled ? "client.enable" : "client.disable")}</button>}
        {may("removeClient") && <button type="button" class="danger" onClick={() => onAct("remove")}>{t("client.remove")}</button>}
      </div>
    </section>
  );
}

const text = (value: number | null | undefined) => (value == null ? "–" : String(value));

function Quotas({ details }: { details: Details }) {
  const { t } = useWords();
  const { rules } = details.client;
  return (
    <section class="panel stack">
      <h2>{t("client.quotas")}</h2>
      <Quota label={t("client.today")} used={details.used_today} quota={rules.daily_quota} />
      <Quota label={t("client.thisMonth")} used={details.used_this_month} quota={rules.monthly_quota} />
      <p class="small quiet">{t("client.quotaDays")}</p>
    </section>
  );
}

function Quota({ label, used, quota }: { label: string; used: number; quota: number | null | undefined }) {
  const { t, number } = useWords();
  const left = quota == null ? null : Math.max(0, quota - used);
  return (
    <div class="meter">
      <p class="label">
        <span>{label}</span>
        <span class="number">{left === null ? t("client.usedOnly", { used }) : t("client.left", { left, used, quota: number(quota ?? 0) })}</span>
      </p>
      {quota != null && <meter min={0} max={Math.max(quota, 1)} value={Math.min(used, quota)} high={quota * 0.8} optimum={0} aria-label={label} />}
    </div>
  );
}

function UsagePanel({ name }: { name: string }) {
  const { t } = useWords();
  const [from, to] = [dayInJakarta(DAYS - 1), dayInJakarta(0)];
  const usage = useAnswer(() => call("showUsage", { query: { client: name, from } }), [name]);
  return (
    <section class="panel">
      <h2>{t("usage.title")}</h2>
      <Whenever loaded={usage}>{answer => <UsageChart days={countByDay(answer.rows, from, to)} />}</Whenever>
    </section>
  );
}

function RefusalsPanel({ name }: { name: string }) {
  const { t } = useWords();
  const refusals = useAnswer(() => call("listRequests", { body: { client: name, refused: true, limit: 10 } }), [name]);
  return (
    <section class="panel">
      <h2>{t("client.refusals")}</h2>
      <Whenever loaded={refusals}>{page => <Rows rows={page.rows} caption={t("client.refusals")} />}</Whenever>
    </section>
  );
}

interface ActProps {
  onClose: () => void;
  onDone: () => void;
}

function ChangeDialog({ client, onClose, onDone }: ActProps & { client: Details["client"] }) {
  const { t } = useWords();
  // What was read when the dialog was opened: the change is refused if somebody else changed the client since.
  const [before] = useState(() => ({ changedAt: client.changed_at, rules: typedRules(client.rules) }));
  const [rules, setRules] = useState<TypedRules>(before.rules);
  const change = useAction<Details>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const changed = changedRules(before.rules, rules);
    if (Object.keys(changed).length === 0) return onClose();
    const body = { changed_at: before.changedAt, rules: changed };
    if (await change.run(() => call("changeClientRules", { path: { name: client.name }, body }))) onDone();
    return undefined;
  };
  return (
    <Dialog title={t("client.changeTitle", { name: client.name })} onClose={onClose}>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <Problem failure={change.failure} />
        <RulesFields rules={rules} onRules={setRules} hasQuotas={!client.sandbox} />
        <div class="buttons">
          <button class="main" disabled={change.isRunning}>{t("action.save")}</button>
          <button type="button" onClick={onClose}>{t("action.cancel")}</button>
        </div>
      </form>
    </Dialog>
  );
}

function RotateDialog({ name, onClose, onDone }: ActProps & { name: string }) {
  const { t } = useWords();
  const [password, setPassword] = useState(true);
  const [apiKey, setApiKey] = useState(true);
  const [hours, setHours] = useState("24");
  const [secrets, setSecrets] = useState<Secrets>();
  const rotate = useAction<Secrets>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const body = { password, api_key: apiKey, keep_old_seconds: Math.round(Number(hours || 0) * 3600) };
    setSecrets(await rotate.run(() => call("rotateClient", { path: { name }, body })));
  };
  if (secrets) return <SecretsDialog secrets={secrets} title={t("client.rotated", { name })} onClose={onDone} />;
  return (
    <Dialog title={t("client.rotateTitle", { name })} onClose={onClose}>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <Problem failure={rotate.failure} />
        <div>
          <Check label={t("client.newPassword")} checked={password} onValue={setPassword} />
          <Check label={t("client.newApiKey")} checked={apiKey} onValue={setApiKey} />
        </div>
        <TextField label={t("client.keepOld")} hint={t("client.keepOldHint")} type="number" min={0} max={8784} step="any" value={hours} onValue={setHours} />
        <div class="buttons">
          <button class="main" disabled={rotate.isRunning || !(password || apiKey)}>{t("client.rotate")}</button>
          <button type="button" onClick={onClose}>{t("action.cancel")}</button>
        </div>
      </form>
    </Dialog>
  );
}

function StateDialog({ client, onClose, onDone }: ActProps & { client: Details["client"] }) {
  const { t } = useWords();
  const set = useAction<Details>();
  const isDisabling = !client.disabled;
  const confirm = async () => {
    if (await set.run(() => call("setClientState", { path: { name: client.name }, body: { disabled: isDisabling } }))) onDone();
  };
  return (
    <Dialog title={t(isDisabling ? "client.disableTitle" : "client.enableTitle", { name: client.name })} onClose={onClose}>
      <Problem failure={set.failure} />
      <p>{t(isDisabling ? "client.disableAbout" : "client.enableAbout")}</p>
      <div class="buttons">
        <button type="button" class={isDisabling ? "danger main" : "main"} disabled={set.isRunning} onClick={() => void confirm()}>{t(isDisabling ? "client.disable" : "client.enable")}</button>
        <button type="button" onClick={onClose}>{t("action.cancel")}</button>
      </div>
    </Dialog>
  );
}

function RemoveDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const { t } = useWords();
  const [typed, setTyped] = useState("");
  const remove = useAction<boolean>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const isRemoved = await remove.run(async () => {
      await call("removeClient", { path: { name } });
      return true;
    });
    if (isRemoved) go("clients");
  };
  return (
    <Dialog title={t("client.removeTitle", { name })} onClose={onClose}>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <Problem failure={remove.failure} />
        <Note tone="warn">{t("client.removeAbout")}</Note>
        <TextField label={t("client.typeName")} required value={typed} onValue={setTyped} />
        <div class="buttons">
          <button class="danger main" disabled={remove.isRunning || typed !== name}>{t("client.remove")}</button>
          <button type="button" onClick={onClose}>{t("action.cancel")}</button>
        </div>
      </form>
    </Dialog>
  );
}
