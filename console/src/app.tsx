// The whole console: the sign-in while nobody is signed in, else a page in its frame.
import { useEffect, useMemo, useState } from "preact/hooks";

import { call, Failure, setCsrfToken, whenSignedOut } from "./api/call";
import { asFailure } from "./api/use_answer";
import { Frame } from "./frame";
import { SignIn } from "./pages/sign_in";
import { Problem } from "./parts/states";
import { keepLanguage, readLanguage } from "./preferences";
import { takeProviderAnswer } from "./provider_sign_in";
import { AccessContext, accessOf, type Session } from "./session";
import { Words, WordsContext } from "./words/words";

type State =
  | { is: "starting" }
  | { is: "unreachable"; failure: Failure }
  | { is: "signedOut"; hasEnded: boolean; failure?: Failure }
  | { is: "signedIn"; session: Session };

export function App() {
  const [language, setLanguage] = useState(readLanguage);
  const [state, setState] = useState<State>({ is: "starting" });
  const words = useMemo(() => new Words(language, chosen => {
    keepLanguage(chosen);
    setLanguage(chosen);
  }), [language]);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  useEffect(() => {
    whenSignedOut(() => {
      setCsrfToken(null);
      setState(before => before.is === "signedIn" ? { is: "signedOut", hasEnded: true } : before);
    });
    void begin();
  }, []);

  const enter = (session: Session) => {
    setCsrfToken(session.csrf_token ?? null);
    setState({ is: "signedIn", session });
  };
  const start = () => call("showSession").then(enter, (error: unknown) => {
    const failure = asFailure(error);
    setState(failure.status === 401 ? { is: "signedOut", hasEnded: false } : { is: "unreachable", failure });
  });
  // A session that goes on is kept, whatever came in the address.
  const begin = async () => {
    const brought = takeProviderAnswer();
    if (!brought) return start();
    try {
      enter(await call("signInFromProvider", { body: brought }));
    } catch (error) {
      const failure = asFailure(error);
      await call("showSession").then(enter, () => setState({ is: "signedOut", hasEnded: false, failure }));
    }
  };
  const signOut = async () => {
    const signedOut = await call("signOut").catch(() => undefined);
    setCsrfToken(null);
    setState({ is: "signedOut", hasEnded: false });
    // The provider leads back to the sign-in.
    if (signedOut?.provider_address) location.assign(signedOut.provider_address);
  };
  return (
    <WordsContext.Provider value={words}>
      {state.is === "unreachable" && <main><Problem failure={state.failure} retry={() => void start()} /></main>}
      {state.is === "signedOut" && <SignIn hasEnded={state.hasEnded} failure={state.failure} onSession={enter} />}
      {state.is === "signedIn" && <SignedIn session={state.session} onSignOut={signOut} />}
    </WordsContext.Provider>
  );
}

function SignedIn({ session, onSignOut }: { session: Session; onSignOut: () => Promise<void> }) {
  const access = useMemo(() => accessOf(session), [session]);
  return <AccessContext.Provider value={access}><Frame onSignOut={onSignOut} /></AccessContext.Provider>;
}
