// A new operator, and secrets of an operator, which are shown once.
import { useState } from "preact/hooks";

import { call, type Answer } from "../api/call";
import { useAction } from "../api/use_answer";
import { Dialog } from "../parts/dialog";
import { Check, Choice, TextField } from "../parts/field";
import { SecretsShown } from "../parts/secret";
import { Problem } from "../parts/states";
import { useWords } from "../words/words";

export type OperatorSecrets = Answer<"addOperator">;

export const ROLES = ["support", "operator", "auditor"] as const;

export function AddOperatorDialog({ onClose }: { onClose: (hasAdded: boolean) => void }) {
  const { t, named } = useWords();
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>("support");
  const [days, setDays] = useState("");
  const [password, setPassword] = useState(true);
  const [code, setCode] = useState(true);
  const [secrets, setSecrets] = useState<OperatorSecrets>();
  const add = useAction<OperatorSecrets>();
  const submit = async (event: Event) => {
    event.preventDefault();
    const validity = days.trim() === "" ? {} : { valid_for_seconds: Math.round(Number(days) * 86_400) };
    const body = { name: name.trim(), role, password, code: password && code, ...validity };
    setSecrets(await add.run(() => call("addOperator", { body })));
  };
  if (secrets) return <OperatorSecretsDialog secrets={secrets} title={t("clients.added", { name: secrets.name })} onClose={() => onClose(true)} />;
  return (
    <Dialog title={t("operators.add")} onClose={() => onClose(false)}>
      <form autocomplete="off" onSubmit={event => void submit(event)}>
        <Problem failure={add.failure} />
        <div class="fields">
          <TextField label={t("client.name")} hint={t("operator.nameHint")} required maxLength={64} value={name} onValue={setName} />
          <Choice label={t("operator.role")} value={role} onValue={setRole} options={ROLES.map(one => [one, named("role", one)] as const)} />
          <TextField label={t("operator.validDays")} hint={t("operator.validDaysHint")} type="number" min={0.01} max={3660} step="any" value={days} onValue={setDays} />
        </div>
        <div>
          <Check label={t("operator.withPassword")} hint={t("operator.withPasswordHint")} checked={password} onValue={setPassword} />
          {password && <Check label={t("operator.withCode")} hint={t("operator.withCodeHint")} checked={code} onValue={setCode} />}
        </div>
        <div class="buttons">
          <button class="main" disabled={add.isRunning}>{t("operators.add")}</button>
          <button type="button" onClick={() => onClose(false)}>{t("action.cancel")}</button>
        </div>
      </form>
    </Dialog>
  );
}

/** The secrets of an operator, which are gone once the dialog is closed. */
export function OperatorSecretsDialog({ secrets, title, onClose }: { secrets: OperatorSecrets; title: string; onClose: () => void }) {
  const { t } = useWords();
  const shown = [
    [t("operator.token"), secrets.token],
    [t("client.password"), secrets.password],
    [t("operator.codeSecret"), secrets.code_secret],
    [t("operator.codeAddress"), secrets.code_address],
  ] as const;
  return <SecretsShown title={title} about={t("operators.once")} secrets={shown} onClose={onClose} />;
}
