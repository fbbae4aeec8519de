// One operator: what is known of the account, and what another operator may do to it.
import { useState } from "preact/hooks";

import { call } from "../api/call";
import { useAction } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check, Choice } from "../parts/field";
import { Note, Problem } from "../parts/states";
import { useAccess } from "../session";
import { useWords, type Key } from "../words/words";
import { OperatorSecretsDialog, ROLES, type OperatorSecrets } from "./operator_add";
import { OperatorState, signInOf, type Operator } from "./operator_state";

type Act = "role" | "rotate" | "state" | "sessions";

interface ActProps {
  operator: Operator;
  /** The act is left; after it was done, the list is read again. */
  onLeave: (isDone: boolean) => void;
}

export function OperatorDialog({ operator, onClose, onDone }: { operator: Operator; onClose: () => void; onDone: () => void }) {
  const { t } = useWords();
  const [act, setAct] = useState<Act>();
  const [done, setDone] = useState<Key>();
  const [secrets, setSecrets] = useState<OperatorSecrets>();
  const leave = (said: Key) => (isDone: boolean) => {
    setAct(undefined);
    setDone(isDone ? said : undefined);
    if (isDone) onDone();
  };
  if (secrets) {
    return (
      <OperatorSecretsDialog secrets={secrets} title={t("client.rotated", { name: operator.name })} onClose={() => {
        onDone();
        onClose();
      }} />
    );
  }
  return (
    <Dialog title={operator.name} onClose={onClose}>
      {done && <Note tone="good">{t(done)}</Note>}
      {act === undefined && <Facts operator={operator} onAct={setAct} />}
      {act === "role" && <RoleForm operator={operator} onLeave={leave("operator.roleChanged")} />}
      {act === "state" && <StateForm operator={operator} onLeave={leave("operator.stateChanged")} />}
      {act === "sessions" && <SessionsForm operator={operator} onLeave={leave("operator.sessionsEnded")} />}
      {act === "rotate" && <RotateForm operator={operator} onLeave={() => setAct(undefined)} onSecrets={setSecrets} />}
    </Dialog>
  );
}

function Facts({ operator, onAct }: { operator: Operator; onAct: (act: Act) => void }) {
  const { t, named, minute, number } = useWords();
  const { session } = useAccess();
  const canChange = operator.origin === "store" && !operator.own;
  const moment = (at: string | null | undefined) => (at ? minute(at) : "–");
  return (
    <>
      <dl class="facts">
        {operator.claimed_name && <><dt>{t("operator.claimedName")}</dt><dd>{operator.claimed_name}</dd></>}
        <dt>{t("operator.role")}</dt><dd>{named("role", operator.role)}</dd>
        <dt>{t("operator.origin")}</dt><dd>{t(operator.origin === "provider" ? "operator.ofProvider" : "operator.ofStore")}</dd>
        <dt>{t("client.state")}</dt><dd><OperatorState operator={operator} /></dd>
        <dt>{t("operator.signIn")}</dt><dd>{t(signInOf(operator))}</dd>
        <dt>{t("operator.lastSignIn")}</dt><dd>{moment(operator.last_signed_in_at)}</dd>
        <dt>{t("operator.lastUse")}</dt><dd>{moment(operator.last_used_at)}</dd>
        <dt>{t("operator.sessions")}</dt><dd>{number(operator.sessions)}</dd>
        <dt>{t("operator.expires")}</dt><dd>{moment(operator.expires_at)}</dd>
        <dt>{t("client.created")}</dt><dd>{moment(operator.created_at)}</dd>
      </dl>
      {operator.own && <p class="small quiet">{t("operator.ownAbout")}</p>}
      {operator.origin === "provider" && <p class="small quiet">{t("operator.providerAbout")}</p>}
      <div class="buttons acts">
        {canChange && session.manage_operators && <button type="button" onClick={() => onAct("role")}>{t("operator.changeRole")}</button>}
        {canChange && session.manage_operators && <button type="button" onClick={() => onAct("rotate")}>{t("client.rotate")}</button>}
        {canChange && operator.disabled && session.manage_operators && <button type="button" onClick={() => onAct("state")}>{t("client.enable")}</button>}
        {operator.sessions > 0 && <button type="button" class="danger" onClick={() => onAct("sessions")}>{t("operator.endSessions")}</button>}
        {canChange && !operator.disabled && <button type="button" class="danger" onClick={() => onAct("state")}>{t("client.disable")}</button>}
      </div>
    </>
  );
}

