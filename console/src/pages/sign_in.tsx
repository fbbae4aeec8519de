// The sign-in with name and password, and a code where the account has one.
import { useEffect, useRef, useState } from "preact/hooks";

import { call } from "../api/call";
import { useAction } from "../api/use_answer";
import { TextField } from "../parts/field";
import { Preferences } from "../parts/preferences";
import { Note, Problem } from "../parts/states";
import type { Session } from "../session";
import { useWords } from "../words/words";

export function SignIn({ hasEnded, onSession }: { hasEnded: boolean; onSession: (session: Session) => void }) {
  const { t } = useWords();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const signIn = useAction<Session>();
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    document.title = `${t("signIn.title")} – Padan`;
  }, [t]);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>(needsCode ? "[name=code]" : "[name=name]")?.focus();
  }, [needsCode]);
  const isCodeMissing = signIn.failure?.code === "CODE_REQUIRED";
  useEffect(() => {
    if (isCodeMissing) setNeedsCode(true);
  }, [isCodeMissing]);

  const submit = async (event: Event) => {
    event.preventDefault();
    const body = { name, password, ...(needsCode ? { code: code.replace(/\s/g, "") } : {}) };
    const session = await signIn.run(() => call("signIn", { body }));
    if (session) onSession(session);
  };
  return (
    <main class="gate">
      <div>
        <p class="name"><img src="./icon.svg" alt="" />Padan</p>
        {hasEnded && !signIn.failure && <Note tone="warn">{t("signIn.ended")}</Note>}
        {isCodeMissing ? <Note tone="warn">{t("failure.CODE_REQUIRED")}</Note> : <Problem failure={signIn.failure} />}
        <div class="panel">
          <form ref={form} onSubmit={event => void submit(event)}>
            <h1>{t("signIn.title")}</h1>
            <TextField label={t("signIn.name")} name="name" autocomplete="username" required value={name} onValue={setName} />
            <TextField label={t("signIn.password")} name="password" type="password" autocomplete="current-password" required
              value={password} onValue={setPassword} />
            {needsCode && (
              <TextField label={t("signIn.code")} hint={t("signIn.codeHint")} name="code" inputMode="numeric"
                autocomplete="one-time-code" maxLength={12} required value={code} onValue={setCode} />
            )}
            <button class="main" disabled={signIn.isRunning}>{t(signIn.isRunning ? "signIn.running" : "signIn.go")}</button>
          </form>
        </div>
        <div class="bar"><Preferences /></div>
      </div>
    </main>
  );
}
