// The sign-in with name and password, and a code where the account has one; or through a provider, where one is set.
import { useEffect, useRef, useState } from "preact/hooks";

import { call, type Answer, type Failure } from "../api/call";
import { useAction } from "../api/use_answer";
import { TextField } from "../parts/field";
import { Preferences } from "../parts/preferences";
import { Note, Problem } from "../parts/states";
import type { Session } from "../session";
import { useWords } from "../words/words";

export function SignIn({ hasEnded, failure, onSession }: {
  hasEnded: boolean;
  /** Why the browser came back from the provider without a session. */
  failure: Failure | undefined;
  onSession: (session: Session) => void;
}) {
  const { t } = useWords();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  const signIn = useAction<Session>();
  const leave = useAction<Answer<"beginProviderSignIn">>();
  const [provider, setProvider] = useState<string | null>(null);
  const form = useRef<HTMLFormElement>(null);

  useEffect(() => {
    document.title = `${t("signIn.title")} – Padan`;
  }, [t]);
  useEffect(() => {
    form.current?.querySelector<HTMLInputElement>(needsCode ? "[name=code]" : "[name=name]")?.focus();
  }, [needsCode]);
  useEffect(() => {
    // Without an answer, the sign-in with a password is still there.
    call("showSignIn").then(ways => setProvider(ways.provider ?? null), () => undefined);
  }, []);
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
  const leaveForProvider = async () => {
    const departure = await leave.run(() => call("beginProviderSignIn"));
    if (departure) location.assign(departure.address);
  };
  return (
    <main class="gate">
      <div>
        <p class="name"><img src="./icon.svg" alt="" />Padan</p>
        {hasEnded && !signIn.failure && !leave.failure && <Note tone="warn">{t("signIn.ended")}</Note>}
        {isCodeMissing ? <Note tone="warn">{t("failure.CODE_REQUIRED")}</Note> : <Problem failure={signIn.failure ?? leave.failure ?? failure} />}
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
          {provider !== null && (
            <button type="button" class="provider" disabled={leave.isRunning} onClick={() => void leaveForProvider()}>
              {t("signIn.provider", { name: provider })}
            </button>
          )}
        </div>
        <div class="bar"><Preferences /></div>
      </div>
    </main>
  );
}