function RoleForm({ operator, onLeave }: ActProps) {
  const { t, named } = useWords();
  const [role, setRole] = useState(operator.role);
  const change = useAction<unknown>();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (role === operator.role) return onLeave(false);
    if (await change.run(() => call("changeOperator", { path: { name: operator.name }, body: { role } }))) onLeave(true);
    return undefined;
  };
  return (
    <form onSubmit={event => void submit(event)}>
      <Problem failure={change.failure} />
      <Choice label={t("operator.role")} hint={t("operator.roleHint")} value={role} onValue={setRole} options={ROLES.map(one => [one, named("role", one)] as const)} />
      <div class="buttons">
        <button class="main" disabled={change.isRunning}>{t("action.save")}</button>
        <button type="button" onClick={() => onLeave(false)}>{t("action.cancel")}</button>
      </div>
    </form>
  );
}

function RotateForm({ operator, onLeave, onSecrets }: ActProps & { onSecrets: (secrets: OperatorSecrets | undefined) => void }) {
  const { t } = useWords();
  const [token, setToken] = useState(!operator.has_password);
  const [password, setPassword] = useState(operator.has_password);
  const [code, setCode] = useState(false);
  const rotate = useAction<OperatorSecrets>();
  const submit = async (event: Event) => {
    event.preventDefault();
    onSecrets(await rotate.run(() => call("rotateOperator", { path: { name: operator.name }, body: { token, password, code } })));
  };
  return (
    <form onSubmit={event => void submit(event)}>
      <Problem failure={rotate.failure} />
      <p>{t("operator.rotateAbout")}</p>
      <div>
        <Check label={t("operator.newToken")} checked={token} onValue={setToken} />
        <Check label={t("operator.newPassword")} checked={password} onValue={setPassword} />
        <Check label={t("operator.newCode")} checked={code} onValue={setCode} />
      </div>
      <div class="buttons">
        <button class="main" disabled={rotate.isRunning || !(token || password || code)}>{t("client.rotate")}</button>
        <button type="button" onClick={() => onLeave(false)}>{t("action.cancel")}</button>
      </div>
    </form>
  );
}

function StateForm({ operator, onLeave }: ActProps) {
  const { t } = useWords();
  const set = useAction<unknown>();
  const isDisabling = !operator.disabled;
  const confirm = async () => {
    if (await set.run(() => call("setOperatorState", { path: { name: operator.name }, body: { disabled: isDisabling } }))) onLeave(true);
  };
  return (
    <>
      <Problem failure={set.failure} />
      <p>{t(isDisabling ? "operator.disableAbout" : "operator.enableAbout")}</p>
      <Confirm text={t(isDisabling ? "client.disable" : "client.enable")} isDangerous={isDisabling} isRunning={set.isRunning} onConfirm={confirm} onCancel={() => onLeave(false)} />
    </>
  );
}

function SessionsForm({ operator, onLeave }: ActProps) {
  const { t } = useWords();
  const end = useAction<boolean>();
  const confirm = async () => {
    const hasEnded = await end.run(async () => {
      await call("endSessions", { path: { name: operator.name } });
      return true;
    });
    if (hasEnded) onLeave(true);
  };
  return (
    <>
      <Problem failure={end.failure} />
      <p>{t(operator.own ? "operator.endOwnAbout" : "operator.endAbout")}</p>
      <Confirm text={t("operator.endSessions")} isDangerous isRunning={end.isRunning} onConfirm={confirm} onCancel={() => onLeave(false)} />
    </>
  );
}

function Confirm({ text, isDangerous, isRunning, onConfirm, onCancel }: {
  text: string;
  isDangerous: boolean;
  isRunning: boolean;
  onConfirm: () => Promise<void>;
  onCancel: () => void;
}) {
  const { t } = useWords();
  return (
    <div class="buttons">
      <button type="button" class={isDangerous ? "danger main" : "main"} disabled={isRunning} onClick={() => void onConfirm()}>{text}</button>
      <button type="button" onClick={onCancel}>{t("action.cancel")}</button>
    </div>
  );
}
