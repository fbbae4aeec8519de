// Who may use this console and the interface under it: operators of the store, and people who signed in through the provider.
import { useState } from "preact/hooks";

import { call } from "../api/call";
import { useAnswer } from "../api/use_answer";
import { TextField } from "../parts/field";
import { PageHead } from "../parts/page";
import { Note, Whenever } from "../parts/states";
import { useAccess } from "../session";
import { useWords } from "../words/words";
import { AddOperatorDialog } from "./operator_add";
import { OperatorDialog } from "./operator_dialog";
import { OperatorState, signInOf, type Operator } from "./operator_state";

export function Operators() {
  const { t } = useWords();
  const { session, may } = useAccess();
  const list = useAnswer(() => call("listOperators"), []);
  const [isAdding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const [filter, setFilter] = useState("");
  const operator = list.answer?.operators.find(({ name }) => name === chosen);
  return (
    <>
      <PageHead title={t("page.operators")} about={t("operators.about")}>
        {session.manage_operators && may("addOperator") && <button type="button" class="main" onClick={() => setAdding(true)}>{t("operators.add")}</button>}
      </PageHead>
      {!session.manage_operators && <p class="small quiet">{t("operators.byCommand")}</p>}
      <Whenever loaded={list}>
        {({ operators, refused }) => (
          <>
            {refused.length > 0 && (
              <Note tone="bad">
                <p>{t("operators.refused")}</p>
                <ul class="plain-list">{refused.map(({ name, fault }) => <li key={name}><strong>{name}</strong>: <span lang="en">{fault}</span></li>)}</ul>
              </Note>
            )}
            <div class="panel">
              <div class="fields"><TextField label={t("clients.filter")} type="search" value={filter} onValue={setFilter} /></div>
              <OperatorTable operators={operators.filter(one => matches(one, filter.trim()))} onChoose={setChosen} />
            </div>
          </>
        )}
      </Whenever>
      {isAdding && (
        <AddOperatorDialog onClose={hasAdded => {
          setAdding(false);
          if (hasAdded) list.reload();
        }} />
      )}
      {operator && <OperatorDialog operator={operator} onClose={() => setChosen(undefined)} onDone={list.reload} />}
    </>
  );
}

function matches({ name, claimed_name: claimedName }: Operator, filter: string): boolean {
  return name.includes(filter) || (claimedName ?? "").includes(filter);
}

function OperatorTable({ operators, onChoose }: { operators: readonly Operator[]; onChoose: (name: string) => void }) {
  const { t, named, minute, number } = useWords();
  if (operators.length === 0) return <p class="empty">{t("operators.none")}</p>;
  const labels = {
    name: t("client.name"), role: t("operator.role"), origin: t("operator.origin"), state: t("client.state"), signIn: t("operator.signIn"),
    last: t("operator.lastSignIn"), sessions: t("operator.sessions"),
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={t("page.operators")}>
      <table class="cards">
        <thead>
          <tr>
            <th scope="col">{labels.name}</th><th scope="col">{labels.role}</th><th scope="col">{labels.origin}</th>
            <th scope="col">{labels.state}</th><th scope="col">{labels.signIn}</th><th scope="col">{labels.last}</th>
            <th scope="col" class="number">{labels.sessions}</th>
          </tr>
        </thead>
        <tbody>
          {operators.map(operator => (
            <tr key={operator.name}>
              <th scope="row" data-label={labels.name} class="long">
                <div>
                  <button type="button" class="row-link" onClick={() => onChoose(operator.name)}>{operator.name}</button>
                  {operator.claimed_name && <div class="small quiet">{operator.claimed_name}</div>}
                </div>
              </th>
              <td data-label={labels.role}>{named("role", operator.role)}</td>
              <td data-label={labels.origin}>{t(operator.origin === "provider" ? "operator.ofProvider" : "operator.ofStore")}</td>
              <td data-label={labels.state}><div><OperatorState operator={operator} /></div></td>
              <td data-label={labels.signIn}>{t(signInOf(operator))}</td>
              <td data-label={labels.last}>{operator.last_signed_in_at ? minute(operator.last_signed_in_at) : "–"}</td>
              <td data-label={labels.sessions} class="number">{number(operator.sessions)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
