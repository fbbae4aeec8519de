// Whether a client is enabled, and whether it is one of the sandbox.
import { useWords } from "../words/words";

export function ClientState({ isDisabled, isSandbox }: { isDisabled: boolean; isSandbox: boolean }) {
  const { t } = useWords();
  return (
    <>
      <span class={`tag ${isDisabled ? "bad" : "good"}`}>{t(isDisabled ? "client.disabled" : "client.enabled")}</span>
      {isSandbox && <> <span class="tag">{t("client.sandbox")}</span></>}
    </>
  );
}
