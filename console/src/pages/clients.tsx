// All clients, and one of them.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction, useAnswer } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check, TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Problem, Whenever } from "../parts/states";
import { to, type Route } from "../router";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { ClientPage } from "./client";
import { RulesFields, rulesOf, typedRules, type TypedRules } from "./client_rules";
import { SecretsDialog, type Secrets } from "./client_secrets";
import { ClientState } from "./client_state";

type List = Answer<"listClients">;

export function Clients({ route }: { route: Route }) {
  return route[1] === undefined ? <ClientList /> : <ClientPage key={route[1]} name={route[1]} />;
}

function ClientList() {
  const { t } = useWords();
  const { may } = useAccess();
  const clients = useAnswer(() => call("listClients"), []);
  const [isAdding, setAdding] = useState(false);
  const [filter, setFilter] = useState("");
  return (
    <>
      <PageHead title={t("page.clients")} about={t("clients.about")}>
        {may("addClient") && <button type="button" class="main" onClick={() => setAdding(true)}>{t("clients.add")}</button>}
      </PageHead>
      <Whenever loaded={clients}>
        {list => (
          <>
            {list.refused.length > 0 && <RefusedClients list={list} />}
            <div class="panel">
              <div class="fields"><TextField label={t("clients.filter")} type="search" value={filter} onValue={setFilter} /></div>
              <ClientTable clients={list.clients.filter(client => client.name.includes(filter.trim()) || client.username.includes(filter.trim()))} />
            </div>
          </>
        )}
      </Whenever>
      {isAdding && (
        <AddDialog onClose={hasAdded => {
          setAdding(false);
          if (hasAdded) clients.reload();
        }} />
      )}
    </>
  );
}

function RefusedClients({ list }: { list: List }) {
  const { t } = useWords();
  return (
    <Note tone="bad">
      <p>{t("clients.refused")}</p>
      <ul class="plain-list">{list.refused.map(client => <li key={client.name}><strong>{client.name}</strong>: <span lang="en">{client.fault}</span></li>)}</ul>
    </Note>
  );
}

function ClientTable({ clients }: { clients: List["clients"] }) {
  const { t, number, minute } = useWords();
  if (clients.length === 0) return <p class="empty">{t("clients.none")}</p>;
  const labels = { name: t("client.name"), state: t("client.state"), rate: t("client.rate"), daily: t("client.dailyQuota"), monthly: t("client.monthlyQuota"), changed: t("client.changed") };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("page.clients")}>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">{labels.name}</th><th scope="col">{labels.state}</th><th scope="col" class="number">{labels.rate}</th>
            <th scope="col" class="number">{labels.daily}</th><th scope="col" class="number">{labels.monthly}</th><th scope="col">{labels.changed}</th>
          </tr>
        </thead>
        <tbody>
          {clients.map(({ name, disabled, sandbox, rules, changed_at: changed }) => (
            <tr key={name}>
              <th scope="row" data-label={labels.name} class="long"><a href={to("clients", name)}>{name}</a></th>
              <td data-label={labels.state}><div><ClientState isDisabled={disabled} isSandbox={sandbox} /></div></td>
              <td data-label={labels.rate} class="number">{rules.rate ? `${number(rules.rate.per_second, 3)} / s` : t("client.unlimited")}</td>
              <td data-label={labels.daily} class="number">{rules.daily_quota == null ? t("client.unlimited") : number(rules.daily_quota)}</td>
              <td data-label={labels.monthly} class="number">{rules.monthly_quota == null ? t("client.unlimited") : number(rules.monthly_quota)}</td>
              <td data-label={labels.changed}>{minute(changed)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function AddDialog({ onClose }: { onClose: (hasAdded: boolean) => void }) {
  const { t } = useWords();
  const [name, setName] = useState("");
  const [username, setUsername] = useState("");
  const [isSandbox, setSandbox] = useState(false);
  const [rules, setRules] = useState<TypedRules>(typedRules(undefined));
  const [secrets, setSecrets] = useState<Secrets>();
  const add = useAction<Secrets>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const body = {
      name: name.trim(),
      ...(username.trim() ? { username: username.trim() } : {}),
      sandbox: isSandbox,
      rules: isSandbox ? { ...rulesOf(rules), daily_quota: null, monthly_quota: null } : rulesOf(rules),
    };
    setSecrets(await add.run(() => call("addClient", { body })));
  };
  if (secrets) return <SecretsDialog secrets={secrets} title={t("clients.added", { name: secrets.name })} onClose={() => onClose(true)} />;
  return (
    <Dialog title={t("clients.add")} onClose={() => onClose(false)}>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <Problem failure={add.failure} />
        <div class="fields">
          <TextField label={t("client.name")} hint={t("client.nameHint")} required maxLength={200} value={name} onValue={setName} />
          <TextField label={t("client.username")} hint={t("client.usernameHint")} maxLength={200} value={username} onValue={setUsername} />
        </div>
        <Check label={t("client.sandbox")} hint={t("client.sandboxHint")} checked={isSandbox} onValue={setSandbox} />
        <RulesFields rules={rules} onRules={setRules} hasQuotas={!isSandbox} />
        <div class="buttons">
          <button class="main" disabled={add.isRunning}>{t("clients.add")}</button>
          <button type="button" onClick={() => onClose(false)}>{t("action.cancel")}</button>
        </div>
      </form>
    </Dialog>
  );
}
